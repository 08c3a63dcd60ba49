//! Evaluation: each user's target among sampled negatives, or among the whole catalogue.

use rayon::prelude::*;
use seminar_dataset::{Batch, BatchConfig, Batches, PAD, Split, TestMode};
use seminar_models::SequenceModel;

use crate::embed::{FrozenRows, ProjectedCatalogue, Sources, Tables};
use crate::error::{Error, Result};
use crate::metrics::{Coverage, Evaluation, Ranked, Ranking, Ties, UserRank, rank};
use crate::scorer::{Scorer, Shared};
use crate::trainer::Trainer;

/// Items of the catalogue that are scored at once.
const CATALOGUE_CHUNK: usize = 512;
/// Users that are ranked against the catalogue at once.
const FULL_BATCH: usize = 8;

impl<M: SequenceModel> Trainer<M> {
    /// Ranks each user's target among its sampled negatives.
    ///
    /// # Errors
    /// If the split is empty, or a score is NaN.
    pub fn rank(&mut self, split: Split, batches: &BatchConfig, ties: Ties) -> Result<Ranking> {
        self.tables.catch_up(self.progress.step);
        let batch_size = match self.config.evaluation_batch {
            0 => users_per_batch(self.corpus.item_count(), batches.test_mode),
            users => users,
        };
        let config = BatchConfig { batch_size, ..batches.clone() };
        let batches = Batches::new(self.corpus.clone(), split, config)?;
        let model = self.model.valid();
        let projected = ProjectedCatalogue::new(&model, self.tables.frozen(), &self.device.clone().inner());
        let scorer = Scorer::new(sources(&self.tables, &projected), &self.device);
        let mut ranking = Ranking::new(sampled_scope(&batches));
        let mut source = batches.epoch(0).prefetch(0);
        loop {
            // Much of a batch's work runs on one thread: as many batches as there are threads are scored side by side.
            let group: Vec<(M, Batch)> =
                source.by_ref().take(rayon::current_num_threads()).map(|b| (model.clone(), b)).collect();
            if group.is_empty() {
                return Ok(ranking);
            }
            let score = |(model, batch): (M, Batch)| (scorer.score(&model, &batch), batch);
            let scored: Vec<(Vec<f32>, Batch)> = group.into_par_iter().map(score).collect();
            for (logits, batch) in scored {
                for (row, scores) in logits.chunks_exact(batch.candidates.width).enumerate() {
                    // Candidates are padded on the right where a user has fewer.
                    let real = batch.candidates.row(row).iter().take_while(|&&item| item != PAD).count();
                    let ranked = rank(&scores[..real], ties).ok_or(self.not_a_score())?;
                    ranking.push(user_rank(&batch, row, ranked), &scores[..real]);
                }
            }
        }
    }

    /// Ranks the targets of a random sample of `users` users, drawn by the batches' seed, among all items that they never touched.
    /// If there are no more users, all are ranked. Users come in their order.
    ///
    /// # Errors
    /// As for [`Trainer::rank`].
    pub fn rank_in_catalogue(
        &mut self,
        split: Split,
        batches: &BatchConfig,
        ties: Ties,
        users: usize,
    ) -> Result<Ranking> {
        self.tables.catch_up(self.progress.step);
        let mode = batches.test_mode;
        // Where candidates carry the target's query, no two users share them.
        let batch_size = if mode == TestMode::Search { 1 } else { FULL_BATCH };
        let config = BatchConfig { batch_size, evaluation_negatives: 0, ..batches.clone() };
        let batches = Batches::new(self.corpus.clone(), split, config)?;
        let scope = catalogue_scope(&batches, users);
        let batches = batches.sample(users);
        let model = self.model.valid();
        let projected = ProjectedCatalogue::new(&model, self.tables.frozen(), &self.device.clone().inner());
        let scorer = Scorer::new(sources(&self.tables, &projected), &self.device);
        let items: Vec<u32> = (1..=self.corpus.item_count() as u32).collect();
        let mut ranking = Ranking::new(scope);
        for batch in batches.epoch(0).prefetch(0) {
            let chunks: Vec<(M, &[u32])> =
                items.chunks(CATALOGUE_CHUNK).map(|chunk| (model.clone(), chunk)).collect();
            let (history, corpus) = (&batch.history, &self.corpus);
            let own_query = batch.candidates.pair(0, 0).1;
            let score = |(model, items): (M, &[u32])| {
                let query = |item: u32| match mode {
                    TestMode::Recommendation => &[],
                    TestMode::Search => own_query,
                    TestMode::Pair => corpus.query(corpus.item_query(item)),
                };
                scorer.score_shared(&model, history, &Shared { items, query: &query })
            };
            let scored: Vec<Vec<f32>> = chunks.into_par_iter().map(score).collect();
            for row in 0..batch.users.len() {
                let scores: Vec<f32> = scored
                    .iter()
                    .zip(items.chunks(CATALOGUE_CHUNK))
                    .flat_map(|(logits, items)| &logits[row * items.len()..][..items.len()])
                    .copied()
                    .collect();
                let target = batch.candidates.row(row)[0];
                let mut candidates = vec![scores[target as usize - 1]];
                let touched = self.corpus.history(batch.users[row] as usize).items;
                let mut known = vec![false; scores.len()];
                touched.iter().for_each(|&item| known[item as usize - 1] = true);
                candidates.extend(scores.iter().zip(&known).filter(|(_, known)| !**known).map(|(s, _)| s));
                let ranked = rank(&candidates, ties).ok_or(self.not_a_score())?;
                ranking.push(user_rank(&batch, row, ranked), &candidates);
            }
        }
        Ok(ranking)
    }

    /// The metrics of a split with the given batches' negatives and test mode; of ties, the expected values.
    ///
    /// # Errors
    /// As for [`Trainer::rank`].
    pub fn evaluate(&mut self, split: Split, batches: &BatchConfig) -> Result<Evaluation> {
        Ok(Evaluation::of(&self.rank(split, batches, Ties::Mean)?, batches.seed))
    }

    fn not_a_score(&self) -> Error {
        Error::NotFinite { what: "a score", step: self.progress.step }
    }
}

/// What a ranking of all users of a split among their sampled negatives is to hold.
pub(crate) fn sampled_scope(batches: &Batches) -> Coverage {
    Coverage {
        negatives: Some(batches.negatives_asked() as u64),
        too_few_events: batches.users_left_out() as u64,
        ..Coverage::default()
    }
}

/// The same for a sample of `users` users among the whole catalogue.
pub(crate) fn catalogue_scope(batches: &Batches, users: usize) -> Coverage {
    let all = batches.example_count();
    Coverage { sample_of: (users < all).then_some(all as u64), negatives: None, ..sampled_scope(batches) }
}

/// The tables of a model in training, with frozen embeddings that were projected before.
fn sources<'a>(tables: &'a Tables, projected: &'a ProjectedCatalogue<'a>) -> Sources<'a> {
    let plain = tables.sources();
    let text = projected.text.as_ref().map(|rows| rows as &dyn FrozenRows);
    let image = projected.image.as_ref().map(|rows| rows as &dyn FrozenRows);
    Sources { text: text.or(plain.text), image: image.or(plain.image), ..plain }
}

/// A batch embeds each unique pair of item and query once. Where candidates carry no query or their own, users share them, and a
/// large batch embeds most of a small catalogue once instead of a hundred candidates per user.
fn users_per_batch(items: usize, mode: TestMode) -> usize {
    match mode {
        TestMode::Recommendation | TestMode::Pair if items <= 1 << 16 => 512,
        _ => 256,
    }
}

fn user_rank(batch: &Batch, row: usize, ranked: Ranked) -> UserRank {
    let history = batch.history.row(row).iter().filter(|&&item| item != PAD).count();
    UserRank { user: batch.users[row], item: batch.candidates.row(row)[0], history, ranked }
}
