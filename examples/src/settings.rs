//! Everything about a run that a command line can change: the flags of `train` and of the experiments.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, ValueEnum};
use seminar_dataset::{BatchConfig, Corpus, TestMode};
use seminar_models::parts::ShortTermConfig;
use seminar_models::{AnyConfig, GateKind, LossKind, ModalityKind, ModelConfig, ModelKind, SoftSearch};
use seminar_trainer::{AdamConfig, Decay, Description, Schedule, TrainConfig};
use strum::VariantArray;

use crate::args::one_of;
use crate::run::{Experiment, available, parse_modalities};

/// The settings of model and training.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Repaired models, or the published ones with their defects.
    #[arg(long, default_value = "default")]
    pub mode: Mode,
    /// Where defaults come from: what learns most on data of any kind (default), or the publication (published). Tables of the
    /// publication take published, `train` takes default.
    #[arg(long)]
    pub preset: Option<Preset>,
    /// Passes over the training examples at most. By default 1000, published 1.
    #[arg(long)]
    pub epochs: Option<u64>,
    /// Epochs of pretraining before training. By default none, but 1 for seminar where its losses are weighed and with published; the other
    /// models have no pretraining.
    #[arg(long)]
    pub pretrain_epochs: Option<u64>,
    /// Weights of the three pretraining losses: next pair, alignment, relevance. 0 switches a loss off.
    #[arg(long, default_value = "1,1,1", value_parser = parse_weights)]
    pub pretrain_weights: [f64; 3],
    /// Early stopping: validations without a better metric before training stops, in a row or, with `--decay plateau`, in all. The
    /// best epoch is kept. 0: no early stopping. By default 3, published 0.
    #[arg(long)]
    pub patience: Option<u64>,
    /// Steps between validations at least; they follow an epoch. By default 128, published 0.
    #[arg(long)]
    pub validate_every: Option<u64>,
    /// Validation metric that early stopping compares.
    #[arg(long, default_value = "MRR")]
    pub watch: String,
    /// Users (training examples) per batch. By default 128, published 256.
    #[arg(long)]
    pub batch_size: Option<usize>,
    /// L: newest events of a history that the model sees.
    #[arg(long, default_value_t = 100)]
    pub max_seq_length: usize,
    /// K: events that the general search unit selects. By default 50, or L if that is less.
    #[arg(long)]
    pub retrieve_topk: Option<usize>,
    /// K1: events that QIN's first stage selects; K + 30 by default.
    #[arg(long)]
    pub stage1_topk: Option<usize>,
    /// How SEMINAR's general search unit compares events: by the attention's own heads (mhta), hash bits (lsh) or multi-modal
    /// product quantisation (multi_pq).
    #[arg(long, default_value = "mhta", value_parser = one_of(SoftSearch::VARIANTS))]
    pub soft_search: SoftSearch,
    /// Weight of the query in a pair of query and item, from 0 to 1.
    #[arg(long, default_value_t = 0.5)]
    pub query_weight: f64,
    /// Dropout rate of event and target vectors of the search in training, from 0 to below 1.
    #[arg(long, default_value_t = 0.0)]
    pub dropout: f64,
    /// With summed modalities: share of items with text or image whose own vector training leaves out, so that the frozen one learns to
    /// stand in for it, from 0 to below 1. By default 0.5, published 0.
    #[arg(long)]
    pub id_dropout: Option<f64>,
    /// Newest events that the short-term tower beside the search reads; 0: no tower. By default 50, published 0.
    #[arg(long)]
    pub short_term: Option<usize>,
    /// Dropout rate of the short-term tower, from 0 to below 1.
    #[arg(long, default_value_t = 0.3)]
    pub tower_dropout: f64,
    /// Layers of the short-term tower.
    #[arg(long, default_value_t = 2)]
    pub tower_layers: usize,
    /// Weight of the short-term tower's own loss over what follows each event. 0: it learns from the candidates alone. By default
    /// 10, published 1.
    #[arg(long)]
    pub tower_weight: Option<f64>,
    /// Distances between an event and the request that have a bias of their own in the attention's scores, further ones share the last;
    /// 0, the default: the order of events counts for nothing there.
    #[arg(long, value_name = "N")]
    pub distance_bias: Option<usize>,
    /// The time between an event and the request has a bias in the attention's scores, where the corpus has times. A model that knows when
    /// the target was is not to be compared with one that does not.
    #[arg(long)]
    pub time_bias: bool,
    /// Distances between an event and the request that have a vector of their own, which the attention adds to events; further ones share
    /// the last. 0, the default: none.
    #[arg(long, value_name = "N")]
    pub distance_rows: Option<usize>,
    /// The time between an event and the request has a vector, which the attention adds to the event, where the corpus has times. The same
    /// caution as for `--time-bias`.
    #[arg(long)]
    pub time_rows: bool,
    /// How the modalities of an item become one vector: added with a weight each (sum), or weighed by a gate that is one for all
    /// (global) or looks at the item (per_event). By default sum, published global.
    #[arg(long, value_parser = one_of(GateKind::VARIANTS))]
    pub gate: Option<GateKind>,
    /// What a target's candidates are compared by in training: each alone (bce), or among all of them (softmax). By default
    /// softmax, published bce.
    #[arg(long, value_parser = one_of(LossKind::VARIANTS))]
    pub loss: Option<LossKind>,
    /// Rows of the keyword table. 0: as many as the corpus needs.
    #[arg(long, default_value_t = 0)]
    pub keyword_vocab: usize,
    /// Targets per user and epoch; in one pass, targets of a training example. By default 50, published 1.
    #[arg(long)]
    pub targets_per_user: Option<usize>,
    /// Whether training examples hold all targets of a user, each of which sees the events before it. By default true, published
    /// false.
    #[arg(long)]
    pub one_pass: Option<bool>,
    /// In one pass, targets of an example that get negatives of their own, drawn anew in each epoch; the shared ones serve all. 0: all.
    /// By default 4.
    #[arg(long)]
    pub compared_targets: Option<usize>,
    /// Negatives per target. By default 4, published 1.
    #[arg(long)]
    pub training_negatives: Option<usize>,
    /// Negatives that all targets of a batch share, for the short-term tower; as many as there are items takes them all. By default
    /// 2048, published 0.
    #[arg(long)]
    pub shared_negatives: Option<usize>,
    /// Share of training examples whose candidates lose their queries, from 0 to 1. By default 0.5; 0 with `--mode reference`.
    #[arg(long)]
    pub hide_query: Option<f64>,
    /// Input modalities, comma-separated: id, query, text, image, attribute. By default all that the data has.
    #[arg(long)]
    pub modalities: Option<String>,
    /// Adam's learning rate.
    #[arg(long, default_value_t = 1e-3)]
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    #[arg(long, default_value_t = 0)]
    pub warmup: u64,
    /// How the learning rate falls after the warm-up: not at all (constant), in a straight line or along half a cosine to zero at
    /// `--decay-steps`, or to a fifth after each validation without a better metric, with which training goes on from the best weights
    /// (plateau). By default plateau, published constant.
    #[arg(long, value_parser = one_of(Decay::VARIANTS))]
    pub decay: Option<Decay>,
    /// Step at which the learning rate reaches zero. By default the last step of the run.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub decay_steps: u64,
    /// Weight of the L2 penalty.
    #[arg(long, default_value_t = 0.0)]
    pub weight_decay: f32,
    /// Largest norm of all gradients of a step together. 0: no limit.
    #[arg(long, default_value_t = 0.0)]
    pub clip_norm: f32,
    /// Lazy Adam: leave table rows that a batch does not touch unchanged. Dense Adam, the default, goes on moving them.
    #[arg(long)]
    pub lazy: bool,
    /// Freeze the embedding tables after pretraining.
    #[arg(long)]
    pub freeze_tables: bool,
    /// Train SEMINAR's projections G after pretraining, too. By default they are frozen.
    #[arg(long)]
    pub train_projections: bool,
    /// Freeze the projections of text and image after pretraining.
    #[arg(long)]
    pub freeze_modal_projections: bool,
    /// Standard deviation of initial table rows. By default 0.02; published 0.1, and 0.02 with `--mode reference`.
    #[arg(long)]
    pub initial_deviation: Option<f32>,
    /// Folder for tables of more than 8 GB, which lie in a file. By default the system's temporary folder.
    #[arg(long)]
    pub temp_dir: Option<PathBuf>,
}

/// The settings that may be given where training goes on from a saved model.
const GOING_ON: [&str; 9] = [
    "--epochs",
    "--patience",
    "--validate-every",
    "--watch",
    "--learning-rate",
    "--warmup",
    "--decay",
    "--decay-steps",
    "--temp-dir",
];

/// Settings of the libraries that errors name, and the flags that set them. The longest names come first where one begins like
/// another.
pub const FLAGS: &[(&str, &str)] = &[
    ("stage_one_top_k", "--stage1-topk"),
    ("top_k", "--retrieve-topk"),
    ("history_length", "--max-seq-length"),
    ("batch_size", "--batch-size"),
    ("targets_per_user", "--targets-per-user"),
    ("training_negatives", "--training-negatives"),
    ("shared_negatives", "--shared-negatives"),
    ("one_pass", "--one-pass"),
    ("tower_weight", "--tower-weight"),
    ("distance_bias", "--distance-bias"),
    ("time_bias", "--time-bias"),
    ("distance_rows", "--distance-rows"),
    ("time_rows", "--time-rows"),
    ("hide_query", "--hide-query"),
    ("modalities", "--modalities"),
    ("query_weight", "--query-weight"),
    ("id_dropout", "--id-dropout"),
    ("dropout", "--dropout"),
    ("pretrain_weights", "--pretrain-weights"),
    ("pretrain_epochs", "--pretrain-epochs"),
    ("pretrain", "--pretrain-epochs"),
    ("soft_search", "--soft-search"),
    ("keyword_rows", "--keyword-vocab"),
    ("epochs", "--epochs"),
    ("patience", "--patience"),
    ("watch", "--watch"),
    ("learning_rate", "--learning-rate"),
    ("weight_decay", "--weight-decay"),
    ("clip_norm", "--clip-norm"),
    ("warmup", "--warmup"),
    ("decay_steps", "--decay-steps"),
    ("decay", "--decay"),
    ("initial_deviation", "--initial-deviation"),
    ("test_mode", "--test-mode"),
    ("queries", "--queries"),
    ("name", "--name"),
    ("k", "--k"),
    ("users", "--users"),
    ("items", "--items"),
    ("events", "--events"),
    ("interests", "--interests"),
    ("mean_run", "--mean-run"),
    ("review_words", "--review-words"),
    ("seed", "--seed"),
];

/// Where defaults come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// What learns most on data of any kind.
    Default,
    /// The publication.
    Published,
}

/// Repaired models, or the published ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Repaired.
    Default,
    /// As published, defects included.
    Reference,
}

/// Whether no user leaves an item untouched.
fn everybody_knows_all(corpus: &Corpus) -> bool {
    let items = corpus.item_count();
    (0..corpus.user_count()).all(|user| {
        let events = corpus.history(user).items;
        events.len() >= items && events.iter().collect::<HashSet<_>>().len() == items
    })
}

fn parse_weights(text: &str) -> anyhow::Result<[f64; 3]> {
    let numbers = text.split(',').map(|number| number.trim().parse::<f64>());
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    numbers
        .try_into()
        .map_err(|given: Vec<f64>| anyhow::anyhow!("three numbers are expected, not {}", given.len()))
}

impl Settings {
    fn reference(&self) -> bool {
        self.mode == Mode::Reference
    }

    /// Whether defaults are those of the publication.
    fn published(&self) -> bool {
        self.reference() || self.preset == Some(Preset::Published)
    }

    /// The settings that flags change: those of the preset.
    fn base(&self) -> (ModelConfig, TrainConfig) {
        let published = |batches, initial_deviation| {
            let published_tables = self.reference();
            TrainConfig { batches, initial_deviation, published_tables, ..TrainConfig::default() }
        };
        match (self.reference(), self.published()) {
            (true, _) => (ModelConfig::reference(), published(BatchConfig::published(), 0.02)),
            (false, true) => (ModelConfig::default(), published(BatchConfig::default(), 0.1)),
            (false, false) => (ModelConfig::tuned(), TrainConfig::tuned()),
        }
    }

    fn patience_or_preset(&self) -> u64 {
        self.patience.unwrap_or(self.base().1.patience)
    }

    fn gate_or_preset(&self) -> GateKind {
        self.gate.unwrap_or(self.base().0.gate)
    }

    fn schedule(&self) -> Schedule {
        let decay = self.decay.unwrap_or(self.base().1.adam.schedule.decay);
        Schedule { warmup: self.warmup, decay, total: self.decay_steps }
    }

    /// Epochs of SEMINAR's pretraining. Whoever weighs its losses wants one.
    fn pretrain_epochs_or_preset(&self) -> u64 {
        let wanted = self.published() || self.pretrain_weights != [1.0; 3];
        self.pretrain_epochs.unwrap_or(u64::from(wanted))
    }

    /// The batch settings of a run with this seed and this test mode.
    pub fn batches(&self, seed: u64, test_mode: TestMode) -> BatchConfig {
        let base = self.base().1.batches;
        BatchConfig {
            batch_size: self.batch_size.unwrap_or(base.batch_size),
            history_length: self.max_seq_length,
            targets_per_user: self.targets_per_user.unwrap_or(base.targets_per_user),
            one_pass: self.one_pass.unwrap_or(base.one_pass),
            compared_targets: self.compared_targets.unwrap_or(base.compared_targets),
            training_negatives: self.training_negatives.unwrap_or(base.training_negatives),
            shared_negatives: self.shared_negatives.unwrap_or(base.shared_negatives),
            hide_query: self.hide_query.unwrap_or(base.hide_query),
            seed,
            test_mode,
            ..base
        }
    }

    /// A run of `kind` on the corpus of folder `data`.
    ///
    /// # Errors
    /// If a modality is unknown, or pretraining has no loss.
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
        for (flag, on) in [("--time-bias", self.time_bias), ("--time-rows", self.time_rows)] {
            anyhow::ensure!(
                !on || corpus.has_times(),
                "{flag}: the events of {} have no times: leave it out",
                data.display()
            );
        }
        let mut run = self.run(kind, modalities, dataset, batches);
        let frozen = [ModalityKind::Text, ModalityKind::Image];
        if kind == ModelKind::Muse && !frozen.iter().any(|&kind| run.config.model.has(kind)) {
            tracing::warn!(
                "muse searches by the vectors of texts and images, and there are none: it compares items by what it learns; `embed` makes them"
            );
        }
        if self.patience.is_none() && run.train.patience > 0 && everybody_knows_all(corpus) {
            tracing::warn!(
                "everybody knows every item, so no epoch can be validated: training is one epoch, if --epochs does not say more"
            );
            run.train.patience = 0;
            run.train.epochs = self.epochs.unwrap_or(1);
        }
        if run.pretrain_epochs > 0 {
            run.config.model.validate_pretraining()?;
        }
        Ok(run)
    }

    /// Checks everything that does not depend on data, before anything is opened or written.
    ///
    /// # Errors
    /// Names the flag that cannot work.
    pub fn check(&self, kinds: &[ModelKind], batches: &BatchConfig) -> anyhow::Result<()> {
        let named = self.modalities.as_deref().map(parse_modalities).transpose()?;
        if let Some(folder) = self.temp_dir.as_ref().filter(|folder| !folder.is_dir()) {
            anyhow::bail!("--temp-dir: {} is no folder", folder.display());
        }
        for &kind in kinds {
            let modalities = named.clone().unwrap_or_else(|| vec![ModalityKind::Id, ModalityKind::Text]);
            let mut run = self.run(kind, modalities, "", batches.clone());
            batches.validate()?;
            run.config.model.validate(batches.history_length)?;
            let schedule = &mut run.train.adam.schedule;
            if schedule.total == 0 {
                // The last step of the run, which only the data decides.
                schedule.total = u64::MAX;
            }
            run.train.validate()?;
            let pretrained = kind == ModelKind::Seminar;
            if pretrained && run.pretrain_epochs > 0 {
                run.config.model.validate_pretraining()?;
            }
            if !pretrained && self.pretrain_epochs.is_some_and(|epochs| epochs > 0) && kinds.len() == 1 {
                anyhow::bail!("--pretrain-epochs: {} has no pretraining", kind.name());
            }
        }
        Ok(())
    }

    /// The flags that were given and that none of these models uses. No models: popularity, which knows none of them.
    pub fn without_effect(&self, kinds: &[ModelKind]) -> Vec<&'static str> {
        let (seminar, qin) = (kinds.contains(&ModelKind::Seminar), kinds.contains(&ModelKind::Qin));
        let trained = !kinds.is_empty();
        let pretrained = seminar && self.pretrain_epochs_or_preset() > 0;
        let attends = kinds.iter().any(|kind| !matches!(kind, ModelKind::SasRec | ModelKind::Sdim));
        let given = [
            ("--epochs", self.epochs.is_some(), trained),
            ("--pretrain-epochs", self.pretrain_epochs.is_some_and(|epochs| epochs > 0), seminar),
            ("--pretrain-weights", self.pretrain_weights != [1.0; 3], pretrained),
            ("--patience", self.patience.is_some(), trained),
            ("--validate-every", self.validate_every.is_some(), trained && self.patience_or_preset() > 0),
            ("--watch", self.watch != "MRR", trained && self.patience_or_preset() > 0),
            ("--stage1-topk", self.stage1_topk.is_some(), qin),
            ("--soft-search", self.soft_search != SoftSearch::Mhta, seminar),
            ("--dropout", self.dropout > 0.0, trained),
            ("--id-dropout", self.id_dropout.is_some(), trained && self.gate_or_preset() == GateKind::Sum),
            ("--distance-bias", self.distance_bias.is_some(), attends),
            ("--time-bias", self.time_bias, attends),
            ("--distance-rows", self.distance_rows.is_some(), attends),
            ("--time-rows", self.time_rows, attends),
            ("--modalities", self.modalities.is_some(), trained),
            ("--warmup", self.warmup > 0, trained),
            (
                "--decay",
                self.decay.is_some_and(|decay| decay != Decay::Constant),
                trained && (self.decay != Some(Decay::Plateau) || self.patience_or_preset() > 0),
            ),
            ("--decay-steps", self.decay_steps > 0, trained && self.schedule().decay.has_end()),
            ("--weight-decay", self.weight_decay != 0.0, trained),
            ("--clip-norm", self.clip_norm != 0.0, trained),
            ("--lazy", self.lazy, trained),
            ("--freeze-tables", self.freeze_tables, pretrained),
            ("--train-projections", self.train_projections, pretrained),
            ("--freeze-modal-projections", self.freeze_modal_projections, pretrained),
            ("--initial-deviation", self.initial_deviation.is_some(), trained),
        ];
        given.into_iter().filter(|&(_, given, used)| given && !used).map(|(flag, ..)| flag).collect()
    }

    /// A run that goes on from a saved model, with its configuration and its settings of training, and of these settings those that
    /// can change from one training to the next.
    ///
    /// # Errors
    /// If another flag was given: names it.
    pub fn going_on(
        &self,
        saved: Description<AnyConfig>,
        given: &[String],
        dataset: &str,
        (seed, test_mode): (u64, TestMode),
    ) -> anyhow::Result<Experiment> {
        if let Some(flag) = given.iter().find(|flag| !GOING_ON.contains(&flag.as_str())) {
            anyhow::bail!("{flag}: the model of `--from` has this setting already: leave the flag out");
        }
        let mut train = saved.train;
        train.epochs = self.epochs.unwrap_or(1);
        train.patience = self.patience.unwrap_or(0);
        train.validate_every = self.validate_every.unwrap_or(0);
        train.watch = self.watch.clone();
        train.table_folder = self.temp_dir.clone();
        if given.iter().any(|flag| flag == "--learning-rate") {
            train.adam.learning_rate = self.learning_rate;
        }
        let decay = self.decay.unwrap_or(Decay::Constant);
        train.adam.schedule = Schedule { warmup: self.warmup, decay, total: self.decay_steps };
        (train.batches.seed, train.batches.test_mode) = (seed, test_mode);
        Ok(Experiment { config: saved.config, train, pretrain_epochs: 0, dataset: dataset.to_owned() })
    }

    /// The names of all flags of these settings, without dashes.
    pub fn flags() -> Vec<String> {
        let own = Self::augment_args(clap::Command::new("settings"));
        own.get_arguments().filter_map(|argument| Some(argument.get_long()?.to_owned())).collect()
    }

    /// The flags among these settings that a program's arguments hold, its name first, as `--flag=value`.
    pub fn given_with_values<A: CommandFactory>(arguments: &[String]) -> Vec<String> {
        let Ok(matches) = A::command().try_get_matches_from(arguments) else { return Vec::new() };
        let own = Self::augment_args(clap::Command::new("settings"));
        let given = own.get_arguments().filter_map(|argument| {
            let id = argument.get_id().as_str();
            let (flag, source) = (argument.get_long()?, matches.value_source(id));
            let values = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy());
            let values: Vec<_> = values.collect();
            (source == Some(ValueSource::CommandLine)).then(|| match argument.get_action().takes_values() {
                true => format!("--{flag}={}", values.join(",")),
                false => format!("--{flag}"),
            })
        });
        given.collect()
    }

    /// The flags among these settings that the command line of a program holds.
    pub fn given<A: CommandFactory>() -> Vec<String> {
        let Ok(matches) = A::command().try_get_matches_from(std::env::args_os()) else { return Vec::new() };
        let own = Self::augment_args(clap::Command::new("settings"));
        let own = own.get_arguments().filter(|argument| {
            matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine)
        });
        own.filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
    }

    /// A run of `kind` with these modalities.
    fn run(
        &self,
        kind: ModelKind,
        modalities: Vec<ModalityKind>,
        dataset: &str,
        batches: BatchConfig,
    ) -> Experiment {
        let (base, train) = self.base();
        let top_k = self.retrieve_topk.unwrap_or(base.top_k.min(batches.history_length));
        let tower = |events: usize| ShortTermConfig {
            events,
            layers: self.tower_layers,
            dropout: self.tower_dropout,
            ..ShortTermConfig::default()
        };
        let events = self.short_term.unwrap_or(base.short_term.as_ref().map_or(0, |tower| tower.events));
        Experiment {
            config: AnyConfig {
                kind,
                model: ModelConfig {
                    top_k,
                    stage_one_top_k: self.stage1_topk.unwrap_or(top_k + 30),
                    modalities,
                    query_weight: self.query_weight,
                    dropout: self.dropout,
                    id_dropout: self.id_dropout.unwrap_or(base.id_dropout),
                    pretrain_weights: self.pretrain_weights,
                    freeze_projections: !self.train_projections,
                    freeze_modal_projections: self.freeze_modal_projections,
                    soft_search: self.soft_search,
                    short_term: (events > 0).then(|| tower(events)),
                    tower_weight: self.tower_weight.unwrap_or(base.tower_weight),
                    time_bias: self.time_bias,
                    distance_bias: self.distance_bias.unwrap_or(base.distance_bias),
                    time_rows: self.time_rows,
                    distance_rows: self.distance_rows.unwrap_or(base.distance_rows),
                    gate: self.gate.unwrap_or(base.gate),
                    loss: self.loss.unwrap_or(base.loss),
                    seed: batches.seed,
                    ..base
                },
            },
            train: TrainConfig {
                epochs: self.epochs.unwrap_or(train.epochs),
                patience: self.patience_or_preset(),
                validate_every: self.validate_every.unwrap_or(train.validate_every),
                watch: self.watch.clone(),
                freeze_tables: self.freeze_tables,
                batches,
                keyword_rows: self.keyword_vocab,
                initial_deviation: self.initial_deviation.unwrap_or(train.initial_deviation),
                table_folder: self.temp_dir.clone(),
                adam: AdamConfig {
                    learning_rate: self.learning_rate,
                    weight_decay: self.weight_decay,
                    schedule: self.schedule(),
                    clip_norm: self.clip_norm,
                    exact: !self.lazy,
                    ..train.adam
                },
                ..train
            },
            pretrain_epochs: if kind == ModelKind::Seminar {
                self.pretrain_epochs_or_preset()
            } else {
                self.pretrain_epochs.unwrap_or(0)
            },
            dataset: dataset.to_owned(),
        }
    }
}
