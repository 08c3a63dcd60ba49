//! The log: changes in the order of arrival, each call's in one checked frame.
//!
//! ```text
//! 0   magic "SEMI-LOG" | 8 version u32, zeros | 16 fingerprint u64 | 24 number u64 | 32 zeros | 56 checksum u64
//! 64  frames: magic u64 | payload bytes u64 | payload checksum u64 | checksum of these 24 bytes u64 | payload
//!     payload: per change  kind u64 | user u64 | event u64 | code | row, both only of an append and padded to 8
//! ```
//! A frame is on the disk before its call returns, so only the last one can be incomplete. One that the file ends in,
//! or that has a piece of a sector that was never written (zeros), is cut off on opening. Anything else is damage.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::layout::{Layout, check_at, damaged, log_path, pad, padded, sync_folder, word};
use super::tail::{Change, MOST_CHANGES, Tail};
use crate::coded::Codec;
use crate::error::{Error, Result};

pub(super) const MAGIC: &[u8; 8] = b"SEMI-LOG";
const VERSION: u64 = 1;
const HEADER: usize = 64;
const FRAME: u64 = u64::from_le_bytes(*b"changes:");
const FRAME_HEADER: usize = 32;
const SECTOR: u64 = 512;

/// A log that is written to.
#[derive(Debug)]
pub(super) struct Log {
    pub number: u64,
    path: PathBuf,
    file: File,
    /// Bytes that are on the disk.
    end: u64,
    /// A write failed, and what the file holds beyond its end is unknown.
    broken: bool,
}

fn header(fingerprint: u64, number: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    for (at, value) in [(8, VERSION), (16, fingerprint), (24, number)] {
        header[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    let check = check_at(0, &header[..HEADER - 8]);
    header[HEADER - 8..].copy_from_slice(&check.to_le_bytes());
    header
}

impl Log {
    /// An empty log, on the disk when it is returned.
    pub fn create(folder: &Path, fingerprint: u64, number: u64) -> Result<Self> {
        let path = log_path(folder, number);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let mut file = file.map_err(Error::io(&path, "cannot create"))?;
        let written = file.write_all(&header(fingerprint, number)).and_then(|()| file.sync_all());
        written.map_err(Error::io(&path, "cannot write"))?;
        sync_folder(folder)?;
        Ok(Self { number, path, file, end: HEADER as u64, broken: false })
    }

    /// Reads a log, and cuts off a frame that was never acknowledged. Returns its changes and the bytes cut off.
    pub fn open<C: Codec>(folder: &Path, layout: &Layout<C>, number: u64) -> Result<(Self, Tail, u64)> {
        let path = log_path(folder, number);
        let file =
            File::options().read(true).write(true).open(&path).map_err(Error::io(&path, "cannot open"))?;
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "cannot read"))?;
        if bytes.get(..HEADER) != Some(&header(layout.fingerprint, number)) {
            return Err(damaged(&path, 0, "not the header of this store's log"));
        }
        let mut tail = Tail::default();
        let mut at = HEADER;
        while let Some(payload) = frame(&path, &bytes, at)? {
            read_payload(layout, payload, &mut tail)
                .ok_or_else(|| damaged(&path, at as u64, "a frame of changes that do not fit the store"))?;
            at += FRAME_HEADER + payload.len();
        }
        let cut = (bytes.len() - at) as u64;
        if cut > 0 {
            file.set_len(at as u64).and_then(|()| file.sync_all()).map_err(Error::io(&path, "cannot cut"))?;
        }
        Ok((Self { number, path, file, end: at as u64, broken: false }, tail, cut))
    }

    pub fn bytes(&self) -> u64 {
        self.end
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses all further writes: whether the manifest still names this log is unknown.
    pub fn give_up(&mut self) {
        self.broken = true;
    }

    /// Writes changes as one frame; they are on the disk when it returns.
    pub fn write<'a>(&mut self, changes: impl Iterator<Item = Change<'a>>) -> Result<()> {
        if self.broken {
            let source = std::io::Error::other("an earlier write failed; open the store again");
            return Err(Error::io(&self.path, "cannot write")(source));
        }
        let mut frame = vec![0; FRAME_HEADER];
        for change in changes {
            let (kind, user, event) = match change {
                Change::Append { user, event, .. } => (1, user, event),
                Change::Delete { user, event } => (2, user, event),
                Change::Erase { user } => (3u64, user, 0),
            };
            [kind, user, event].iter().for_each(|number| frame.extend_from_slice(&number.to_le_bytes()));
            if let Change::Append { code, row, .. } = change {
                for part in [code, row] {
                    frame.extend_from_slice(part);
                    pad(&mut frame);
                }
            }
        }
        let payload = check_at(self.end, &frame[FRAME_HEADER..]);
        let length = (frame.len() - FRAME_HEADER) as u64;
        for (at, value) in [(0, FRAME), (8, length), (16, payload)] {
            frame[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let own = check_at(self.end, &frame[..24]);
        frame[24..32].copy_from_slice(&own.to_le_bytes());
        let start = self.file.seek(SeekFrom::Start(self.end));
        if let Err(source) = start.and_then(|_| self.file.write_all(&frame)) {
            // Nothing was acknowledged: the file goes back to what was.
            self.broken = self.file.set_len(self.end).is_err();
            return Err(Error::io(&self.path, "cannot write")(source));
        }
        if let Err(source) = self.file.sync_data() {
            // What a failed sync left on the disk cannot be known.
            self.broken = true;
            let _ = self.file.set_len(self.end);
            return Err(Error::io(&self.path, "cannot write to the disk")(source));
        }
        self.end += frame.len() as u64;
        Ok(())
    }
}

/// The payload of the frame at an offset; none at the end or where an incomplete frame begins.
fn frame<'a>(path: &Path, bytes: &'a [u8], at: usize) -> Result<Option<&'a [u8]>> {
    let rest = &bytes[at..];
    if rest.len() < FRAME_HEADER {
        return Ok(None);
    }
    let sound = word(rest, 0) == FRAME && word(rest, 24) == check_at(at as u64, &rest[..24]);
    if !sound {
        let unwritten = has_unwritten(rest, at) && !later_frame(bytes, at);
        return if unwritten {
            Ok(None)
        } else {
            Err(damaged(path, at as u64, "a frame's header was altered"))
        };
    }
    let length = usize::try_from(word(rest, 8)).unwrap_or(usize::MAX);
    let Some(payload) = rest[FRAME_HEADER..].get(..length) else {
        return Ok(None);
    };
    if word(rest, 16) == check_at(at as u64, payload) {
        return Ok(Some(payload));
    }
    let last = at + FRAME_HEADER + length == bytes.len();
    let unwritten = last && has_unwritten(payload, at + FRAME_HEADER);
    if unwritten {
        Ok(None)
    } else {
        Err(damaged(
            path,
            at as u64,
            "a frame's checksum is wrong: it was altered; restore the file from a copy",
        ))
    }
}

/// Whether a piece between sector bounds, of bytes that begin at an offset, is all zeros.
fn has_unwritten(bytes: &[u8], at: usize) -> bool {
    let first = ((SECTOR - at as u64 % SECTOR) as usize).min(bytes.len());
    let zeros = |piece: &[u8]| piece.len() >= FRAME_HEADER && piece.iter().all(|&byte| byte == 0);
    zeros(&bytes[..first]) || bytes[first..].chunks(SECTOR as usize).any(zeros)
}

/// Whether a frame's header stands anywhere behind an offset.
fn later_frame(bytes: &[u8], at: usize) -> bool {
    let places = (at + 8..bytes.len().saturating_sub(FRAME_HEADER - 1)).step_by(8);
    let mut magic = places.filter(|&at| word(bytes, at) == FRAME);
    magic.any(|at| word(bytes, at + 24) == check_at(at as u64, &bytes[at..at + 24]))
}

/// Takes the changes from a payload; nothing if they do not fit.
fn read_payload<C: Codec>(layout: &Layout<C>, mut payload: &[u8], tail: &mut Tail) -> Option<()> {
    while !payload.is_empty() {
        let (head, rest) = payload.split_at_checked(24)?;
        let (user, event) = (word(head, 8), word(head, 16));
        payload = rest;
        let change = match word(head, 0) {
            1 => {
                let (code, rest) = payload.split_at_checked(padded(layout.code))?;
                let (row, rest) = rest.split_at_checked(padded(layout.row))?;
                payload = rest;
                Change::Append { user, event, code: &code[..layout.code], row: &row[..layout.row] }
            }
            2 => Change::Delete { user, event },
            3 => Change::Erase { user },
            _ => return None,
        };
        if tail.len() >= MOST_CHANGES {
            return None;
        }
        tail.push(layout, change);
    }
    Some(())
}
