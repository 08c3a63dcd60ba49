//! Gzip with several members, as `cat a.gz b.gz` makes it, and zero padding after them, as tapes and block devices leave it.

use std::io::{BufRead, Read};

use flate2::bufread::GzDecoder;

/// Decompressed bytes of all members. Zeros after a member are padding; anything else there has to be a member.
pub(super) struct Members<R: BufRead> {
    /// Present until the end.
    current: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub fn new(inner: R) -> Self {
        Self { current: Some(GzDecoder::new(inner)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while let Some(decoder) = &mut self.current {
            let read = decoder.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            let more = skip_zeros(decoder.get_mut())?;
            self.current = self.current.take().filter(|_| more).map(|old| GzDecoder::new(old.into_inner()));
        }
        Ok(0)
    }
}

/// Skips zeros; says whether something follows them.
fn skip_zeros(inner: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        let buffer = inner.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
        let ended = zeros < buffer.len();
        inner.consume(zeros);
        if ended {
            return Ok(true);
        }
    }
}
