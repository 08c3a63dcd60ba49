//! PyTorch's archives: a zip of one pickle, which says what the tensors are, and the bytes of their storages.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};

use zip::ZipArchive;

use super::machine::{Machine, Outcome, Tensor, Value};
use super::{Array, floats};

/// Largest pickle that is read; the published checkpoints have some tens of kilobytes.
const MOST_PICKLE: u64 = 1 << 26;
/// Deepest nesting of values.
const DEEPEST: usize = 64;
/// What an archive may hold beyond its own length: PyTorch stores entries as they are, so only a bomb unpacks to more.
const MOST_BEYOND: u64 = 12 << 20;

/// All tensors of floating-point numbers in an archive of `length` bytes, named by the path of attributes that leads to
/// them.
pub(super) fn read(file: File, length: u64) -> Outcome<BTreeMap<String, Array>> {
    let most = length + MOST_BEYOND;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| format!("damaged archive: {e}"))?;
    let pickle = archive
        .file_names()
        .filter_map(|name| name.ok().map(|name| name.into_owned()))
        .find(|name| name.ends_with("/data.pkl") || name == "data.pkl")
        .ok_or("an archive without `data.pkl` is not PyTorch's")?;
    let prefix = pickle.trim_end_matches("data.pkl").to_owned();
    let bytes = entry(&mut archive, &pickle, most.min(MOST_PICKLE))?;
    let value = Machine::new(&bytes).run()?;
    let mut tensors = Vec::new();
    collect(&value, String::new(), 0, &mut tensors)?;
    let mut storages: HashMap<String, Vec<f32>> = HashMap::new();
    let mut arrays = BTreeMap::new();
    // Unpacked bytes of storages, and numbers of all tensors. Tensors may share a storage; the second count keeps many
    // tensors of one storage from taking more memory than the file accounts for.
    let (mut unpacked, mut numbers) = (0, 0);
    for (name, tensor) in tensors {
        let Some(kind) = float_kind(&tensor.kind) else { continue };
        if !storages.contains_key(&tensor.key) {
            let bytes = entry(&mut archive, &format!("{prefix}data/{}", tensor.key), most - unpacked)?;
            unpacked += bytes.len() as u64;
            storages.insert(tensor.key.clone(), floats(kind, &bytes).unwrap_or_default());
        }
        let values = gather(&tensor, &storages[&tensor.key])
            .ok_or_else(|| format!("`{name}` reaches past its storage"))?;
        numbers += values.len() as u64;
        if numbers > most {
            return Err(format!(
                "the tensors up to `{name}` hold {numbers} numbers, in a file of {length} bytes"
            ));
        }
        arrays.insert(name, Array { shape: tensor.shape, values });
    }
    if arrays.is_empty() { Err("holds no tensor".into()) } else { Ok(arrays) }
}

fn entry(archive: &mut ZipArchive<BufReader<File>>, name: &str, most: u64) -> Outcome<Vec<u8>> {
    let fail = |e: &dyn std::fmt::Display| format!("`{name}`: {e}");
    let entry = archive.by_name(name).map_err(|e| fail(&e))?;
    let bounded = |size: u64| {
        let message =
            || format!("`{name}` unpacks to {size} bytes, more than the {most} that the file may hold");
        if size > most { Err(message()) } else { Ok(()) }
    };
    bounded(entry.size())?;
    // The size that an entry claims may be a lie: the reader allocates as it reads, and stops.
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes).map_err(|e| fail(&e))?;
    bounded(bytes.len() as u64)?;
    Ok(bytes)
}

fn float_kind(storage: &str) -> Option<&'static str> {
    match storage.rsplit('.').next() {
        Some("HalfStorage") => Some("F16"),
        Some("FloatStorage") => Some("F32"),
        Some("DoubleStorage") => Some("F64"),
        Some("BFloat16Storage") => Some("BF16"),
        _ => None,
    }
}

/// The numbers of a tensor in row-major order, whatever its strides.
fn gather(tensor: &Tensor, storage: &[f32]) -> Option<Vec<f32>> {
    let count = tensor.shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side))?;
    if count == 0 {
        return Some(Vec::new());
    }
    let reach = tensor
        .shape
        .iter()
        .zip(&tensor.strides)
        .try_fold(tensor.offset, |at, (&side, &stride)| at.checked_add(stride.checked_mul(side - 1)?))?;
    // A tensor repeats no number, so it cannot be larger than its storage.
    if reach >= storage.len() || count > storage.len() {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; tensor.shape.len()];
    for _ in 0..count {
        let at = index.iter().zip(&tensor.strides).map(|(i, s)| i * s).sum::<usize>();
        values.push(storage[tensor.offset + at]);
        for (i, &side) in index.iter_mut().zip(&tensor.shape).rev() {
            *i += 1;
            if *i < side {
                break;
            }
            *i = 0;
        }
    }
    Some(values)
}

fn collect(value: &Value, name: String, depth: usize, out: &mut Vec<(String, Tensor)>) -> Outcome<()> {
    if depth > DEEPEST {
        return Err("values are nested too deeply".into());
    }
    match value {
        Value::Tensor(tensor) => out.push((name, (**tensor).clone())),
        Value::Map(entries) => {
            for (key, value) in entries {
                let key = match key {
                    Value::Text(key) => key.clone(),
                    Value::Int(key) => key.to_string(),
                    _ => continue,
                };
                // Checkpoints of a trainer keep the weights one level down.
                let inner = match (name.as_str(), key.as_str()) {
                    ("", "state_dict") => String::new(),
                    ("", key) => key.to_owned(),
                    (name, key) => format!("{name}.{key}"),
                };
                collect(value, inner, depth + 1, out)?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_followed_and_bounds_kept() {
        let tensor = |offset, shape: &[usize], strides: &[usize]| Tensor {
            kind: String::new(),
            key: String::new(),
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        };
        let storage: Vec<f32> = (0..6).map(|x| x as f32).collect();
        assert_eq!(gather(&tensor(0, &[3, 2], &[1, 3]), &storage), Some(vec![0., 3., 1., 4., 2., 5.]));
        assert_eq!(gather(&tensor(1, &[3, 2], &[1, 3]), &storage), None);
        assert_eq!(gather(&tensor(0, &[usize::MAX, 2], &[0, 0]), &storage), None);
        assert_eq!(gather(&tensor(5, &[], &[]), &storage), Some(vec![5.0]));
    }
}
