//! A model from outside the workspace: one trait, the same trainer.
//!
//! It scores a candidate by its inner product with the mean of the user's pairs: no search, no attention.

use std::path::PathBuf;
use std::sync::Arc;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use clap::Parser;
use seminar_dataset::{BatchConfig, Corpus, Split};
use seminar_models::{Events, Scores, SequenceModel};
use seminar_trainer::{Modalities, Silent, Tables, TrainConfig, Trainer};

/// Mean of the history, a projection, an inner product.
#[derive(Module, Debug)]
struct MeanOfHistory {
    projection: Linear,
}

impl SequenceModel for MeanOfHistory {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let [batch, _] = history.dims();
        let mask = history.mask();
        let count = mask.clone().sum_dim(1).clamp_min(1.0);
        // [B, 1, L] weights times [B, L, D] events: the mean, [B, 1, D].
        let weights = (mask / count).unsqueeze_dim::<3>(1);
        let mean = weights.matmul(history.place(history.rows.item.clone()));
        let targets = candidates.place(candidates.rows.item.clone());
        let logits = self.projection.forward(mean).matmul(targets.swap_dims(1, 2));
        let [_, _, count] = logits.dims();
        Scores { logits: logits.reshape([batch, count]), stage_one: None, search: None }
    }
}

/// Trains the model on a prepared corpus.
#[derive(Parser)]
struct Args {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// Passes over the training examples.
    #[arg(long, default_value_t = 5)]
    epochs: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let corpus = Arc::new(Corpus::open(&args.data)?);
    let device = Device::flex().autodiff();
    let batches = BatchConfig { targets_per_user: 20, history_length: 50, ..BatchConfig::default() };
    let config = TrainConfig { epochs: args.epochs, batches: batches.clone(), ..TrainConfig::default() };
    let model = MeanOfHistory { projection: LinearConfig::new(64, 64).init(&device) };

    let tables = Tables::new(&config, &corpus, Modalities::default())?;
    let mut trainer = Trainer::new(model, tables, config, corpus, device)?;
    let fit = trainer.fit(&mut Silent)?;
    let evaluation = trainer.evaluate(Split::Test, &batches)?;
    println!("losses {:.4?}", fit.losses);
    println!("test MRR {:.4}, 95 % interval {:.4?}", evaluation.metrics["MRR"], evaluation.ci95["MRR"]);
    Ok(())
}
