//! Import of `NAME_id2title_emb.pth` and its like: a dict of tensors saved by PyTorch. No code of the file runs.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader};

use crate::embeddings::EmbeddingTable;
use crate::error::{Error, Result};
use crate::source::input::refuse_foreign;

/// Reads a dict of tensors of shape `[dim]` or `[1, dim]`, in f16, bf16, f32 or f64.
///
/// `item_of` says which item a key belongs to; keys without an item are counted in the second result. Vectors
/// with NaN or infinity are left out and counted in [`EmbeddingTable::refused`].
///
/// # Errors
/// A damaged archive, a pickle with anything but tensors in it, a tensor of another shape or width, or a file
/// none of whose keys is an item.
pub fn import_pth(
    path: &Path,
    items: usize,
    mut item_of: impl FnMut(&str) -> Option<u32>,
) -> Result<(EmbeddingTable, u64)> {
    let fail = |message: String| Error::damaged(path, message);
    let mut left = allowance(path)?;
    let reader = PytorchReader::new(path).map_err(|e| fail(e.to_string()))?;
    let mut keys = reader.keys();
    keys.sort_unstable();
    let mut table: Option<EmbeddingTable> = None;
    let mut extra = 0;
    for key in &keys {
        let Some(item) = item_of(key) else {
            extra += 1;
            continue;
        };
        let in_key = |message: String| fail(format!("key `{key}`: {message}"));
        let tensor = reader.get(key).ok_or_else(|| in_key("no tensor".into()))?;
        if !matches!(tensor.shape(), [_] | [1, _]) {
            return Err(in_key(format!("shape {:?} is neither [dim] nor [1, dim]", tensor.shape())));
        }
        // A tensor may repeat its numbers, and many share them: what they are in all is still bounded by the file.
        left = left
            .checked_sub(tensor.byte_len() as u64)
            .ok_or_else(|| in_key("the tensors up to here hold more than the file".into()))?;
        let bytes = tensor.read().map_err(|e| in_key(e.to_string()))?;
        let vector = floats(tensor.dtype(), &bytes).map_err(in_key)?;
        if table.is_none() {
            table = Some(EmbeddingTable::new(items, vector.len())?);
        }
        if let Some(table) = &mut table {
            table.set(item, &vector).map_err(|e| in_key(e.to_string()))?;
        }
    }
    let table = table.ok_or_else(|| fail(format!("none of its {extra} keys is an item of the corpus")))?;
    Ok((table, extra))
}

/// What an archive may unpack to beyond its own length: PyTorch stores entries as they are, so only a bomb has more.
const MOST_BEYOND: u64 = 1 << 24;

/// Bytes that the tensors of a file may have in all; refuses an archive whose entries have more, and what is no PyTorch file.
fn allowance(path: &Path) -> Result<u64> {
    let mut file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    let metadata = file.metadata().map_err(Error::io(path, "cannot open"))?;
    refuse_others(path, &mut file, metadata.is_dir())?;
    let most = metadata.len() + MOST_BEYOND;
    // Files of PyTorch before 1.6 are no archives: nothing in them is compressed.
    if let Ok(mut archive) = zip::ZipArchive::new(BufReader::new(file)) {
        let sizes = (0..archive.len()).map(|at| archive.by_index_raw(at).map_or(0, |entry| entry.size()));
        let unpacked = sizes.fold(0u64, u64::saturating_add);
        if unpacked > most {
            let message = format!("the archive unpacks to {unpacked} bytes, more than {most}");
            return Err(Error::damaged(path, message));
        }
    }
    Ok(most)
}

/// Refuses a folder, and every form that has a name and is neither a zip archive nor a pickle.
fn refuse_others(path: &Path, file: &mut File, folder: bool) -> Result<()> {
    const EXPECTED: &str = "a file that PyTorch saved";
    let form = |found, remedy| Error::Form {
        file: path.to_path_buf(),
        found,
        within: "",
        expected: EXPECTED,
        remedy,
    };
    let mut head = Vec::new();
    if folder {
        return Err(form("a folder", "name the file in it"));
    }
    file.take(512).read_to_end(&mut head).map_err(Error::io(path, "cannot read"))?;
    match head.as_slice() {
        [] => Err(Error::damaged(path, "the file is empty")),
        [0x1F, 0x8B, ..] => Err(form("gzip data", "unpack it")),
        [b'P', b'K', 3 | 5 | 7, ..] | [0x80, ..] => Ok(()),
        _ => refuse_foreign(path, &head, "", EXPECTED),
    }
}

fn floats(dtype: DType, bytes: &[u8]) -> std::result::Result<Vec<f32>, String> {
    Ok(match dtype {
        DType::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        DType::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        DType::F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        DType::BF16 => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        other => return Err(format!("numbers of type {other:?}, not floating point")),
    })
}
