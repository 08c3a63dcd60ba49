//! A search for good flags: random trials, of which the better third goes on after each round (successive halving). Validation alone
//! decides. The same command goes on where it stopped.

mod space;
mod trial;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser};
use seminar_dataset::atomic::write_text;
use seminar_dataset::{Batches, Corpus, OutputFolder, Split, TestMode};
use seminar_models::ModelKind;
use seminar_trainer::report::{chart, page};
use serde_json::json;

pub use self::space::{RANGES, Range, flags_of};
pub use self::trial::{Bench, Trial};
use crate::device::DeviceKind;
use crate::run::{Experiment, apart, folder_name, open_corpus};
use crate::settings::Settings;
use crate::{machine, parts, say};

/// The program that results belong to.
const WRITER: &str = "tune";
/// What is written into the output folder beside `trials`.
const RESULTS: [&str; 2] = ["tune.json", "index.html"];
/// Of the trials of a round one in so many goes on, and trains so many times as long.
const SHARE: u64 = 3;

/// The flags of a search.
#[derive(Args, Clone, Debug)]
pub struct Tune {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    pub data: PathBuf,
    /// Model whose flags are sought.
    #[arg(long, value_parser = PossibleValuesParser::new(ModelKind::NAMES))]
    pub model: String,
    /// What is varied: a flag of `train` with its values, `tower-dropout=0.1,0.3`, or the ends of a range, `learning-rate=0.0003..0.003:log`.
    /// By default some that matter most.
    #[arg(long, num_args = 1.., value_name = "FLAG=VALUES")]
    pub vary: Vec<String>,
    /// Trials. The first one has the flags of the command alone.
    #[arg(long, default_value_t = 9)]
    pub trials: u64,
    /// Validations of each trial in the first round: epochs, or where these have few steps so many epochs as a validation takes. The better
    /// third of a round goes on to three times as many; the last ones train until validation stops improving.
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub first_epochs: u64,
    /// How models are trained.
    #[command(flatten)]
    pub settings: Settings,
    /// Seed of the search and of training.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Start afresh: trials of an earlier search in `--out` are removed. Files of others stay.
    #[arg(long)]
    pub fresh: bool,
    /// Number of threads; one per core by default.
    #[arg(long)]
    pub threads: Option<usize>,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    pub device: DeviceKind,
    /// Output folder: `index.html`, `tune.json`, and the trials, each with its checkpoints and its log of steps, as
    /// `evaluate --checkpoint` takes them.
    #[arg(long)]
    pub out: PathBuf,
}

/// The flags of training alone, as a trial reads them.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    tune: Tune,
}

impl Tune {
    /// Searches. `arguments` are those of the process, its name first: a trial reads them again with its own flags behind them.
    ///
    /// # Errors
    /// If a flag cannot work, the corpus cannot be opened, or files cannot be written.
    pub fn run(&self, arguments: &[String]) -> anyhow::Result<()> {
        machine::start(self.threads)?;
        ensure!((1..=1000).contains(&self.trials), "--trials must be from 1 to 1000, not {}", self.trials);
        ensure!(self.first_epochs > 0, "--first-epochs must be at least 1");
        apart(&self.out, &self.data)?;
        let corpus = Arc::new(open_corpus(&self.data)?);
        let name = folder_name(&self.data)?;
        let kind: ModelKind = self.model.parse()?;
        let ranges = self.ranges(arguments, kind, &corpus)?;
        let mut runs: Vec<(Vec<String>, Experiment)> = Vec::new();
        for number in 0..self.trials {
            let flags = flags_of(&ranges, self.seed, number);
            let settings = self.settings_with(arguments, &flags)?;
            let batches = settings.batches(self.seed, TestMode::Recommendation);
            settings.check(&[kind], &batches)?;
            let run = settings.experiment(kind, (&corpus, &self.data), &name, batches)?;
            ensure!(
                run.train.patience > 0,
                "--patience 0: without validation nothing can be compared; leave it out"
            );
            runs.push((flags, run));
        }
        let unit = epochs_of_a_validation(&corpus, &runs[0].1)?;
        let device = self.device.open()?;
        let mut folder = OutputFolder::open(&self.out, WRITER)?;
        folder.check(&RESULTS)?;
        if self.fresh {
            parts::clear(&self.out.join("trials"))?;
        }
        folder.claim(&RESULTS)?;
        let bench =
            Bench { corpus: &corpus, data: &self.data, trials: self.out.join("trials"), device: &device };
        let mut trials: BTreeMap<u64, Trial> = BTreeMap::new();
        let (mut going, mut epochs) =
            ((0..self.trials).collect::<Vec<u64>>(), self.first_epochs.saturating_mul(unit));
        loop {
            let last = going.len() as u64 <= SHARE;
            let until = if last { u64::MAX } else { epochs };
            for &number in &going {
                let (flags, run) = &runs[number as usize];
                trials.insert(number, bench.advance(number, flags, run, until)?);
                self.write(&trials)?;
            }
            if last {
                break;
            }
            going.sort_by(|a, b| trials[a].order(&trials[b]));
            going.truncate((going.len() as u64).div_ceil(SHARE) as usize);
            tracing::info!("after {epochs} epochs go on: {going:?}");
            epochs = epochs.saturating_mul(SHARE);
        }
        let ranked = ranked(&trials);
        say!("{}", table(&ranked));
        let best = ranked.first().filter(|trial| trial.best().is_some());
        let best = best.context("no trial came to a validation: see the table")?;
        let given = Settings::given_with_values::<Alone>(arguments);
        let command =
            ["train --data", &self.data.display().to_string(), "--model", &self.model].map(str::to_owned);
        let command: Vec<String> = command.into_iter().chain(given).chain(best.flags.clone()).collect();
        say!(
            "the best of them (validation tells trials apart by chance as well): {} --out FOLDER",
            command.join(" ")
        );
        say!("written: {}, with index.html and tune.json", self.out.display());
        Ok(())
    }

    /// What is varied: what was asked for, or of the usual flags those that are not given and that count.
    fn ranges(&self, arguments: &[String], kind: ModelKind, corpus: &Corpus) -> anyhow::Result<Vec<Range>> {
        let known = Settings::flags();
        let fixed = ["watch", "temp-dir", "mode", "preset", "epochs", "patience", "validate-every"];
        if !self.vary.is_empty() {
            let ranges =
                self.vary.iter().map(|text| Range::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
            for (at, Range { flag, .. }) in ranges.iter().enumerate() {
                ensure!(
                    known.contains(flag) && !fixed.contains(&flag.as_str()),
                    "--vary {flag}: --{flag} is no setting of training that trials may differ in"
                );
                ensure!(ranges[..at].iter().all(|other| other.flag != *flag), "--vary {flag}: twice");
            }
            return Ok(ranges);
        }
        let given = Settings::given_with_values::<Alone>(arguments);
        let counts = |flag: &str| match flag {
            "distance-bias" => !matches!(kind, ModelKind::SasRec | ModelKind::Sdim),
            "shared-negatives" => corpus.item_count() > 512,
            "id-dropout" => ["text.emb", "image.emb"].iter().any(|file| self.data.join(file).is_file()),
            _ => true,
        };
        let usual = RANGES.iter().map(|text| Range::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
        let free =
            |range: &Range| given.iter().all(|given| !given.starts_with(&format!("--{}=", range.flag)));
        Ok(usual.into_iter().filter(|range| free(range) && counts(&range.flag)).collect())
    }

    /// The settings of the command with further flags.
    fn settings_with(&self, arguments: &[String], flags: &[String]) -> anyhow::Result<Settings> {
        if flags.is_empty() {
            return Ok(self.settings.clone());
        }
        let alone = Alone::try_parse_from(arguments.iter().chain(flags)).map_err(|error| {
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            anyhow::anyhow!("--vary: with {}: {first}", flags.join(" "))
        })?;
        Ok(alone.tune.settings)
    }

    fn write(&self, trials: &BTreeMap<u64, Trial>) -> anyhow::Result<()> {
        let ranked = ranked(trials);
        let results = json!({ "model": self.model, "watch": self.settings.watch, "trials": ranked });
        write_text(&self.out.join("tune.json"), &format!("{results:#}\n"))?;
        let curves: Vec<(String, Vec<f64>)> = ranked
            .iter()
            .map(|trial| (format!("trial {}", trial.number), trial.valid.values().copied().collect()))
            .collect();
        let body = format!(
            "<h1>Search for flags of {}</h1><p class=\"note\">{} of the validation split, best first. Trial 0 has the flags of the command \
             alone.</p><pre>{}</pre><h2>Validation by epoch</h2>{}",
            chart::escape(&self.model),
            chart::escape(&self.settings.watch),
            chart::escape(&table(&ranked)),
            chart::lines(&curves)
        );
        Ok(write_text(&self.out.join("index.html"), &page("Search for flags", &body))?)
    }
}

/// Epochs until a validation is taken: more than one where an epoch has few steps.
fn epochs_of_a_validation(corpus: &Arc<Corpus>, run: &Experiment) -> anyhow::Result<u64> {
    let steps = Batches::new(corpus.clone(), Split::Train, run.train.batches.clone())?.len() as u64;
    Ok(run.train.validate_every.div_ceil(steps.max(1)).max(1))
}

/// Those that came furthest in validation first.
fn ranked(trials: &BTreeMap<u64, Trial>) -> Vec<&Trial> {
    let mut ranked: Vec<&Trial> = trials.values().collect();
    ranked.sort_by(|a, b| a.order(b));
    ranked
}

/// The trials as a table for the terminal.
fn table(trials: &[&Trial]) -> String {
    let mut text = format!("{:<6} {:>10} {:>7} {:>9}  {}\n", "trial", "validation", "epochs", "s", "flags");
    for trial in trials {
        let best = trial.best().map_or_else(|| "–".to_owned(), |best| format!("{best:.4}"));
        let flags = match (&trial.failed, trial.flags.is_empty()) {
            (Some(why), _) => format!("{} (failed: {why})", trial.flags.join(" ")),
            (None, true) => "(none)".to_owned(),
            (None, false) => trial.flags.join(" "),
        };
        let _ = writeln!(
            text,
            "{:<6} {best:>10} {:>7} {:>9.1}  {flags}",
            trial.number, trial.epochs, trial.seconds
        );
    }
    text.trim_end().to_owned()
}
