//! Zstandard data of several frames, as `cat a.zst b.zst` and parallel compressors make it.

use std::io::{BufRead, Cursor, Error, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Bytes asked of the decoder at a time.
const STEP: usize = 1 << 17;

/// Bytes of a frame's header at most.
const HEADER: usize = 18;
/// The largest window that a frame may ask for: memory that is taken before a byte is read.
const MOST_WINDOW: u64 = 1 << 25;

/// Decompressed bytes of all frames. Frames that hold no data are skipped; anything else between frames is an error.
pub(super) struct Frames<R: BufRead> {
    /// What was looked at of the next frame, and not given to the decoder yet.
    ahead: Cursor<Vec<u8>>,
    inner: R,
    decoder: Box<FrameDecoder>,
    /// Whether a frame is being read.
    open: bool,
}

impl<R: BufRead> Frames<R> {
    pub fn new(inner: R) -> Self {
        Self { ahead: Cursor::default(), inner, decoder: Box::new(FrameDecoder::new()), open: false }
    }

    /// Begins the next frame; says whether there is one.
    fn next_frame(&mut self) -> std::io::Result<bool> {
        loop {
            let mut head = Vec::with_capacity(HEADER);
            (&mut self.ahead).chain(&mut self.inner).take(HEADER as u64).read_to_end(&mut head)?;
            if head.is_empty() {
                return Ok(false);
            }
            if let Some(window) = window(&head).filter(|&window| window > MOST_WINDOW) {
                let message = format!(
                    "a frame asks for a window of {window} bytes: compress it without `--long` and `--ultra`"
                );
                return Err(Error::other(message));
            }
            self.ahead = Cursor::new(head);
            match self.decoder.reset((&mut self.ahead).chain(&mut self.inner)) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let mut rest = (&mut self.ahead).chain(&mut self.inner).take(length);
                    if std::io::copy(&mut rest, &mut std::io::sink())? < length {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(Error::other(error)),
            }
        }
    }

    /// Whether the checksum of the frame that ended fits.
    fn check(&self) -> std::io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(said), Some(found)) if said != found => {
                Err(Error::other("the checksum of a frame differs"))
            }
            _ => Ok(()),
        }
    }
}

/// The window that a frame's header asks for, in bytes; `None` where it is cut off or of something else.
fn window(head: &[u8]) -> Option<u64> {
    let (magic, rest) = head.split_first_chunk::<4>()?;
    if magic != b"\x28\xB5\x2F\xFD" {
        return None;
    }
    let (&descriptor, rest) = rest.split_first()?;
    if descriptor & 0x20 == 0 {
        let &asked = rest.first()?;
        let base = 1u64 << (10 + (asked >> 3));
        return Some(base + base / 8 * u64::from(asked & 7));
    }
    // The whole content is one segment: its length stands behind the number of the dictionary.
    let skipped = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut bytes = [0; 8];
    bytes[..length].copy_from_slice(rest.get(skipped..skipped + length)?);
    Some(u64::from_le_bytes(bytes))
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.open {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.open = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let step = BlockDecodingStrategy::UptoBytes(STEP);
                let rest = (&mut self.ahead).chain(&mut self.inner);
                self.decoder.decode_blocks(rest, step).map_err(Error::other)?;
            }
            let read = self.decoder.read(out)?;
            if read > 0 {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.check()?;
                self.open = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn unpacked(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Frames::new(bytes).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn frames_follow_each_other_and_cuts_are_errors() {
        let text: Vec<u8> = (0..9_000u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let packed = compress_to_vec(&text[..], CompressionLevel::Fastest);
        let skipped = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 7, 7, 7];
        let both = [&skipped[..], &packed, &skipped, &packed].concat();
        assert_eq!(unpacked(&both).unwrap(), [&text[..], &text].concat());
        for cut in (1..packed.len()).step_by(97).chain(packed.len() - 4..packed.len()) {
            assert!(unpacked(&packed[..cut]).is_err(), "cut at {cut} of {}", packed.len());
        }
        assert!(unpacked(&skipped[..9]).is_err());
        assert!(unpacked(&[&packed[..], b"rubbish"].concat()).is_err());
        let mut altered = packed.clone();
        let last = altered.len() - 1;
        altered[last] ^= 1;
        assert!(unpacked(&altered).is_err(), "the checksum is looked at");
    }

    #[test]
    fn windows_are_limited() {
        let of = |asked: u8| [0x28, 0xB5, 0x2F, 0xFD, 0, asked, 1, 0, 0];
        assert_eq!(
            (window(&of(0)), window(&of(0x79)), window(b"\x28\xB5")),
            (Some(1024), Some((1 << 25) / 8 * 9), None)
        );
        assert!(unpacked(&of(0x88)).unwrap_err().to_string().contains("a window of"));
        assert_eq!(window(&[0x28, 0xB5, 0x2F, 0xFD, 0xA1, 9, 0, 0, 0, 1]), Some(1 << 24));
    }
}
