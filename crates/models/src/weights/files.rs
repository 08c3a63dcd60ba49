//! Weight files: safetensors in and out, PyTorch's `.pt` in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use half::{bf16, f16};
use pulp::bytemuck;
use pytorch_reader::PytorchReader;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors, serialize, serialize_to_file};

use super::{Array, StateDict};
use crate::error::{Error, Result};

#[cfg(target_endian = "big")]
compile_error!("weights are written as they lie in memory, which needs a little-endian machine");

/// The bytes of a safetensors file.
///
/// # Errors
/// If the tensors cannot be described by the format.
pub fn to_safetensors(state: &StateDict) -> Result<Vec<u8>> {
    let fail = |e: SafeTensorError| Error::Weights { file: "safetensors".into(), message: e.to_string() };
    serialize(views(state).map_err(fail)?, None).map_err(fail)
}

/// Writes a safetensors file without another copy of the tensors. It is not synced; what stood at `path` is replaced.
///
/// # Errors
/// If the tensors cannot be described by the format, or the file system refuses.
pub fn write_safetensors(state: &StateDict, path: &Path) -> Result<()> {
    let fail =
        |e: SafeTensorError| Error::Weights { file: path.display().to_string(), message: e.to_string() };
    serialize_to_file(views(state).map_err(fail)?, None, path).map_err(fail)
}

fn views(state: &StateDict) -> std::result::Result<Vec<(&str, TensorView<'_>)>, SafeTensorError> {
    let views = state.iter().map(|(name, array)| {
        let bytes = bytemuck::cast_slice(&array.values);
        Ok((name.as_str(), TensorView::new(Dtype::F32, array.shape.clone(), bytes)?))
    });
    views.collect()
}

/// Where a tensor of 32-bit floats lies in a safetensors file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// Its bytes within the file, row-major, little-endian.
    pub range: Range<usize>,
}

/// Where each tensor of a safetensors file lies: lets a mapped file be read row by row.
///
/// # Errors
/// If the bytes are damaged, or a tensor holds other numbers than 32-bit floats.
pub fn places(bytes: &[u8], file: &str) -> Result<BTreeMap<String, Placed>> {
    let fail = |message: String| Error::Weights { file: file.to_owned(), message };
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
    let start = bytes.as_ptr() as usize;
    let place = |(name, view): (&str, TensorView<'_>)| {
        if view.dtype() != Dtype::F32 {
            return Err(fail(format!("`{name}` holds {:?}, not F32", view.dtype())));
        }
        // A view borrows from `bytes`: its address tells where.
        let first = view.data().as_ptr() as usize - start;
        let range = first..first + view.data().len();
        Ok((name.to_owned(), Placed { shape: view.shape().to_vec(), range }))
    };
    tensors.iter().map(place).collect()
}

/// The floating-point tensors of a safetensors file.
///
/// # Errors
/// If the bytes are damaged.
pub fn from_safetensors(bytes: &[u8], file: &str) -> Result<StateDict> {
    let fail = |message: String| Error::Weights { file: file.to_owned(), message };
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
    let floats = tensors.iter().filter_map(|(name, view)| {
        let values = floats(&format!("{:?}", view.dtype()), view.data())?;
        Some((name.to_owned(), Array { shape: view.shape().to_vec(), values }))
    });
    Ok(floats.collect())
}

/// Reads a `.safetensors` file, or a `.pt` / `.pth` state dict of PyTorch, of which no code runs.
///
/// # Errors
/// If the file cannot be read or is damaged.
pub fn read(path: &Path) -> Result<StateDict> {
    let file = path.display().to_string();
    let fail = |message: String| Error::Weights { file: file.clone(), message };
    if path.extension().is_some_and(|ending| ending == "safetensors") {
        let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
        return from_safetensors(&bytes, &file);
    }
    let mut left = allowance(path).map_err(fail)?;
    let reader = PytorchReader::new(path).map_err(|e| fail(e.to_string()))?;
    let mut state = StateDict::new();
    for (name, tensor) in reader.tensors() {
        // A tensor may repeat its numbers, and many share them: what they are in all is still bounded by the file.
        left = left
            .checked_sub(tensor.byte_len() as u64)
            .ok_or_else(|| fail(format!("the tensors up to `{name}` hold more than the file")))?;
        let bytes = tensor.read().map_err(|e| fail(format!("`{name}`: {e}")))?;
        if let Some(values) = floats(&format!("{:?}", tensor.dtype()), &bytes) {
            state.insert(name.clone(), Array { shape: tensor.shape().to_vec(), values });
        }
    }
    if state.is_empty() {
        return Err(fail("the file holds no tensor".into()));
    }
    Ok(state)
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

/// Numbers of a type that both formats name alike; `None` for integers.
fn floats(dtype: &str, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        "F32" => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        "F64" => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        "F16" => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        "BF16" => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}
