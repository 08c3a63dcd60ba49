//! Random-projection bits: ETA's general search unit.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::init::Init;

/// `bit_j(x) = [lin(x)_j > 0]`, with weights that are drawn once and never trained.
#[derive(Module, Debug)]
pub struct HashBits {
    /// D to bits.
    pub projection: Linear,
}

impl HashBits {
    pub(crate) fn new(width: usize, bits: usize, init: &mut Init) -> Self {
        Self { projection: init.uniform(width, bits, true).no_grad() }
    }

    /// Bits as 0 and 1, `[U, bits]`.
    pub fn bits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.projection.forward(rows.detach()).greater_elem(0.0).float()
    }

    /// How many bits are equal: of codes `[B, C, bits]` and `[B, L, bits]`, `[B, C, 1, L]`. Whole numbers, exact.
    pub fn equal_bits(targets: Tensor<3>, history: Tensor<3>) -> Tensor<4> {
        let bits = targets.dims()[2] as f64;
        // As ±1, the inner product is equal − unequal = 2 · equal − bits.
        let signs = |bits: Tensor<3>| bits * 2.0 - 1.0;
        let products = signs(targets).matmul(signs(history).swap_dims(1, 2));
        ((products + bits) / 2.0).unsqueeze_dim(2)
    }
}
