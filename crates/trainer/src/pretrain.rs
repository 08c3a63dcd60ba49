//! One step of pretraining, and the positions that its relevance loss compares.

use seminar_dataset::Batch;
use seminar_dataset::rng::Stream;
use seminar_models::{PretrainBatch, SequenceModel};

use crate::embed::Eos;
use crate::error::{Error, Result};
use crate::trainer::Trainer;

/// Names the stream of relevance negatives.
const RELEVANCE: u64 = 0x7265_6c65;
/// Relevance negatives per position.
const RELEVANCE_NEGATIVES: usize = 5;

impl<M: SequenceModel> Trainer<M> {
    /// One pretraining step; the batch's joint loss.
    ///
    /// # Errors
    /// If the model has no pretraining, or the loss is not finite: nothing is changed then.
    pub fn pretrain_step(&mut self, batch: &Batch) -> Result<f64> {
        self.seed_noise();
        let embedded = self.embed_with(batch, Eos::Everywhere)?;
        let key = [self.config.batches.seed, RELEVANCE, self.progress.epoch, self.progress.batch];
        let input = PretrainBatch {
            history: embedded.history.clone(),
            candidates: embedded.candidates.clone(),
            labels: embedded.labels.clone(),
            negatives: match self.config.batches.published {
                true => published_positions(batch.history.width, &mut Stream::new(&key)),
                false => other_positions(batch.history.width, &mut Stream::new(&key)),
            },
        };
        let Some(losses) = self.model.pretrain_losses(&input) else {
            return Err(Error::Config { field: "pretrain", message: "the model has no pretraining loss: it is not pretrained, or all weights of its losses are 0".into() });
        };
        self.apply(embedded, losses.joint)
    }
}

/// For each position of a history, a few others, as far as there are any.
fn other_positions(length: usize, stream: &mut Stream) -> Vec<Vec<u32>> {
    let draw = |own: usize, stream: &mut Stream| {
        let mut other = stream.below(length.max(2) as u64 - 1) as usize;
        other += usize::from(other >= own);
        other.min(length - 1) as u32
    };
    (0..length).map(|own| (0..RELEVANCE_NEGATIVES).map(|_| draw(own, stream)).collect()).collect()
}

/// The same as the published code draws them: without repeats, and of one more than needed it drops, where the position
/// itself is not among them, the last in the order of Python's sets, which is that of the remainder by 32.
fn published_positions(length: usize, stream: &mut Stream) -> Vec<Vec<u32>> {
    let drawn = RELEVANCE_NEGATIVES + 1;
    if length < drawn {
        // The published code fails there.
        return other_positions(length, stream);
    }
    let draw = |own: usize, stream: &mut Stream| {
        let mut all: Vec<u32> = (0..length as u32).collect();
        for place in 0..drawn {
            all.swap(place, place + stream.below((length - place) as u64) as usize);
        }
        all.truncate(drawn);
        all.retain(|&position| position as usize != own);
        all.sort_unstable_by_key(|&position| (position % 32, position));
        all.truncate(RELEVANCE_NEGATIVES);
        all
    };
    (0..length).map(|own| draw(own, stream)).collect()
}
