//! Everything about a run that a command line can change: the flags of `train` and of the experiments.

use std::path::Path;

use clap::{Args, ValueEnum};
use seminar_dataset::{BatchConfig, Corpus, TestMode};
use seminar_models::{AnyConfig, ModelConfig, ModelKind, SoftSearch};
use seminar_trainer::{AdamConfig, Decay, Schedule, TrainConfig};

use crate::run::{Experiment, available, parse_modalities};

/// The settings of model and training.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Repaired or as published.
    #[arg(long, default_value = "default")]
    pub mode: Mode,
    /// Passes over the training examples; by default 1.
    #[arg(long)]
    pub epochs: Option<u64>,
    /// Epochs of pretraining before that; only seminar has any, by default 1.
    #[arg(long)]
    pub pretrain_epochs: Option<u64>,
    /// Weights of its losses: next pair, alignment, relevance; 0 switches one off.
    #[arg(long, default_value = "1,1,1", value_parser = parse_weights)]
    pub pretrain_weights: [f64; 3],
    /// Stop after so many epochs without a better validation figure, and keep the best; 0 never stops.
    #[arg(long, default_value_t = 0)]
    pub patience: u64,
    /// The figure that stopping watches.
    #[arg(long, default_value = "MRR")]
    pub watch: String,
    /// Users a batch.
    #[arg(long, default_value_t = 256)]
    pub batch_size: usize,
    /// L.
    #[arg(long, default_value_t = 100)]
    pub max_seq_length: usize,
    /// K.
    #[arg(long, default_value_t = 50)]
    pub retrieve_topk: usize,
    /// QIN's K1; K + 30 by default.
    #[arg(long)]
    pub stage1_topk: Option<usize>,
    /// SEMINAR's search: mhta, lsh or multi_pq.
    #[arg(long, default_value = "mhta")]
    pub soft_search: Search,
    /// Weight of the query in a pair.
    #[arg(long, default_value_t = 0.5)]
    pub query_weight: f64,
    /// Share of the components of event and target vectors that training drops.
    #[arg(long, default_value_t = 0.0)]
    pub dropout: f64,
    /// Rows of the keyword table; what the corpus needs by default.
    #[arg(long, default_value_t = 0)]
    pub keyword_vocab: usize,
    /// Targets a user and epoch.
    #[arg(long, default_value_t = 1)]
    pub targets_per_user: usize,
    /// Negatives a target.
    #[arg(long, default_value_t = 1)]
    pub training_negatives: usize,
    /// Share of training examples whose candidates lose their queries; 0.5, or 0 as published.
    #[arg(long)]
    pub hide_query: Option<f64>,
    /// id,query,text,image,attribute; all that the data has by default.
    #[arg(long)]
    pub modalities: Option<String>,
    /// Adam's step size.
    #[arg(long, default_value_t = 1e-3)]
    pub learning_rate: f64,
    /// Steps over which it rises from zero.
    #[arg(long, default_value_t = 0)]
    pub warmup: u64,
    /// How it falls afterwards, to zero at `--decay-steps`.
    #[arg(long, default_value = "constant")]
    pub decay: Fall,
    /// The step at which it has fallen to zero.
    #[arg(long, default_value_t = 0)]
    pub decay_steps: u64,
    /// L2 penalty.
    #[arg(long, default_value_t = 0.0)]
    pub weight_decay: f32,
    /// Largest norm of all gradients of a step together; 0 for no limit.
    #[arg(long, default_value_t = 0.0)]
    pub clip_norm: f32,
    /// Rows that a batch does not touch stay where they are, instead of moving as dense Adam moves them.
    #[arg(long)]
    pub lazy: bool,
    /// Tables stay as they are after pretraining.
    #[arg(long)]
    pub freeze_tables: bool,
    /// SEMINAR's projections G go on learning after pretraining.
    #[arg(long)]
    pub train_projections: bool,
    /// The projections of text and image stay as they are after pretraining.
    #[arg(long)]
    pub freeze_modal_projections: bool,
    /// Deviation of initial table rows; 0.1, or 0.02 as published.
    #[arg(long)]
    pub initial_deviation: Option<f32>,
}

/// Repaired models, or bug for bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Repaired.
    Default,
    /// As published.
    Reference,
}

/// How SEMINAR's general search unit compares events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Search {
    /// The attention's own heads.
    Mhta,
    /// Hash bits.
    Lsh,
    /// Multi-modal product quantisation.
    #[value(name = "multi_pq")]
    MultiPq,
}

impl From<Search> for SoftSearch {
    fn from(search: Search) -> Self {
        match search {
            Search::Mhta => Self::Mhta,
            Search::Lsh => Self::Lsh,
            Search::MultiPq => Self::MultiPq,
        }
    }
}

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fall {
    /// Not at all.
    Constant,
    /// In a straight line.
    Linear,
    /// Along a cosine.
    Cosine,
}

impl From<Fall> for Decay {
    fn from(fall: Fall) -> Self {
        match fall {
            Fall::Constant => Self::Constant,
            Fall::Linear => Self::Linear,
            Fall::Cosine => Self::Cosine,
        }
    }
}

fn parse_weights(text: &str) -> anyhow::Result<[f64; 3]> {
    let numbers = text.split(',').map(|number| number.trim().parse::<f64>());
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    numbers
        .try_into()
        .map_err(|given: Vec<f64>| anyhow::anyhow!("three numbers are needed, not {}", given.len()))
}

impl Settings {
    fn published(&self) -> bool {
        self.mode == Mode::Reference
    }

    /// Batches of a run with this seed, whose evaluation candidates carry `test_mode`'s queries.
    pub fn batches(&self, seed: u64, test_mode: TestMode) -> BatchConfig {
        let base = if self.published() { BatchConfig::published() } else { BatchConfig::default() };
        BatchConfig {
            batch_size: self.batch_size,
            history_length: self.max_seq_length,
            targets_per_user: self.targets_per_user,
            training_negatives: self.training_negatives,
            hide_query: self.hide_query.unwrap_or(base.hide_query),
            seed,
            test_mode,
            ..base
        }
    }

    /// A run of `kind` on the corpus of folder `data`.
    ///
    /// # Errors
    /// If a modality is not known.
    pub fn experiment(
        &self,
        kind: ModelKind,
        (corpus, data): (&Corpus, &Path),
        dataset: &str,
        batches: BatchConfig,
    ) -> anyhow::Result<Experiment> {
        let modalities = match &self.modalities {
            Some(names) => parse_modalities(names)?,
            None => available(corpus, data),
        };
        let deviation = if self.published() { 0.02 } else { 0.1 };
        Ok(Experiment {
            config: AnyConfig {
                kind,
                model: ModelConfig {
                    top_k: self.retrieve_topk,
                    stage_one_top_k: self.stage1_topk.unwrap_or(self.retrieve_topk + 30),
                    modalities,
                    query_weight: self.query_weight,
                    dropout: self.dropout,
                    pretrain_weights: self.pretrain_weights,
                    freeze_projections: !self.train_projections,
                    freeze_modal_projections: self.freeze_modal_projections,
                    soft_search: self.soft_search.into(),
                    seed: batches.seed,
                    ..if self.published() { ModelConfig::reference() } else { ModelConfig::default() }
                },
            },
            train: TrainConfig {
                epochs: self.epochs.unwrap_or(1),
                patience: self.patience,
                watch: self.watch.clone(),
                freeze_tables: self.freeze_tables,
                batches,
                keyword_rows: self.keyword_vocab,
                published_tables: self.published(),
                initial_deviation: self.initial_deviation.unwrap_or(deviation),
                adam: AdamConfig {
                    learning_rate: self.learning_rate,
                    weight_decay: self.weight_decay,
                    schedule: Schedule {
                        warmup: self.warmup,
                        decay: self.decay.into(),
                        total: self.decay_steps,
                    },
                    clip_norm: self.clip_norm,
                    exact: !self.lazy,
                    ..AdamConfig::default()
                },
                ..TrainConfig::default()
            },
            pretrain_epochs: self.pretrain_epochs.unwrap_or(u64::from(kind == ModelKind::Seminar)),
            dataset: dataset.to_owned(),
        })
    }
}
