//! A leaderboard: data sets × models × seeds, each ranked among sampled negatives and among the whole catalogue. Finished cells are
//! kept: the same command goes on where it stopped.

mod cell;
mod page;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{BatchConfig, Batches, Corpus, OutputFolder, Split, TestMode};
use seminar_models::ModelKind;
use seminar_trainer::Modalities;
use serde_json::json;

pub use self::cell::{Cell, CellOf};
pub use self::page::{Line, lines, markdown};
use crate::args::{model_or_popularity, models_and_popularity};
use crate::device::DeviceKind;
use crate::run::{Experiment, apart, folder_name, open_corpus};
use crate::settings::Settings;
use crate::{machine, parts, say};

/// The program that results belong to.
const WRITER: &str = "leaderboard";
/// What is written into the output folder beside `cells`.
const RESULTS: [&str; 3] = ["results.json", "leaderboard.md", "index.html"];
/// The first seed.
const SEED: u64 = 42;

/// The flags of a leaderboard.
#[derive(Args, Clone, Debug)]
pub struct Board {
    /// Folders that `prepare` wrote, comma-separated or one flag each.
    #[arg(long, required = true, value_delimiter = ',', value_name = "FOLDER")]
    pub data: Vec<PathBuf>,
    /// Models, and the baseline popularity, comma-separated. By default all.
    #[arg(long, value_delimiter = ',', value_parser = model_or_popularity())]
    pub models: Vec<String>,
    /// Runs per model, with seeds 42, 43 and so on.
    #[arg(long, default_value_t = 3)]
    pub seeds: u64,
    /// Users, drawn by the seed, whose targets are also ranked among all items that they never touched. 0: none.
    #[arg(long, default_value_t = 2000, value_name = "USERS")]
    pub full: usize,
    /// How models are trained.
    #[command(flatten)]
    pub settings: Settings,
    /// Start afresh: cells of an earlier run in `--out` are removed. Files of others stay.
    #[arg(long)]
    pub fresh: bool,
    /// Number of threads; one per core by default.
    #[arg(long)]
    pub threads: Option<usize>,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    pub device: DeviceKind,
    /// Output folder: `index.html`, `leaderboard.md`, `results.json`, and the cells, each with its checkpoints and its log of steps, as
    /// `evaluate --checkpoint` takes them.
    #[arg(long)]
    pub out: PathBuf,
}

impl Board {
    /// Computes the cells that are not there yet, and writes the board after each.
    ///
    /// # Errors
    /// If a flag cannot work, a corpus cannot be opened, training fails, or files cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        machine::start(self.threads)?;
        ensure!((1..=1000).contains(&self.seeds), "--seeds must be from 1 to 1000, not {}", self.seeds);
        let models = match self.models.is_empty() {
            true => models_and_popularity().map(str::to_owned).collect(),
            false => self.models.clone(),
        };
        let kinds = models.iter().filter(|name| *name != "popularity").map(|name| name.parse());
        let kinds = kinds.collect::<Result<Vec<ModelKind>, _>>()?;
        self.settings.check(&kinds, &self.settings.batches(SEED, TestMode::Recommendation))?;
        let sets =
            self.data.iter().map(|folder| DataSet::open(folder)).collect::<anyhow::Result<Vec<_>>>()?;
        let twice = (1..sets.len()).find(|&at| sets[..at].iter().any(|set| set.name == sets[at].name));
        if let Some(at) = twice {
            anyhow::bail!("--data: two folders are called {}; rename one", sets[at].name);
        }
        for set in &sets {
            apart(&self.out, &set.folder)?;
        }
        let planned = self.plan(&sets, &models)?;
        let device = self.device.open()?;
        let mut folder = OutputFolder::open(&self.out, WRITER)?;
        folder.check(&RESULTS)?;
        if self.fresh {
            parts::clear(&self.out.join("cells"))?;
        }
        folder.claim(&RESULTS)?;
        let mut cells: Vec<Cell> = Vec::new();
        for Planned { set, name, batches, run } in planned {
            let seed = batches.seed;
            let own = CellOf {
                dataset: &set.name,
                corpus: &set.corpus,
                data: &set.folder,
                folder: self.out.join("cells").join(format!("{}-{name}-seed-{seed}", set.name)),
                full: self.full,
                device: &device,
            };
            let cell = || format!("{}, {name}, seed {seed}", set.name);
            cells.push(own.compute(run, &batches).with_context(cell)?);
            self.write(&cells)?;
        }
        say!("{}", markdown(&lines(&cells)).trim_end());
        say!("written: {}, with index.html, leaderboard.md and results.json", self.out.display());
        Ok(())
    }

    /// All cells, seed by seed, so that a board of all models is there early. What a data set lacks is found before anything is trained.
    fn plan<'a>(&self, sets: &'a [DataSet], models: &'a [String]) -> anyhow::Result<Vec<Planned<'a>>> {
        let mut planned = Vec::new();
        for seed in (0..self.seeds).map(|number| SEED + number) {
            for set in sets {
                let batches = self.settings.batches(seed, TestMode::Recommendation);
                Batches::new(set.corpus.clone(), Split::Test, batches.clone())
                    .with_context(|| set.name.clone())?;
                for name in models {
                    let batches = batches.clone();
                    let run = match name.as_str() {
                        "popularity" => None,
                        name => {
                            let corpus = (&*set.corpus, set.folder.as_path());
                            let run = self.settings.experiment(
                                name.parse()?,
                                corpus,
                                &set.name,
                                batches.clone(),
                            )?;
                            Modalities::of_folder(&set.folder, &run.config.model.modalities)
                                .with_context(|| set.name.clone())?;
                            Some(run)
                        }
                    };
                    planned.push(Planned { set, name, batches, run });
                }
            }
        }
        Ok(planned)
    }

    fn write(&self, cells: &[Cell]) -> anyhow::Result<()> {
        let lines = lines(cells);
        write_text(
            &self.out.join("results.json"),
            &format!("{:#}\n", json!({ "lines": lines, "cells": cells })),
        )?;
        write_text(&self.out.join("leaderboard.md"), &markdown(&lines))?;
        Ok(write_text(&self.out.join("index.html"), &page::html(&lines, cells))?)
    }
}

/// A cell to be computed.
struct Planned<'a> {
    set: &'a DataSet,
    name: &'a str,
    batches: BatchConfig,
    /// None for popularity.
    run: Option<Experiment>,
}

/// An opened corpus folder.
struct DataSet {
    name: String,
    folder: PathBuf,
    corpus: Arc<Corpus>,
}

impl DataSet {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let corpus = Arc::new(open_corpus(folder)?);
        Ok(Self { name: folder_name(folder)?, folder: folder.to_owned(), corpus })
    }
}
