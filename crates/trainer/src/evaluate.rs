//! Evaluation: each user's answer among sampled negatives, or among the whole catalogue.

use burn::tensor::Device;
use rayon::prelude::*;
use seminar_dataset::{Batch, BatchConfig, Batches, Corpus, IdBlock, PAD, Split, TestMode};
use seminar_models::SequenceModel;

use crate::embed::{Catalogue, Tables, host};
use crate::error::{Error, Result};
use crate::metrics::{Evaluation, Ranked, Ranking, Ties, UserRank, rank};
use crate::trainer::Trainer;

/// Items of the catalogue that are scored at once.
const CATALOGUE_CHUNK: u32 = 2000;
/// Users that are ranked against the catalogue at once.
const FULL_BATCH: usize = 32;

impl<M: SequenceModel> Trainer<M> {
    /// Ranks each user's answer among its sampled negatives.
    ///
    /// # Errors
    /// If the split is empty, or a score is NaN.
    pub fn rank(&mut self, split: Split, batches: &BatchConfig, ties: Ties) -> Result<Ranking> {
        self.tables.catch_up(self.progress.step);
        let batch_size = match self.config.evaluation_batch {
            0 => users_a_batch(self.corpus.item_count(), batches.test_mode),
            users => users,
        };
        let config = BatchConfig { batch_size, ..batches.clone() };
        let batches = Batches::new(self.corpus.clone(), split, config)?;
        let model = self.model.valid();
        let scorer = Scorer::new(&model, &self.tables, &self.corpus, &self.device);
        let mut ranking = Ranking::default();
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

    /// Ranks the answers of the first `users` users among all items that they never touched.
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
        let config = BatchConfig { batch_size: FULL_BATCH, ..batches.clone() };
        let batches = Batches::new(self.corpus.clone(), split, config)?;
        let model = self.model.valid();
        let scorer = Scorer::new(&model, &self.tables, &self.corpus, &self.device);
        let mut ranking = Ranking::default();
        for batch in batches.epoch(0).prefetch(0).take(users.div_ceil(FULL_BATCH)) {
            let mut scores: Vec<Vec<f32>> = vec![Vec::new(); batch.users.len()];
            let last = self.corpus.item_count() as u32;
            for first in (1..=last).step_by(CATALOGUE_CHUNK as usize) {
                let items: Vec<u32> = (first..=last.min(first + CATALOGUE_CHUNK - 1)).collect();
                let chunk = self.with_candidates(&batch, &items, mode);
                let logits = scorer.score(&model, &chunk);
                for (scores, logits) in scores.iter_mut().zip(logits.chunks_exact(items.len())) {
                    scores.extend_from_slice(logits);
                }
            }
            for (row, scores) in scores.into_iter().enumerate().take(users - ranking.users().len()) {
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

    /// The figures of a split with the given batches' negatives and test mode, ties at their mean place.
    ///
    /// # Errors
    /// As for [`Trainer::rank`].
    pub fn evaluate(&mut self, split: Split, batches: &BatchConfig) -> Result<Evaluation> {
        Ok(Evaluation::of(&self.rank(split, batches, Ties::Mean)?, batches.seed))
    }

    fn not_a_score(&self) -> Error {
        Error::NotFinite { what: "a score", step: self.progress.step }
    }

    /// The same histories with the same candidates for everybody.
    fn with_candidates(&self, batch: &Batch, items: &[u32], mode: TestMode) -> Batch {
        let (rows, width, slots) = (batch.users.len(), items.len(), batch.candidates.query_length);
        let mut candidates = IdBlock {
            rows,
            width,
            query_length: slots,
            items: items.repeat(rows),
            queries: vec![PAD; rows * width * slots],
        };
        for row in 0..rows {
            let own = row * batch.candidates.width * slots;
            for (column, &item) in items.iter().enumerate() {
                let query = match mode {
                    TestMode::Recommendation => continue,
                    TestMode::Search => &batch.candidates.queries[own..own + slots],
                    TestMode::Pair => self.corpus.query(self.corpus.item_query(item)),
                };
                let kept = query.len().min(slots);
                let at = (row * width + column) * slots;
                candidates.queries[at..at + kept].copy_from_slice(&query[..kept]);
            }
        }
        Batch { candidates, ..batch.clone() }
    }
}

/// A batch embeds each distinct pair of item and query once. Where candidates carry no query or their own, users share
/// them: large batches then embed a catalogue that is not too large almost as a whole, instead of a hundred candidates a user.
fn users_a_batch(items: usize, mode: TestMode) -> usize {
    match mode {
        TestMode::Recommendation | TestMode::Pair if items <= 1 << 16 => 512,
        _ => 256,
    }
}

fn user_rank(batch: &Batch, row: usize, ranked: Ranked) -> UserRank {
    let history = batch.history.row(row).iter().filter(|&&item| item != PAD).count();
    UserRank { user: batch.users[row], item: batch.candidates.row(row)[0], history, ranked }
}

/// Everything but the model that scoring a batch needs; shared by threads.
struct Scorer<'a> {
    tables: &'a Tables,
    corpus: &'a Corpus,
    device: Device,
    catalogue: Catalogue,
}

impl<'a> Scorer<'a> {
    /// Tables must be up to date; `device` records gradients, scoring does not.
    fn new<M: SequenceModel>(model: &M, tables: &'a Tables, corpus: &'a Corpus, device: &Device) -> Self {
        let device = device.clone().inner();
        Self { catalogue: Catalogue::new(model, tables, &device), tables, corpus, device }
    }

    /// Logits `[B, C]`.
    fn score<M: SequenceModel>(&self, model: &M, batch: &Batch) -> Vec<f32> {
        let embedded = self.tables.embed_current(batch, self.corpus, &self.device, &self.catalogue);
        host(model.score(&embedded.history, &embedded.candidates).logits)
    }
}
