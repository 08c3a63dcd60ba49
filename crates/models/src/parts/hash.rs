//! Random-projection bits: ETA's general search unit.
//!
//! In formulas:
//!
//! ```text
//! bits(x)_j = 1 if hash_proj_matrix(x)_j > 0, else 0
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::init::Init;

/// The settings of [`HashBits`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HashBitsConfig {
    /// D, the width of what is hashed; 64.
    pub dim: usize,
    /// Bits per code; 256. Published: 16.
    pub bits: usize,
    /// Seed of the projection; 42.
    pub seed: u64,
}

impl Default for HashBitsConfig {
    fn default() -> Self {
        Self { dim: 64, bits: 256, seed: 42 }
    }
}

impl HashBitsConfig {
    /// A projection on `device`.
    pub fn init(&self, device: &Device) -> HashBits {
        self.draw(&mut Init::of_part("hash", self.seed, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> HashBits {
        HashBits { projection: init.uniform(self.dim, self.bits, true).no_grad() }
    }
}

/// `bit_j(x) = [lin(x)_j > 0]`, with weights that are drawn once and never trained.
#[derive(Module, Debug)]
pub struct HashBits {
    /// D to bits.
    pub projection: Linear,
}

impl HashBits {
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
