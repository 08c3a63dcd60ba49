//! Frozen embeddings of items: as they come, or projected once by a model for scoring many batches with the same weights.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use seminar_dataset::Embeddings;
use seminar_models::{Modality, ModalityKind, SequenceModel};

use super::sources::FrozenRows;
use crate::host::host;

impl FrozenRows for Embeddings {
    fn width(&self) -> usize {
        self.dim()
    }

    fn projected(&self) -> bool {
        false
    }

    fn read(&self, item: u32, out: &mut [f32]) -> bool {
        let present = self.read(item, out);
        if !present {
            out.fill(0.0);
        }
        present
    }
}

/// A file of projected rows.
#[derive(Debug)]
pub(crate) struct Stored {
    pub file: Embeddings,
    /// What the model makes of a zero row.
    pub absent: Vec<f32>,
}

impl FrozenRows for Stored {
    fn width(&self) -> usize {
        self.file.dim()
    }

    fn projected(&self) -> bool {
        true
    }

    fn read(&self, item: u32, out: &mut [f32]) -> bool {
        let present = self.file.read(item, out);
        if !present {
            out.copy_from_slice(&self.absent);
        }
        present
    }
}

/// Projected rows of a whole catalogue in memory, `[items + 1, D]`; row 0 is what an absent embedding becomes.
#[derive(Debug)]
pub(crate) struct Projected<'a> {
    file: &'a Embeddings,
    width: usize,
    rows: Vec<f32>,
}

/// Items that are projected at once.
const CHUNK: u32 = 4096;

impl<'a> Projected<'a> {
    fn new<M: SequenceModel>(
        model: &M,
        kind: ModalityKind,
        file: &'a Embeddings,
        device: &Device,
    ) -> Option<Self> {
        let (last, dim) = (file.item_count() as u32, file.dim());
        let mut all = Self { file, width: 0, rows: Vec::new() };
        for first in (0..=last).step_by(CHUNK as usize) {
            let items: Vec<u32> = (first..=last.min(first + CHUNK - 1)).collect();
            let mut rows = vec![0.0; items.len() * dim];
            for (&item, row) in items.iter().zip(rows.chunks_exact_mut(dim)) {
                file.read(item, row);
            }
            let rows = Tensor::from_data(TensorData::new(rows, [items.len(), dim]), device);
            let projected = model.project(kind, rows)?;
            all.width = projected.dims()[1];
            all.rows.extend(host(projected));
        }
        Some(all)
    }

    /// D.
    pub fn row_width(&self) -> usize {
        self.width
    }

    /// The projected row of an item that has an embedding.
    pub fn row(&self, item: u32) -> Option<&[f32]> {
        self.file.is_present(item).then(|| &self.rows[item as usize * self.width..][..self.width])
    }
}

impl FrozenRows for Projected<'_> {
    fn width(&self) -> usize {
        self.width
    }

    fn projected(&self) -> bool {
        true
    }

    fn read(&self, item: u32, out: &mut [f32]) -> bool {
        let row = self.row(item);
        out.copy_from_slice(row.unwrap_or(&self.rows[..self.width]));
        row.is_some()
    }
}

/// What a model projects of some tables' frozen embeddings.
#[derive(Debug, Default)]
pub(crate) struct ProjectedCatalogue<'a> {
    pub text: Option<Projected<'a>>,
    pub image: Option<Projected<'a>>,
}

impl<'a> ProjectedCatalogue<'a> {
    /// Projects the text and image embeddings of a whole catalogue.
    pub fn new<M: SequenceModel>(
        model: &M,
        [text, image]: [Option<&'a Embeddings>; 2],
        device: &Device,
    ) -> Self {
        Self {
            text: text.and_then(|file| Projected::new(model, ModalityKind::Text, file, device)),
            image: image.and_then(|file| Projected::new(model, ModalityKind::Image, file, device)),
        }
    }
}

/// Embeddings of some items as tensors.
pub(super) fn read(rows: &dyn FrozenRows, items: &[u32], device: &Device) -> Modality {
    let (count, width) = (items.len(), rows.width());
    let mut values = vec![0.0; count * width];
    let copy = |(&item, row): (&u32, &mut [f32])| if rows.read(item, row) { 1.0 } else { 0.0 };
    let present: Vec<f32> = items.par_iter().zip(values.par_chunks_exact_mut(width)).map(copy).collect();
    Modality {
        rows: Tensor::from_data(TensorData::new(values, [count, width]), device),
        projected: rows.projected(),
        count: None,
        present: Tensor::from_data(TensorData::new(present, [count, 1]), device),
    }
}
