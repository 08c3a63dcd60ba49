//! Tensors as plain numbers.

use burn::tensor::Tensor;

/// A tensor's numbers, row after row.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data_as::<f32>().try_into_vec().expect("the data was converted to f32")
}
