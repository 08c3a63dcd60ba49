//! Weight files: safetensors in and out, PyTorch's `.pt` in.

use std::collections::{BTreeMap, HashMap};
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
    let names = names(state);
    serialize(views(state, &names).map_err(fail)?, metadata(state)).map_err(fail)
}

/// Writes a safetensors file without another copy of the tensors. It is not synced; what stood at `path` is replaced.
///
/// # Errors
/// If the tensors cannot be described by the format, or the file system refuses.
pub fn write_safetensors(state: &StateDict, path: &Path) -> Result<()> {
    let fail =
        |e: SafeTensorError| Error::Weights { file: path.display().to_string(), message: e.to_string() };
    let names = names(state);
    serialize_to_file(views(state, &names).map_err(fail)?, metadata(state), path).map_err(fail)
}

/// The entry of a file's metadata that holds [`StateDict::about`].
const ABOUT: &str = "seminar";

fn metadata(state: &StateDict) -> Option<HashMap<String, String>> {
    state.about.as_ref().map(|about| HashMap::from([(ABOUT.to_owned(), about.clone())]))
}

/// The name of the tensor of bytes that holds the names of a table's rows, as a JSON list.
fn names_of(table: &str) -> String {
    format!("{}{NAMES}", table.strip_suffix(".weight").unwrap_or(table))
}

const NAMES: &str = ".names";

/// The names of rows, as bytes. They are tensors of their own as the header of a file has a largest size.
fn names(state: &StateDict) -> Vec<(String, Vec<u8>)> {
    let lists = state.row_names.iter();
    lists.map(|(table, names)| (names_of(table), serde_json::json!(names).to_string().into_bytes())).collect()
}

fn views<'a>(
    state: &'a StateDict,
    names: &'a [(String, Vec<u8>)],
) -> std::result::Result<Vec<(&'a str, TensorView<'a>)>, SafeTensorError> {
    let tensors = state.iter().map(|(name, array)| {
        let bytes = bytemuck::cast_slice(&array.values);
        Ok((name.as_str(), TensorView::new(Dtype::F32, array.shape.clone(), bytes)?))
    });
    let names = names
        .iter()
        .map(|(name, bytes)| Ok((name.as_str(), TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?)));
    tensors.chain(names).collect()
}

/// Adds what a file holds under a name: numbers, or the names of a table's rows. Tensors of other types are passed over.
fn add(
    state: &mut StateDict,
    name: &str,
    dtype: &str,
    shape: &[usize],
    bytes: &[u8],
) -> std::result::Result<(), String> {
    if let Some(values) = floats(dtype, bytes) {
        state.insert(name.to_owned(), Array { shape: shape.to_vec(), values });
    } else if let ("U8", Some(table)) = (dtype, name.strip_suffix(NAMES)) {
        let names = serde_json::from_slice(bytes)
            .map_err(|error| format!("`{name}` is no JSON list of names: {error}"))?;
        state.row_names.insert(format!("{table}.weight"), names);
    }
    Ok(())
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

/// The floating-point tensors of a safetensors file, with the names of tables' rows and what it says of itself.
///
/// # Errors
/// If the bytes are damaged.
pub fn from_safetensors(bytes: &[u8], file: &str) -> Result<StateDict> {
    let fail = |message: String| Error::Weights { file: file.to_owned(), message };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| fail(e.to_string()))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
    let about = header.metadata().as_ref().and_then(|entries| entries.get(ABOUT)).cloned();
    let mut state = StateDict { about, ..StateDict::default() };
    for (name, view) in tensors.iter() {
        add(&mut state, name, &format!("{:?}", view.dtype()), view.shape(), view.data()).map_err(fail)?;
    }
    Ok(state)
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
        add(&mut state, name, &format!("{:?}", tensor.dtype()), tensor.shape(), &bytes).map_err(fail)?;
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
