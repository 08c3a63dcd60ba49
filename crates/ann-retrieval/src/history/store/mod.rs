//! The histories of many users in one folder.
//!
//! Changes go to a log, each call's in one frame that is on the disk before the call returns, and into memory. When the
//! log has reached its length, what it leaves of each user becomes a segment: a file sorted by user, written once and
//! mapped. Neighbouring segments are merged now and then, so that a user's behaviours lie in few places; merged into one,
//! they lie together, as the scan wants them. The manifest names the files that count. It is replaced by renaming, so a
//! crash leaves the state before or after, and files that it does not name are removed on opening.
//!
//! Readers take the list of segments as it is, and go on with it whatever is written, merged or removed.

mod compaction;
mod layout;
mod log;
mod manifest;
mod merge;
mod segment;
mod settings;
mod tail;
mod target;
mod view;
mod writer;

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use settings::{Kept, StoreLimits, StoreSizes};
pub use target::StoreTarget;
pub use view::UserHistory;

use crate::coded::{Codec, StoredCodec, encode_all};
use crate::error::{Error, Result};
use crate::history::target::ensure_short;
use crate::history::{History, HistoryIndex};
use crate::index::check;
use crate::metric::Metric;
use layout::Layout;
use log::Log;
use manifest::Manifest;
use segment::Segment;
use tail::{Change, Said, Tail};

/// The histories of many users in one folder, with one codec.
///
/// A behaviour is named by the caller: by a user and an id that is unique among the user's behaviours, any `u64` both.
/// All methods take `&self`; readers are never held up by a merge, and a writer only while the log becomes a segment.
/// One process at a time has a store open.
pub struct HistoryStore<C: Codec> {
    folder: PathBuf,
    layout: Arc<Layout<C>>,
    limits: StoreLimits,
    cut_off: u64,
    state: RwLock<State>,
    writer: Mutex<Writing>,
    /// One merge at a time.
    merging: Mutex<()>,
    /// Held for as long as the store is open.
    _lock: File,
}

/// What readers see. A clone stays as it is, except that a tail still grows while it is the newest.
#[derive(Clone)]
struct State {
    /// Oldest first.
    segments: Vec<Arc<Segment>>,
    tail: Arc<RwLock<Tail>>,
}

/// What only one writer at a time has.
struct Writing {
    log: Log,
    /// The next file's number.
    free: u64,
}

impl<C: StoredCodec> HistoryStore<C> {
    /// A new store in a folder that is empty or not there yet.
    ///
    /// # Errors
    /// If the modalities do not divide the codec's width, the factor is 0, the folder holds anything, or the file system
    /// refuses.
    pub fn create(folder: &Path, codec: Arc<C>, modalities: usize, kept: Kept) -> Result<Self> {
        let factor = match kept {
            Kept::Codes => None,
            Kept::CodesAndRows { factor: 0 } => {
                return Err(Error::Config { field: "factor", message: "must be at least 1".into() });
            }
            Kept::CodesAndRows { factor } => Some(factor),
        };
        let modalities = History::new(codec.clone(), modalities)?.modalities();
        let lock = manifest::claim(folder)?;
        let layout = manifest::create(folder, codec, modalities, factor)?;
        Self::begin(folder, layout, lock)
    }

    /// Opens a store. What an interrupted call left at the end of the log is cut off; see [`HistoryStore::cut_off`].
    ///
    /// # Errors
    /// If the folder holds no store of these codes, a file is damaged, or another store has the folder open.
    pub fn open(folder: &Path) -> Result<Self> {
        let lock = Self::lock(folder)?;
        Self::begin(folder, manifest::read_store(folder, None)?, lock)
    }

    /// Opens a store and shares a codec that is in memory already.
    ///
    /// # Errors
    /// As [`HistoryStore::open`], and if the store was created with another codec.
    pub fn open_with(folder: &Path, codec: Arc<C>) -> Result<Self> {
        let lock = Self::lock(folder)?;
        Self::begin(folder, manifest::read_store(folder, Some(codec))?, lock)
    }

    fn lock(folder: &Path) -> Result<File> {
        // A folder that is no store stays as it is.
        std::fs::metadata(folder.join("store")).map_err(Error::io(&folder.join("store"), "cannot open"))?;
        manifest::lock(folder)
    }

    fn begin(folder: &Path, layout: Layout<C>, lock: File) -> Result<Self> {
        let found = Manifest::open(folder, layout.fingerprint)?;
        let (log, tail, cut_off, free, segments) = match &found {
            Some(found) if found.log > 0 => {
                let segments = found.segments.iter().map(|&number| Segment::open(folder, &layout, number));
                let segments = segments.map(|segment| segment.map(Arc::new)).collect::<Result<Vec<_>>>()?;
                let (log, tail, cut_off) = Log::open(folder, &layout, found.log)?;
                let free = manifest::sweep(folder, found, layout.fingerprint)?;
                (log, tail, cut_off, free, segments)
            }
            _ => {
                // A new store, or one whose creation was interrupted. The manifest comes before the first log, so that a
                // log without a manifest is never a leftover.
                let none = Manifest { log: 0, segments: Vec::new() };
                none.save(folder, layout.fingerprint)?;
                let number = manifest::sweep(folder, &none, layout.fingerprint)?;
                let log = Log::create(folder, layout.fingerprint, number)?;
                Manifest { log: number, ..none }.save(folder, layout.fingerprint)?;
                (log, Tail::default(), 0, number + 1, Vec::new())
            }
        };
        Ok(Self {
            folder: folder.into(),
            layout: Arc::new(layout),
            limits: StoreLimits::default(),
            cut_off,
            state: RwLock::new(State { segments, tail: Arc::new(RwLock::new(tail)) }),
            writer: Mutex::new(Writing { log, free }),
            merging: Mutex::new(()),
            _lock: lock,
        })
    }
}

impl<C: Codec> HistoryStore<C> {
    /// The store under other limits.
    #[must_use]
    pub fn with_limits(self, limits: StoreLimits) -> Self {
        Self { limits, ..self }
    }

    /// The codec of all users.
    pub fn shared(&self) -> &Arc<C> {
        &self.layout.codec
    }

    /// M: modalities of a behaviour.
    pub fn modalities(&self) -> usize {
        self.layout.modalities
    }

    /// d: width of each modality.
    pub fn dim(&self) -> usize {
        self.layout.codec.dim() / self.layout.modalities
    }

    /// Bytes that opening cut off the log: the incomplete frame of one call that was interrupted, and so never
    /// acknowledged.
    pub fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// Sizes of files and memory.
    pub fn sizes(&self) -> StoreSizes {
        let log_bytes = self.writing().log.bytes();
        let state = self.state();
        StoreSizes {
            segments: state.segments.len(),
            segment_bytes: state.segments.iter().map(|segment| segment.bytes()).sum(),
            log_bytes,
            memory_bytes: state.tail.read().unwrap_or_else(PoisonError::into_inner).bytes(),
        }
    }

    /// Prepares a target `[M, d]` under a weight for each modality, for all users.
    ///
    /// # Errors
    /// If a size is wrong, a number is not finite, or scores under these weights may not be.
    pub fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<StoreTarget<C>> {
        StoreTarget::new(&self.layout, target, weights)
    }

    /// A user's history as it is now; an empty one if the store does not know the user.
    ///
    /// # Errors
    /// If a file is damaged where it holds the user.
    pub fn get(&self, user: u64) -> Result<UserHistory<C>> {
        let State { segments, tail } = self.state();
        UserHistory::gather(&self.layout, &segments, &tail, user)
    }

    /// Whether a user has a behaviour.
    ///
    /// # Errors
    /// As [`HistoryStore::get`].
    pub fn contains(&self, user: u64, event: u64) -> Result<bool> {
        self.holds(&self.state(), user, event)
    }

    /// Appends a behaviour `[M, d]`; it is on the disk when the call returns.
    ///
    /// # Errors
    /// As [`HistoryStore::append_many`].
    pub fn append(&self, user: u64, event: u64, row: &[f32]) -> Result<()> {
        check("the behaviour", row, self.layout.codec.dim())?;
        self.append_many(&[(user, event)], row)
    }

    /// Appends many behaviours `[n, M, d]` under pairs of user and event id, encoding them on all threads and writing
    /// them to the disk at once. All of them are there when the call returns, or none.
    ///
    /// A call that finds the log full first turns it into a segment, and may merge segments; see [`StoreLimits`].
    ///
    /// # Errors
    /// If a row has another size, holds a number that is not finite or is too long; [`Error::Duplicate`] with the event's
    /// id if the user has it, or it is given twice; if a file is damaged, or the file system refuses.
    pub fn append_many(&self, names: &[(u64, u64)], rows: &[f32]) -> Result<()> {
        let width = self.layout.codec.dim();
        check("the behaviours", rows, names.len().saturating_mul(width))?;
        ensure_short(rows, width)?;
        if names.is_empty() {
            return Ok(());
        }
        let mut given = HashSet::with_capacity(names.len());
        if let Some(&(_, event)) = names.iter().find(|name| !given.insert(**name)) {
            return Err(Error::Duplicate(event));
        }
        let codes = encode_all(&*self.layout.codec, Metric::InnerProduct, rows);
        let mut writing = self.room_for(names.len())?;
        let state = self.state();
        for &(user, event) in names {
            if self.holds(&state, user, event)? {
                return Err(Error::Duplicate(event));
            }
        }
        let bytes: &[u8] = bytemuck::cast_slice(rows);
        let changes = || {
            names.iter().enumerate().map(|(i, &(user, event))| Change::Append {
                user,
                event,
                code: &codes[i * self.layout.code..][..self.layout.code],
                row: if self.layout.row == 0 {
                    &[]
                } else {
                    &bytes[i * self.layout.row..][..self.layout.row]
                },
            })
        };
        writing.log.write(changes())?;
        self.note(&state, changes());
        Ok(())
    }

    /// Deletes a behaviour; that is on the disk when the call returns.
    ///
    /// # Errors
    /// [`Error::Unknown`] if the user does not have it; if a file is damaged, or the file system refuses.
    pub fn delete(&self, user: u64, event: u64) -> Result<()> {
        let mut writing = self.room_for(1)?;
        let state = self.state();
        if !self.holds(&state, user, event)? {
            return Err(Error::Unknown(event));
        }
        writing.log.write([Change::Delete { user, event }].into_iter())?;
        self.note(&state, [Change::Delete { user, event }].into_iter());
        Ok(())
    }

    /// Erases all behaviours of a user; that is on the disk when the call returns. Returns how many there were. An event's id may
    /// be given again.
    ///
    /// From then on no call finds them, whatever happens. Their bytes leave the disk with the next
    /// [`HistoryStore::compact`]. A user whose behaviours are damaged is erased too, and counts as none.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn erase(&self, user: u64) -> Result<usize> {
        let mut writing = self.room_for(1)?;
        let state = self.state();
        let held = match UserHistory::gather(&self.layout, &state.segments, &state.tail, user) {
            Ok(history) => Some(history.len()),
            Err(Error::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        if held != Some(0) {
            writing.log.write([Change::Erase { user }].into_iter())?;
            self.note(&state, [Change::Erase { user }].into_iter());
        }
        Ok(held.unwrap_or(0))
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the user has the behaviour, by what is newest.
    fn holds(&self, state: &State, user: u64, event: u64) -> Result<bool> {
        match state.tail.read().unwrap_or_else(PoisonError::into_inner).says(user, event) {
            Said::Here => return Ok(true),
            Said::Gone => return Ok(false),
            Said::Nothing => {}
        }
        for segment in state.segments.iter().rev() {
            let Some(run) = segment.find(&self.layout, user)? else { continue };
            if segment.events(&run).any(|own| own == event) {
                return Ok(true);
            }
            if run.erased || segment.deleted(&run).any(|gone| gone == event) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Shows readers what the log holds.
    fn note<'a>(&self, state: &State, changes: impl Iterator<Item = Change<'a>>) {
        let mut tail = state.tail.write().unwrap_or_else(PoisonError::into_inner);
        changes.for_each(|change| tail.push(&self.layout, change));
    }
}
