//! The codebooks of SEMINAR's `multi_pq` search.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use seminar_ann_retrieval::{PqConfig, ProductQuantizer, Vectors};
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::integers;
use crate::gsu::Product;
use crate::init::Init;
use crate::kinds::ModalityKind;

/// The settings of [`Codebooks`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodebooksConfig {
    /// D, the width of what is quantised, a multiple of `sub_vectors`; 64.
    pub dim: usize,
    /// Modalities, the query included; 2.
    pub modalities: usize,
    /// Sub-vectors per vector; 16.
    pub sub_vectors: usize,
    /// Centroids per sub-vector; 256.
    pub centroids: usize,
    /// Seed of the initial centroids; 42.
    pub seed: u64,
}

impl Default for CodebooksConfig {
    fn default() -> Self {
        Self { dim: 64, modalities: 2, sub_vectors: 16, centroids: 256, seed: 42 }
    }
}

impl CodebooksConfig {
    pub(super) fn of(config: &ModelConfig) -> Self {
        Self {
            dim: config.width,
            modalities: 1 + config.modalities.iter().filter(|&&m| m != ModalityKind::Query).count(),
            sub_vectors: config.sub_vectors,
            centroids: config.centroids,
            seed: config.seed,
        }
    }

    /// Random codebooks on `device`; training retrains them by k-means.
    pub fn init(&self, device: &Device) -> Codebooks {
        self.draw(&mut Init::of_part("codebooks", self.seed, device))
    }

    pub(super) fn draw(&self, init: &mut Init) -> Codebooks {
        let shape = [self.modalities, self.sub_vectors, self.centroids, self.dim / self.sub_vectors];
        Codebooks { centroids: init.standard_normal(shape).set_require_grad(false) }
    }
}

/// Centroids `[modalities, sub-vectors, centroids, D / sub-vectors]`: query first, then the item modalities.
#[derive(Module, Debug)]
pub struct Codebooks {
    /// Never trained by gradients.
    pub centroids: Param<Tensor<4>>,
}

impl Codebooks {
    /// Codes `[rows, sub-vectors]` of the centroids nearest to `[rows, D]` in one modality; by cosine as published.
    ///
    /// # Errors
    /// If a row holds NaN or infinity.
    pub fn codes(&self, modality: usize, rows: &Tensor<2>, by_cosine: bool) -> Result<Vec<u16>> {
        let [_, sub_vectors, _, width] = self.centroids.dims();
        let mut numbers = host(rows.clone());
        let mut quantizer = self.quantizer(modality)?;
        if by_cosine {
            normalise(&mut numbers, width);
            quantizer = quantizer.map_centroids(|centroid| normalise(centroid, width))?;
        }
        Ok(quantizer.encode(&Vectors::new(sub_vectors * width, numbers)?)?)
    }

    /// `[rows, D]` replaced by the nearest centroids. Training that has diverged is passed through as it is.
    pub(super) fn decoded(&self, modality: usize, rows: &Tensor<2>) -> Tensor<2> {
        let [_, sub_vectors, centroids, width] = self.centroids.dims();
        let Ok(codes) = self.codes(modality, rows, false) else { return rows.clone().detach() };
        let table = self.centroids.val().narrow(0, modality, 1).reshape([sub_vectors * centroids, width]);
        let flat: Vec<u32> = codes
            .iter()
            .enumerate()
            .map(|(at, &code)| ((at % sub_vectors) * centroids) as u32 + u32::from(code))
            .collect();
        let picked = table.select(0, integers([flat.len()], &flat, &rows.device()));
        picked.reshape([codes.len() / sub_vectors, sub_vectors * width]).detach()
    }

    /// As published: `a · #equal(query codes) + (1 − a) · #equal(id codes)`, as one inner product.
    pub(super) fn equal_codes(
        &self,
        history: [Tensor<2>; 2],
        targets: [Tensor<2>; 2],
        config: &ModelConfig,
    ) -> Product {
        let weights = [config.query_weight, 1.0 - config.query_weight];
        let all = |rows: [Tensor<2>; 2], weights: [f64; 2]| {
            let modalities = rows.into_iter().zip(weights).enumerate();
            let parts = modalities.map(|(m, (rows, weight))| self.one_hot(m, &rows) * weight);
            Tensor::cat(parts.collect(), 1)
        };
        Product::new(all(targets, weights), all(history, [1.0; 2]))
    }

    /// Codes as zeros and ones, so that a product counts equal codes.
    fn one_hot(&self, modality: usize, rows: &Tensor<2>) -> Tensor<2> {
        let [_, sub_vectors, centroids, _] = self.centroids.dims();
        let codes = self.codes(modality, rows, true).unwrap_or_default();
        let mut bits = vec![0.0f32; rows.dims()[0] * sub_vectors * centroids];
        for (at, &code) in codes.iter().enumerate() {
            bits[at * centroids + code as usize] = 1.0;
        }
        Tensor::from_data(TensorData::new(bits, [rows.dims()[0], sub_vectors * centroids]), &rows.device())
    }

    /// Codebooks trained by k-means on these rows, a table `[rows, D]` per modality.
    pub(super) fn retrained(
        self,
        rows: impl Iterator<Item = Tensor<2>>,
        config: &ModelConfig,
    ) -> Result<Self> {
        let device = self.centroids.device();
        let shape = self.centroids.dims();
        let mut all = Vec::with_capacity(shape.iter().product());
        for (modality, rows) in rows.enumerate() {
            let numbers = host(rows);
            let seed = config.seed.wrapping_add(1000 * modality as u64);
            let pq = PqConfig {
                sub_vectors: config.sub_vectors,
                centroids: config.centroids,
                iterations: 10,
                seed,
                ..Default::default()
            };
            all.extend(pq.train(&Vectors::new(config.width, numbers)?)?.centroids());
        }
        let centroids = Tensor::from_data(TensorData::new(all, shape), &device);
        Ok(Self { centroids: Param::initialized(self.centroids.id, centroids).set_require_grad(false) })
    }

    fn quantizer(&self, modality: usize) -> Result<ProductQuantizer> {
        let [_, sub_vectors, centroids, width] = self.centroids.dims();
        let book =
            host(self.centroids.val().narrow(0, modality, 1).reshape([sub_vectors * centroids, width]));
        let books = book.chunks_exact(centroids * width).map(|own| Vectors::new(width, own.to_vec()));
        Ok(ProductQuantizer::new(books.collect::<seminar_ann_retrieval::Result<_>>()?)?)
    }
}

fn host(rows: Tensor<2>) -> Vec<f32> {
    rows.into_data_as::<f32>().try_into_vec().expect("the data was converted to f32")
}

/// Scales each sub-vector to length 1.
fn normalise(numbers: &mut [f32], width: usize) {
    for sub in numbers.chunks_exact_mut(width) {
        let norm = sub.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
        sub.iter_mut().for_each(|x| *x /= norm);
    }
}
