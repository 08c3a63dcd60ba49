//! A run that is killed and resumed, again and again, beside one that never was.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seminar_ann_retrieval::Vectors;
use seminar_dataset::rng::Stream;
use seminar_dataset::{BatchConfig, Corpus, Split};
use seminar_hostile::sample;
use seminar_models::weights::StateDict;
use seminar_models::{AnyModel, ModelConfig, ModelKind};
use seminar_trainer::{CheckpointConfig, Evaluation, Observer, Silent, StepInfo, TrainConfig, Trainer};

const WIDTH: usize = 8;

pub struct Training {
    corpus: Arc<Corpus>,
    folder: PathBuf,
    /// What the run that was never killed ended with.
    expected: (StateDict, Evaluation),
}

/// What a killed process leaves behind in memory: nothing.
struct Killed;

/// Ends the run before a step.
struct Killer(u64);

impl Observer for Killer {
    fn step(&mut self, _: &StepInfo) {
        match self.0.checked_sub(1) {
            Some(left) => self.0 = left,
            None => resume_unwind(Box::new(Killed)),
        }
    }
}

fn batches() -> BatchConfig {
    BatchConfig { batch_size: 8, history_length: 12, evaluation_negatives: 20, ..BatchConfig::default() }
}

fn trainer(corpus: &Arc<Corpus>) -> Trainer<AnyModel> {
    let config =
        TrainConfig { epochs: 2, patience: 2, width: WIDTH, batches: batches(), ..TrainConfig::default() };
    let model = ModelConfig { width: WIDTH, heads: 2, top_k: 4, ..ModelConfig::default() };
    sample::build(ModelKind::Seminar, &model, config, corpus.clone()).unwrap()
}

/// Pretraining and training, or what is left of them; the weights and figures at their end.
fn run(trainer: &mut Trainer<AnyModel>, observer: &mut dyn Observer) -> (StateDict, Evaluation) {
    trainer.pretrain(1, observer).unwrap();
    trainer.fit(observer).unwrap();
    (trainer.export(), trainer.evaluate(Split::Test, &batches()).unwrap())
}

impl Training {
    pub fn new(corpus: Arc<Corpus>, folder: &Path) -> Self {
        let expected = run(&mut trainer(&corpus), &mut Silent);
        Self { corpus, folder: folder.join("run"), expected }
    }

    /// The trained item vectors.
    pub fn items(&self) -> Vectors {
        Vectors::new(WIDTH, self.expected.0["item_embeddings.weight"].values.clone()).unwrap()
    }

    /// Goes on from the last checkpoint, and is killed after a few steps or comes to the end.
    pub fn step(&mut self, stream: &mut Stream) -> &'static str {
        let checkpoints = CheckpointConfig { folder: self.folder.clone(), every: stream.below(4) };
        let mut killer = Killer(stream.below(30));
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let mut trainer = trainer(&self.corpus).with_checkpoints(checkpoints);
            trainer.resume().unwrap();
            run(&mut trainer, &mut killer)
        }));
        match lived {
            Ok(found) => {
                assert_eq!(found, self.expected, "a killed run ends elsewhere");
                std::fs::remove_dir_all(&self.folder).unwrap();
                "finished"
            }
            Err(payload) if payload.is::<Killed>() => "killed",
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Evaluates the checkpoint twice, which changes neither it nor the figures.
    pub fn evaluate(&mut self) -> &'static str {
        let last = CheckpointConfig { folder: self.folder.clone(), every: 0 };
        let before = std::fs::read(last.last()).ok();
        let mut trainer = trainer(&self.corpus).with_checkpoints(last.clone());
        trainer.resume().unwrap();
        let mut figures = || trainer.evaluate(Split::Valid, &batches()).unwrap();
        let (first, second) = (figures(), figures());
        assert_eq!(first, second);
        assert!(first.metrics.values().all(|x| x.is_finite()));
        assert_eq!(std::fs::read(last.last()).ok(), before);
        "evaluated"
    }
}
