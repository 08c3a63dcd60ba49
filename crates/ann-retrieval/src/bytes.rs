//! Bytes that are owned or lie in a mapped file, always aligned for vector loads.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use memmap2::Mmap;

/// The unit of allocation: a cache line.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A list of bytes. A mapped one is copied before it is first changed.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    Owned { lines: Vec<Line>, len: usize },
    Mapped { map: Arc<Mmap>, range: Range<usize> },
}

impl Bytes {
    /// No bytes.
    pub(crate) fn new() -> Self {
        Self { data: Data::Owned { lines: Vec::new(), len: 0 } }
    }

    /// A part of a file.
    pub(crate) fn mapped(map: Arc<Mmap>, range: Range<usize>) -> Self {
        Self { data: Data::Mapped { map, range } }
    }

    /// A part of these bytes; of mapped ones without a copy.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        match &self.data {
            Data::Mapped { map, range: own } => {
                Self::mapped(map.clone(), own.start + range.start..own.start + range.end)
            }
            Data::Owned { .. } => {
                let mut copy = Self::new();
                copy.resize(range.len());
                copy.make_mut().copy_from_slice(&self.as_slice()[range]);
                copy
            }
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.data {
            Data::Owned { lines, len } => &bytemuck::cast_slice(lines)[..*len],
            Data::Mapped { map, range } => &map[range.clone()],
        }
    }

    /// Owned bytes, for writing.
    pub(crate) fn make_mut(&mut self) -> &mut [u8] {
        let (lines, len) = self.own();
        &mut bytemuck::cast_slice_mut(lines)[..*len]
    }

    /// Cuts off, or extends with zeros.
    pub(crate) fn resize(&mut self, new: usize) {
        let (lines, len) = self.own();
        lines.resize(new.div_ceil(64), Line::zeroed());
        if new < *len && !new.is_multiple_of(64) {
            // The rest of the last line must be zeros when it comes back.
            bytemuck::cast_slice_mut::<_, u8>(lines)[new..].fill(0);
        }
        *len = new;
    }

    fn own(&mut self) -> (&mut Vec<Line>, &mut usize) {
        if let Data::Mapped { map, range } = &self.data {
            let mut lines = vec![Line::zeroed(); range.len().div_ceil(64)];
            bytemuck::cast_slice_mut(&mut lines)[..range.len()].copy_from_slice(&map[range.clone()]);
            self.data = Data::Owned { len: range.len(), lines };
        }
        match &mut self.data {
            Data::Owned { lines, len } => (lines, len),
            Data::Mapped { .. } => unreachable!("it has just been copied"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_off_bytes_come_back_as_zeros() {
        let mut bytes = Bytes::new();
        bytes.resize(100);
        bytes.make_mut().fill(9);
        bytes.resize(70);
        bytes.resize(130);
        assert!(bytes.as_slice()[..70].iter().all(|&b| b == 9) && bytes.as_slice()[70..] == [0; 60]);
        assert!(bytes.as_slice().as_ptr().addr().is_multiple_of(64));
        assert_eq!(bytes.slice(64..72).as_slice(), &[9, 9, 9, 9, 9, 9, 0, 0]);
    }
}
