//! Zstandard data of several frames, as `cat a.zst b.zst` and parallel compressors make it.

use std::io::{BufRead, Error, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Bytes asked of the decoder at a time.
const STEP: usize = 1 << 17;

/// Decompressed bytes of all frames. Frames that hold no data are skipped; anything else between frames is an error.
pub(super) struct Frames<R: BufRead> {
    inner: R,
    decoder: Box<FrameDecoder>,
    /// Whether a frame is being read.
    open: bool,
}

impl<R: BufRead> Frames<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, decoder: Box::new(FrameDecoder::new()), open: false }
    }

    /// Begins the next frame; says whether there is one.
    fn next_frame(&mut self) -> std::io::Result<bool> {
        loop {
            if self.inner.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.inner) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if std::io::copy(&mut self.inner.by_ref().take(length), &mut std::io::sink())? < length {
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
            (Some(said), Some(found)) if said != found => Err(Error::other("the checksum of a frame differs")),
            _ => Ok(()),
        }
    }
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
                self.decoder.decode_blocks(&mut self.inner, step).map_err(Error::other)?;
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
}
