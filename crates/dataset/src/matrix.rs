//! Import of vectors from safetensors: a matrix with a row an item.

use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::embeddings::EmbeddingTable;
use crate::error::{Error, Result};

/// Reads the matrix `name`, or else the only matrix of the file, `[items, dim]` in f16, bf16, f32 or f64. Row `n` is the vector of
/// item `n + 1`.
///
/// Where the file has a tensor `has_NAME` of as many numbers of 8 bits, an item whose number is 0 has no vector; a row of zeros is none in
/// any case. Vectors with NaN or infinity are left out and counted in [`EmbeddingTable::refused`].
///
/// # Errors
/// A file that is not whole safetensors, without a matrix or with several of which none has the name, or with another number of rows.
pub fn import_matrix(path: &Path, name: &str, items: usize) -> Result<EmbeddingTable> {
    let fail = |message: String| Error::damaged(path, message);
    let bytes = std::fs::read(path).map_err(Error::io(path, "cannot read"))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| fail(format!("not whole safetensors: {e}")))?;
    let all = file.tensors();
    let (name, matrix) = choose(&all, name).map_err(fail)?;
    let [rows, dim] = *matrix.shape() else { return Err(fail(format!("`{name}` is no matrix"))) };
    if rows != items {
        let message = format!("`{name}` has {rows} rows for {items} items: row n belongs to item n + 1");
        return Err(fail(message));
    }
    let present = present(&file, name, rows).map_err(fail)?;
    let mut table = EmbeddingTable::new(items, dim)?;
    let size = matrix.data().len() / (rows * dim).max(1);
    let mut vector = vec![0.0; dim];
    for (row, bytes) in matrix.data().chunks_exact((dim * size).max(1)).enumerate() {
        read_floats(matrix.dtype(), bytes, &mut vector);
        if present.is_none_or(|present| present[row] != 0) && vector.iter().any(|&x| x != 0.0) {
            table.set(row as u32 + 1, &vector)?;
        }
    }
    Ok(table)
}

/// The matrix of this name, or else the only one.
fn choose<'a, 'b>(
    all: &'b [(String, TensorView<'a>)],
    name: &str,
) -> std::result::Result<(&'b str, &'b TensorView<'a>), String> {
    let is_matrix = |view: &TensorView<'_>| {
        view.shape().len() == 2 && matches!(view.dtype(), Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
    };
    let mut matrices: Vec<_> = all.iter().filter(|(_, view)| is_matrix(view)).collect();
    matrices.sort_by(|a, b| a.0.cmp(&b.0));
    let named = matrices.iter().find(|(own, _)| own == name);
    match (named, matrices.as_slice()) {
        (Some((own, view)), _) | (None, [(own, view)]) => Ok((own, view)),
        (None, []) => Err("it holds no matrix of floating-point numbers".into()),
        (None, several) => {
            let names: Vec<&str> = several.iter().take(8).map(|(own, _)| own.as_str()).collect();
            Err(format!(
                "{} matrices ({}), of which none is called `{name}`",
                several.len(),
                names.join(", ")
            ))
        }
    }
}

/// Which rows are there, where the file says so.
fn present<'a>(
    file: &SafeTensors<'a>,
    name: &str,
    rows: usize,
) -> std::result::Result<Option<&'a [u8]>, String> {
    let own = format!("has_{name}");
    let Ok(view) = file.tensor(&own) else { return Ok(None) };
    if view.shape() == [rows] && matches!(view.dtype(), Dtype::U8 | Dtype::I8 | Dtype::BOOL) {
        return Ok(Some(view.data()));
    }
    Err(format!(
        "`{own}` has the shape {:?} and the type {:?}: {rows} bytes are expected",
        view.shape(),
        view.dtype()
    ))
}

fn read_floats(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    let out = out.iter_mut();
    match dtype {
        Dtype::F16 => out.zip(bytes.as_chunks().0).for_each(|(x, &b)| *x = f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => out.zip(bytes.as_chunks().0).for_each(|(x, &b)| *x = bf16::from_le_bytes(b).to_f32()),
        Dtype::F64 => out.zip(bytes.as_chunks().0).for_each(|(x, &b)| *x = f64::from_le_bytes(b) as f32),
        _ => out.zip(bytes.as_chunks().0).for_each(|(x, &b)| *x = f32::from_le_bytes(b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(tensors: &[(&str, Dtype, &[usize], Vec<u8>)], items: usize) -> Result<EmbeddingTable> {
        let view = |(_, dtype, shape, bytes): &(_, Dtype, &[usize], Vec<u8>)| {
            TensorView::new(*dtype, shape.to_vec(), bytes.as_slice().to_vec().leak()).unwrap()
        };
        let named: Vec<_> = tensors.iter().map(|tensor| (tensor.0, view(tensor))).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), safetensors::serialize(named, None).unwrap()).unwrap();
        import_matrix(file.path(), "text", items)
    }

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn rows_become_items() {
        let rows = [1.0, -2.0, 0.0, 0.0, 3.0, 4.0, f32::NAN, 1.0];
        let halves = rows.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
        let doubles = rows.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
        let brains = rows.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        let mut expected = EmbeddingTable::new(4, 2).unwrap();
        expected.set(1, &[1.0, -2.0]).unwrap();
        expected.set(3, &[3.0, 4.0]).unwrap();
        expected.refused = 1;
        let forms =
            [(Dtype::F32, bytes(&rows)), (Dtype::F16, halves), (Dtype::F64, doubles), (Dtype::BF16, brains)];
        for (dtype, data) in forms {
            assert_eq!(import(&[("x", dtype, &[4, 2], data)], 4).unwrap(), expected, "{dtype:?}");
        }
        let flags = ("has_text", Dtype::U8, &[4usize][..], vec![1, 1, 0, 0]);
        let other = ("other", Dtype::F32, &[1usize, 1][..], bytes(&[9.0]));
        let chosen = import(&[("text", Dtype::F32, &[4, 2], bytes(&rows)), flags, other], 4).unwrap();
        let mut expected = EmbeddingTable::new(4, 2).unwrap();
        expected.set(1, &[1.0, -2.0]).unwrap();
        assert_eq!(chosen, expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let matrix = |name, rows| {
            (name, Dtype::F32, if rows == 2 { &[2usize, 1][..] } else { &[1, 2][..] }, bytes(&[1.0, 2.0]))
        };
        let told = |tensors: &[_], words: &[&str]| {
            let error = import(tensors, 2).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        told(&[matrix("text", 1)], &["1 rows", "2 items"]);
        told(&[matrix("a", 2), matrix("b", 2)], &["a, b", "`text`"]);
        told(&[("a", Dtype::I64, &[1, 1], vec![0; 8])], &["no matrix"]);
        told(&[matrix("text", 2), ("has_text", Dtype::F32, &[2], bytes(&[1.0, 1.0]))], &["has_text", "F32"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"PK").unwrap();
        assert!(import_matrix(file.path(), "text", 2).unwrap_err().to_string().contains("safetensors"));
    }
}
