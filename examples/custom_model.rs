//! A model from outside the workspace, put together from parts: trained, saved, opened again, and recommending.
//!
//! Each candidate attends to the last K events, and the user vector and the candidate make the logit: a general search unit, an exact
//! search unit, a fusion of queries and items and a head that the crate has already.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clap::Parser;
use seminar_dataset::{BatchConfig, Corpus, Split};
use seminar_examples::run::open_corpus;
use seminar_examples::{program, say};
use seminar_models::gsu::Recent;
use seminar_models::parts::{
    Head, HeadConfig, PairFusion, PairFusionConfig, Pairs, TargetAttention, TargetAttentionConfig,
};
use seminar_models::{Events, Needs, Scores, SequenceModel, UniqueEvents};
use seminar_trainer::report::{RunResult, leaderboard};
use seminar_trainer::{Modalities, Recommender, Request, Run, Silent, TrainConfig, check_bundle_folder};
use serde::{Deserialize, Serialize};

/// Attention over the last K events.
#[derive(Module, Debug)]
struct LastEvents {
    fusion: PairFusion,
    attention: TargetAttention,
    head: Head,
    #[module(skip)]
    config: Config,
}

/// Its settings: what is saved beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    dim: usize,
    heads: usize,
    last: usize,
    seed: u64,
}

impl LastEvents {
    /// Queries and items, fused: `[U, D]`.
    fn fuse(&self, events: &UniqueEvents) -> Tensor<2> {
        self.fusion.forward(events.query.clone(), events.item.clone())
    }

    fn pairs<'a>(&self, history: &'a Events, candidates: &'a Events) -> Pairs<'a> {
        let (events, targets) = (self.fuse(&history.unique), self.fuse(&candidates.unique));
        Pairs::new(history, candidates, events, targets)
    }
}

impl SequenceModel for LastEvents {
    type Config = Config;

    fn init(config: &Config, device: &Device) -> seminar_models::Result<Self> {
        let &Config { dim, heads, seed, .. } = config;
        Ok(Self {
            fusion: PairFusionConfig { dim, seed, ..Default::default() }.init(device),
            attention: TargetAttentionConfig { dim, heads, seed, ..Default::default() }.init(device),
            head: HeadConfig { dim, seed, ..Default::default() }.init(device),
            config: config.clone(),
        })
    }

    fn config(&self) -> Config {
        self.config.clone()
    }

    fn needs(&self) -> Needs {
        Needs { width: Some(self.config.dim), history_length: self.config.last, ..Needs::default() }
    }

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pairs(history, candidates);
        let retrieval = self.attention.attend_top_k(&Recent, &pairs, self.config.last);
        Scores::of_logits(self.head.forward(retrieval.attended, pairs.placed_targets()))
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let pairs = self.pairs(history, candidates);
        Some(self.attention.weights_top_k(&Recent, &pairs, self.config.last))
    }
}

/// Trains the model on a prepared corpus and saves it, or recommends with a saved one.
#[derive(Parser)]
struct Args {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// Passes over the training examples.
    #[arg(long, default_value_t = 5)]
    epochs: u64,
    /// Folder of the saved model.
    #[arg(long, default_value = "out/custom_model")]
    out: PathBuf,
    /// Replace the model in `--out`.
    #[arg(long)]
    force: bool,
    /// Only recommend, with the model that an earlier run saved.
    #[arg(long)]
    recommend: bool,
}

fn main() -> ExitCode {
    program::run("--data out/corpus --out out/last_events", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    let corpus = Arc::new(open_corpus(&args.data)?);
    let device = Device::flex();
    if !args.recommend {
        let taken = args.out.exists() && !args.force;
        anyhow::ensure!(!taken, "--out {} exists already; --force replaces it", args.out.display());
        check_bundle_folder(&args.out)?;
        train(&args, &corpus, &device)?;
    }
    let recommender = Recommender::<LastEvents>::open(&args.out, &device)?;
    let user = recommender.users_of(&corpus).history(0);
    say!("for user `{}`:", corpus.user_name(0));
    for hit in recommender.recommend(&user, &Request { k: 5, explain: 1, ..Request::default() })? {
        let because = hit.because.first().map_or("", |event| event.id.as_str());
        say!("  {} {:.3} {} (leans on {because})", hit.id, hit.score, hit.title);
    }
    Ok(())
}

fn train(args: &Args, corpus: &Arc<Corpus>, device: &Device) -> anyhow::Result<()> {
    let batches = BatchConfig { targets_per_user: 20, history_length: 50, ..BatchConfig::default() };
    let run = Run {
        config: Config { dim: 64, heads: 2, last: 20, seed: 42 },
        train: TrainConfig { epochs: args.epochs, batches: batches.clone(), ..TrainConfig::default() },
        pretrain_epochs: 0,
        dataset: args.data.display().to_string(),
    };
    let trainer = run.trainer::<LastEvents>(corpus, Modalities::default(), device)?;
    let mut trainer = run.train(trainer, None, &mut Silent)?;
    let evaluation = trainer.evaluate(Split::Test, &batches)?;
    say!("losses {:.4?}", trainer.progress().fit.losses);
    let row = RunResult::new("last events", &run.dataset, Split::Test, batches.test_mode, evaluation)?;
    say!("{}", leaderboard(std::slice::from_ref(&row)));
    Ok(trainer.save_bundle(&args.out, &run.about(&row.metrics))?)
}
