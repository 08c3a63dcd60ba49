//! The baseline that any model has to beat: items by their number of training events.

use std::sync::Arc;

use seminar_dataset::{BatchConfig, Batches, Corpus, PAD, Split};

use crate::error::{Error, Result};
use crate::metrics::{Evaluation, Ties, rank};

/// Ranks each user's answer by how often its item occurs in training.
///
/// Events that validation or test ask for are not counted.
///
/// # Errors
/// If the split is empty.
pub fn popularity(corpus: &Arc<Corpus>, split: Split, batches: &BatchConfig) -> Result<Evaluation> {
    let mut counts = vec![0.0f32; corpus.item_count() + 1];
    for user in 0..corpus.user_count() {
        let items = corpus.history(user).items;
        let held_back = if Split::Test.target(items.len()).is_some() { 2 } else { 0 };
        items[..items.len() - held_back].iter().for_each(|&item| counts[item as usize] += 1.0);
    }
    let batches_of_split = Batches::new(corpus.clone(), split, batches.clone())?;
    let mut ranks = Vec::with_capacity(batches_of_split.example_count());
    for batch in batches_of_split.epoch(0).prefetch(0) {
        for row in 0..batch.users.len() {
            let real = batch.candidates.row(row).iter().take_while(|&&item| item != PAD);
            let scores: Vec<f32> = real.map(|&item| counts[item as usize]).collect();
            ranks.push(rank(&scores, Ties::Mean).ok_or(Error::NotFinite { what: "a count", step: 0 })?);
        }
    }
    Ok(Evaluation::of(&ranks, batches.seed))
}
