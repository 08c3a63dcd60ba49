//! Where the numbers of a table lie: in memory, or in a file of their own where they are many.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use memmap2::MmapMut;

use crate::error::{Error, Result};

/// Numbers that start at zero. Pages that nobody writes take no memory.
#[derive(Debug)]
pub(super) enum Storage {
    Memory(Vec<f32>),
    /// A nameless file: it is gone with the process.
    File(MmapMut),
}

impl Storage {
    /// Memory up to `limit` bytes, beyond that a file in `folder`.
    pub fn new(count: usize, limit: usize, folder: &Path) -> Result<Self> {
        let bytes = count.checked_mul(4).ok_or(Error::Config {
            field: "rows",
            message: format!("a table of {count} numbers is larger than the address space"),
        })?;
        if bytes <= limit {
            return Ok(Self::Memory(vec![0.0; count]));
        }
        let fail = |source| Error::Io {
            path: folder.to_path_buf(),
            doing: "cannot hold the file of a table; choose another folder with --temp-dir (`table_folder` in the library)",
            source,
        };
        let file = tempfile::tempfile_in(folder).map_err(fail)?;
        reserve(&file, bytes as u64).map_err(fail)?;
        // SAFETY: the file has no name, so no other process can write or truncate it; it has the length that is mapped.
        let map = unsafe { MmapMut::map_mut(&file) }.map_err(fail)?;
        Ok(Self::File(map))
    }
}

/// Makes the file so long, and takes the room on the disk now: a full disk is an error here, not a signal in the middle of training.
fn reserve(file: &File, bytes: u64) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let disk = rustix::fs::fstatvfs(file)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < bytes {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
    }
    #[cfg(target_os = "linux")]
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        // Some file systems cannot reserve.
        Err(rustix::io::Errno::OPNOTSUPP) => {}
        reserved => return Ok(reserved?),
    }
    file.set_len(bytes)
}

impl Deref for Storage {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Memory(values) => values,
            Self::File(map) => bytemuck::cast_slice(map),
        }
    }
}

impl DerefMut for Storage {
    fn deref_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Memory(values) => values,
            Self::File(map) => bytemuck::cast_slice_mut(map),
        }
    }
}
