//! Writing a segment, user by user in ascending order.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::layout::{Layout, check_at, check_row, pad, segment_path, sync_folder};
use super::segment::{HEADER, MAGIC, RUN_HEADER, VERSION, check_names, seal};
use crate::coded::Codec;
use crate::error::{Error, Result};

/// What one user's run will hold.
#[derive(Debug, Default)]
pub(super) struct UserRun {
    pub events: Vec<u64>,
    pub deleted: Vec<u64>,
    pub erased: bool,
    /// The codes of the behaviours, one after another.
    pub codes: Vec<u8>,
    /// Their exact rows, if the store keeps any.
    pub rows: Vec<u8>,
}

impl UserRun {
    pub fn clear(&mut self) {
        self.events.clear();
        self.deleted.clear();
        self.codes.clear();
        self.rows.clear();
        self.erased = false;
    }
}

/// A segment in the making. Until a manifest names it, the file counts for nothing.
pub(super) struct SegmentWriter {
    path: PathBuf,
    out: BufWriter<File>,
    fingerprint: u64,
    offset: u64,
    /// 16 bytes per user.
    users: Vec<u64>,
    starts: Vec<u64>,
    gone: u64,
    run: Vec<u8>,
    complete: bool,
}

impl Drop for SegmentWriter {
    /// A file that was given up would take room until the store is opened again.
    fn drop(&mut self) {
        if !self.complete {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl SegmentWriter {
    pub fn create(folder: &Path, fingerprint: u64, number: u64) -> Result<Self> {
        let path = segment_path(folder, number);
        let file = File::options().write(true).create_new(true).open(&path);
        let mut file = file.map_err(Error::io(&path, "cannot create"))?;
        // A file left by a crash has to be known as this store's.
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[16..24].copy_from_slice(&fingerprint.to_le_bytes());
        file.write_all(&header).map_err(Error::io(&path, "cannot write"))?;
        let out = BufWriter::with_capacity(1 << 20, file);
        Ok(Self {
            path,
            out,
            fingerprint,
            offset: HEADER as u64,
            users: Vec::new(),
            starts: vec![HEADER as u64],
            gone: 0,
            run: Vec::new(),
            complete: false,
        })
    }

    /// Writes a user's run; one that says nothing is left out.
    pub fn add<C: Codec>(&mut self, layout: &Layout<C>, user: u64, run: &UserRun) -> Result<()> {
        let events = run.events.len();
        if events == 0 && run.deleted.is_empty() && !run.erased {
            return Ok(());
        }
        debug_assert!(self.users.last().is_none_or(|&last| last < user));
        if events > u32::MAX as usize || run.deleted.len() > u32::MAX as usize {
            let message = format!("user {user} has {events}, and a history holds fewer than 2^32");
            return Err(Error::Config { field: "behaviours", message });
        }
        let out = &mut self.run;
        out.clear();
        let counts = events as u64 | (run.deleted.len() as u64) << 32;
        for number in
            [user, counts, u64::from(run.erased), 0, 0].iter().chain(&run.events).chain(&run.deleted)
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let codes = out.len();
        let whole = layout.in_blocks(events);
        let (blocked, rest) = run.codes.split_at(whole * layout.code);
        out.resize(codes + blocked.len(), 0);
        let blocks = out[codes..].chunks_exact_mut(C::BLOCK * layout.code);
        for (block, codes) in blocks.zip(blocked.chunks_exact(C::BLOCK * layout.code)) {
            for (lane, code) in codes.chunks_exact(layout.code).enumerate() {
                layout.codec.put(block, lane, code);
            }
        }
        out.extend_from_slice(rest);
        pad(out);
        if layout.row > 0 {
            for row in run.rows.chunks_exact(layout.row) {
                out.extend_from_slice(&check_row(row).to_le_bytes());
            }
        }
        let rows = out.len();
        if layout.row > 0 {
            out.extend_from_slice(&run.rows);
            pad(out);
        }
        let names = check_names(self.offset as usize, &out[..24], &out[RUN_HEADER..codes]);
        let coded = check_at(self.offset, &out[codes..rows]);
        out[24..32].copy_from_slice(&names.to_le_bytes());
        out[32..40].copy_from_slice(&coded.to_le_bytes());
        self.out.write_all(out).map_err(Error::io(&self.path, "cannot write"))?;
        self.offset += out.len() as u64;
        self.users.push(user);
        self.starts.push(self.offset);
        self.gone += run.deleted.len() as u64 + u64::from(run.erased);
        Ok(())
    }

    /// Puts the complete segment on the disk. Returns whether it holds anything; an empty one is removed.
    pub fn finish(mut self) -> Result<bool> {
        let (index, users) = (self.offset, self.users.len() as u64);
        let length = index + 16 * users + 8;
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        let numbers = [VERSION, self.fingerprint, users, index, length, self.gone];
        for (at, number) in (8..).step_by(8).zip(numbers) {
            header[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        let tables = [&self.users, &self.starts].map(|table| bytemuck::cast_slice::<u64, u8>(table));
        let check = seal(&header, |hash| tables.iter().for_each(|table| hash.update(table)));
        header[HEADER - 8..].copy_from_slice(&check.to_le_bytes());
        let written = tables.iter().try_for_each(|table| self.out.write_all(table));
        let written = written.and_then(|()| self.out.seek(SeekFrom::Start(0)).map(drop));
        let written = written.and_then(|()| self.out.write_all(&header)).and_then(|()| self.out.flush());
        written.map_err(Error::io(&self.path, "cannot write"))?;
        self.out.get_ref().sync_all().map_err(Error::io(&self.path, "cannot write to the disk"))?;
        sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        self.complete = users > 0;
        Ok(self.complete)
    }
}
