//! The baseline that any model has to beat: items by their number of training events.

use std::sync::Arc;

use seminar_dataset::{BatchConfig, Batches, Corpus, PAD, Split};

use crate::error::{Error, Result};
use crate::evaluate::sampled_scope;
use crate::metrics::{Evaluation, Ranking, Ties, UserRank, rank};

/// Ranks each user's target by how often its item occurs in training. Counts are small numbers: ties are frequent.
///
/// # Errors
/// If the split is empty.
pub fn popularity(
    corpus: &Arc<Corpus>,
    split: Split,
    batches: &BatchConfig,
    ties: Ties,
) -> Result<Evaluation> {
    let counts = corpus.training_counts();
    let batches_of_split = Batches::new(corpus.clone(), split, batches.clone())?;
    let mut ranking = Ranking::new(sampled_scope(&batches_of_split));
    for batch in batches_of_split.epoch(0).prefetch(0) {
        for (row, &user) in batch.users.iter().enumerate() {
            let real = batch.candidates.row(row).iter().take_while(|&&item| item != PAD);
            let scores: Vec<f32> = real.map(|&item| counts[item as usize] as f32).collect();
            let ranked = rank(&scores, ties).ok_or(Error::NotFinite { what: "a count", step: 0 })?;
            let history = batch.history.row(row).iter().filter(|&&item| item != PAD).count();
            ranking.push(UserRank { user, item: batch.candidates.row(row)[0], history, ranked }, &scores);
        }
    }
    Ok(Evaluation::of(&ranking, batches.seed).with_popularity(&ranking, &counts))
}
