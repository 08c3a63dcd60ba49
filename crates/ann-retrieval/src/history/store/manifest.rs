//! What a store's folder holds: the `store` file says what behaviours are like and is written once, the `manifest` names
//! the files that count and is replaced by every change of them.

use std::fs::{File, TryLockError};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{Layout, sync_folder};
use super::{log, segment};
use crate::coded::StoredCodec;
use crate::error::{Error, Result};
use crate::history::{History, HistoryIndex};
use crate::persist::{Reader, Writer};

const STORE: &str = "store";
const MANIFEST: &str = "manifest";
const LOCK: &str = "lock";
const KIND: [u8; 8] = *b"manifest";

/// The files that count.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    /// The number of the log.
    pub log: u64,
    /// Numbers of the segments, oldest first.
    pub segments: Vec<u64>,
}

const fn kind<C: StoredCodec>() -> [u8; 8] {
    [b'm', b'h', C::KIND[0], C::KIND[1], C::KIND[2], C::KIND[3], C::KIND[4], C::KIND[5]]
}

/// Replaces a file of the folder: the new one is complete, or the old one stays. The name of the new one is always the
/// same, so a crash leaves one such file at most.
fn replace(folder: &Path, name: &str, parts: &Writer) -> Result<()> {
    let (new, path) = (folder.join(format!("{name}.new")), folder.join(name));
    let write = || {
        let mut out = BufWriter::new(File::create(&new)?);
        parts.write_to(&mut out)?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&new, &path)
    };
    write().map_err(Error::io(&path, "cannot replace"))?;
    sync_folder(folder)
}

/// Takes the folder for this store alone, as long as the file is kept.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(Error::io(&path, "cannot open"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let source = std::io::ErrorKind::WouldBlock.into();
            Err(Error::io(&path, "cannot lock: the store is open already, here or in another process")(
                source,
            ))
        }
        Err(TryLockError::Error(source)) => Err(Error::io(&path, "cannot lock")(source)),
    }
}

/// Makes a folder for a new store, or takes an empty one, and locks it.
pub(super) fn claim(folder: &Path) -> Result<File> {
    std::fs::create_dir_all(folder).map_err(Error::io(folder, "cannot create"))?;
    let foreign = |entry: std::io::Result<std::fs::DirEntry>| match entry {
        // What creating a store leaves if it is interrupted.
        Ok(entry) => {
            let name = entry.file_name();
            (name != LOCK && name != "store.new").then(|| Ok(name.to_string_lossy().into_owned()))
        }
        Err(error) => Some(Err(error)),
    };
    let mut entries = std::fs::read_dir(folder).map_err(Error::io(folder, "cannot read"))?;
    match entries.find_map(foreign).transpose().map_err(Error::io(folder, "cannot read"))? {
        None => lock(folder),
        Some(name) => {
            let message = format!("{} is not empty: it holds `{name}`", folder.display());
            Err(Error::Config { field: "folder", message })
        }
    }
}

fn store_parts<C: StoredCodec>(codec: &C, modalities: usize, factor: Option<usize>) -> Writer<'_> {
    let mut out = Writer::new(kind::<C>());
    out.put_own("shape", &[modalities as u64, factor.unwrap_or(0) as u64]);
    out.within("codec", |out| codec.write(out));
    out
}

/// Writes the file that makes a folder a store.
pub(super) fn create<C: StoredCodec>(
    folder: &Path,
    codec: Arc<C>,
    modalities: usize,
    factor: Option<usize>,
) -> Result<Layout<C>> {
    let parts = store_parts(&*codec, modalities, factor);
    let fingerprint = parts.fingerprint();
    replace(folder, STORE, &parts)?;
    drop(parts);
    Ok(Layout::new(codec, modalities, factor, fingerprint))
}

/// Reads what the store's behaviours are like. A given codec is shared, if it is the same.
pub(super) fn read_store<C: StoredCodec>(folder: &Path, given: Option<Arc<C>>) -> Result<Layout<C>> {
    let from = Reader::open(&folder.join(STORE), kind::<C>())?;
    let [modalities, factor] = from.header("shape")?;
    let codec = C::read(&from.within("codec"))?;
    from.ensure(factor < 1 << 32, "factor")?;
    let codec = match given {
        Some(given) if *given == codec => given,
        Some(_) => return Err(from.damaged("the store was created with another codec than the given one")),
        None => Arc::new(codec),
    };
    let history = History::new(codec.clone(), modalities as usize);
    let modalities = history.map_err(|error| from.damaged(error.to_string()))?.modalities();
    let factor = (factor > 0).then_some(factor as usize);
    let fingerprint = store_parts(&*codec, modalities, factor).fingerprint();
    Ok(Layout::new(codec, modalities, factor, fingerprint))
}

impl Manifest {
    pub fn save(&self, folder: &Path, fingerprint: u64) -> Result<()> {
        let mut out = Writer::new(KIND);
        out.put_own("files", &[fingerprint, self.log]);
        out.put("segments", &self.segments);
        replace(folder, MANIFEST, &out)
    }

    /// Reads the manifest; none where creating the store was interrupted before it was written.
    pub fn open(folder: &Path, fingerprint: u64) -> Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        if !path.exists() {
            if let Some((own, ..)) = numbered(folder)?.first() {
                let message = format!("is missing, and there is {}", own.display());
                return Err(Error::Damaged { path, message });
            }
            return Ok(None);
        }
        let from = Reader::open(&path, KIND)?;
        let [own, log] = from.header("files")?;
        from.ensure(own == fingerprint, "manifest and store")?;
        let segments: Vec<u64> = from.numbers("segments")?;
        from.ensure(segments.len() <= 1 << 20, "segments")?;
        Ok(Some(Self { log, segments }))
    }
}

/// Files that are named as logs and segments are: path, number, whether a segment.
pub(super) fn numbered(folder: &Path) -> Result<Vec<(PathBuf, u64, bool)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder, "cannot read"))? {
        let path = entry.map_err(Error::io(folder, "cannot read"))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        match (number, path.extension().and_then(|kind| kind.to_str())) {
            (Some(number), Some("log")) => found.push((path, number, false)),
            (Some(number), Some("segment")) => found.push((path, number, true)),
            _ => {}
        }
    }
    Ok(found)
}

/// Removes this store's files that the manifest does not name: a crash left them. Returns the first free number.
pub(super) fn sweep(folder: &Path, manifest: &Manifest, fingerprint: u64) -> Result<u64> {
    let mut free = manifest.log.max(manifest.segments.iter().copied().max().unwrap_or(0)).saturating_add(1);
    for (path, number, segment) in numbered(folder)? {
        let named = if segment { manifest.segments.contains(&number) } else { manifest.log == number };
        if !named && (!is_own(&path, segment, fingerprint) || std::fs::remove_file(&path).is_err()) {
            // Not this store's, or not removable: it stays, and its number is passed over.
            free = free.max(number.saturating_add(1));
        }
    }
    Ok(free)
}

/// Whether a file begins as this store's do, or has not been begun.
fn is_own(path: &Path, is_segment: bool, fingerprint: u64) -> bool {
    use std::io::Read;

    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(24).read_to_end(&mut head));
    let magic = if is_segment { segment::MAGIC } else { log::MAGIC };
    read.is_ok()
        && (head.is_empty()
            || (head.len() == 24 && head[..8] == *magic && head[16..] == fingerprint.to_le_bytes()))
}
