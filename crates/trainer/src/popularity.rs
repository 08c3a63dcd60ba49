//! The baseline that any model has to beat: items by their number of training events.

use std::sync::Arc;

use seminar_dataset::{BatchConfig, Batches, Corpus, PAD, Split};

use crate::error::{Error, Result};
use crate::evaluate::{catalogue_scope, sampled_scope};
use crate::metrics::{Coverage, Evaluation, Ranking, Ties, UserRank, rank};

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
    let all = Batches::new(corpus.clone(), split, batches.clone())?;
    let scope = sampled_scope(&all);
    evaluation(&all, scope, ties, |candidates, _| {
        candidates.iter().copied().take_while(|&item| item != PAD).collect()
    })
}

/// The same among all items that a user never touched, for a random sample of `users` users, as
/// [`Trainer::rank_in_catalogue`](crate::Trainer::rank_in_catalogue) ranks them.
///
/// # Errors
/// As for [`popularity`].
pub fn popularity_in_catalogue(
    corpus: &Arc<Corpus>,
    split: Split,
    batches: &BatchConfig,
    ties: Ties,
    users: usize,
) -> Result<Evaluation> {
    let config = BatchConfig { evaluation_negatives: 0, ..batches.clone() };
    let all = Batches::new(corpus.clone(), split, config)?;
    let scope = catalogue_scope(&all, users);
    evaluation(&all.sample(users), scope, ties, |candidates, user| {
        let mut touched = vec![false; corpus.item_count() + 1];
        corpus.history(user).items.iter().for_each(|&item| touched[item as usize] = true);
        let others = (1..=corpus.item_count() as u32).filter(|&item| !touched[item as usize]);
        candidates.iter().copied().take(1).chain(others).collect()
    })
}

/// Ranks each user's first candidate among those that `of` gives: the items of a row and the user.
fn evaluation(
    batches: &Batches,
    scope: Coverage,
    ties: Ties,
    of: impl Fn(&[u32], usize) -> Vec<u32>,
) -> Result<Evaluation> {
    let counts = batches.corpus().training_counts();
    let mut ranking = Ranking::new(scope);
    for batch in batches.epoch(0).prefetch(0) {
        for (row, &user) in batch.users.iter().enumerate() {
            let candidates = of(batch.candidates.row(row), user as usize);
            let scores: Vec<f32> = candidates.iter().map(|&item| counts[item as usize] as f32).collect();
            let ranked = rank(&scores, ties).ok_or(Error::NotFinite { what: "a count", step: 0 })?;
            let history = batch.history.row(row).iter().filter(|&&item| item != PAD).count();
            ranking.push(UserRank { user, item: candidates[0], history, ranked }, &scores);
        }
    }
    Ok(Evaluation::of(&ranking, batches.config().seed).with_popularity(&ranking, &counts))
}
