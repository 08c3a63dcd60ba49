//! Import of `NAME_id2title_emb.pth` and its like: a dict of tensors saved by PyTorch. No code of the file runs.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader};

use crate::embeddings::EmbeddingTable;
use crate::error::{Error, Result};

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
    let mut left = allowance(path).map_err(fail)?;
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

/// Bytes that the tensors of a file may have in all; refuses an archive whose entries have more.
fn allowance(path: &Path) -> std::result::Result<u64, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let most = file.metadata().map_err(|e| e.to_string())?.len() + MOST_BEYOND;
    // Files of PyTorch before 1.6 are no archives: nothing in them is compressed.
    if let Ok(mut archive) = zip::ZipArchive::new(BufReader::new(file)) {
        let sizes = (0..archive.len()).map(|at| archive.by_index_raw(at).map_or(0, |entry| entry.size()));
        let unpacked = sizes.fold(0u64, u64::saturating_add);
        if unpacked > most {
            return Err(format!("the archive unpacks to {unpacked} bytes, more than {most}"));
        }
    }
    Ok(most)
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
