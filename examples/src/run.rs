//! What the examples add to a run: modalities by name, the embedding files of a corpus folder, a row of results.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, Embeddings, Split};
use seminar_models::{AnyConfig, AnyModel, ModalityKind};
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::RunResult;
use seminar_trainer::{Evaluation, Modalities, Run, Trainer};
use strum::VariantArray;

use crate::machine::peak_rss_bytes;

/// A run of any of the models.
pub type Experiment = Run<AnyConfig>;

/// The modalities that a corpus folder has data for.
pub fn available(corpus: &Corpus, data: &Path) -> Vec<ModalityKind> {
    let mut modalities = vec![ModalityKind::Id];
    let checks = [
        (ModalityKind::Query, corpus.query_count() > 1),
        (ModalityKind::Text, data.join("text.emb").is_file()),
        (ModalityKind::Image, data.join("image.emb").is_file()),
        (ModalityKind::Attribute, corpus.attribute_count() > 0),
    ];
    modalities.extend(checks.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind));
    modalities
}

/// Opens a corpus folder.
///
/// # Errors
/// If it is none, or damaged.
pub fn open_corpus(folder: &Path) -> anyhow::Result<Corpus> {
    anyhow::ensure!(folder.exists(), "--data: {} does not exist", folder.display());
    let there = folder.join("corpus.bin").is_file();
    anyhow::ensure!(
        there,
        "--data: no corpus.bin in {}: give a folder that `prepare` wrote",
        folder.display()
    );
    Ok(Corpus::open(folder)?)
}

/// Refuses the folder of the data as output folder.
///
/// # Errors
/// If it is that.
pub fn apart(out: &Path, data: &Path) -> anyhow::Result<()> {
    let same = out.canonicalize().ok().zip(data.canonicalize().ok()).is_some_and(|(out, data)| out == data);
    anyhow::ensure!(!same, "--out: {} is the folder of --data: choose another", out.display());
    Ok(())
}

/// The last part of a folder's path, also of `.` and the like: the name of its data set.
///
/// # Errors
/// If there is no such folder, or it is the root.
pub fn folder_name(folder: &Path) -> anyhow::Result<String> {
    let full = folder.canonicalize().with_context(|| format!("--data: cannot open {}", folder.display()))?;
    let name = full.file_name().with_context(|| format!("--data: {} has no name", full.display()))?;
    Ok(name.to_string_lossy().into_owned())
}

/// Names of modalities, comma-separated.
pub fn modality_names(modalities: &[ModalityKind]) -> String {
    let names: Vec<&str> = modalities.iter().map(Into::into).collect();
    names.join(",")
}

/// Reads a comma-separated list of modalities.
///
/// # Errors
/// If a name is unknown.
pub fn parse_modalities(text: &str) -> anyhow::Result<Vec<ModalityKind>> {
    let known = modality_names(ModalityKind::VARIANTS);
    let parse = |name: &str| {
        name.trim().parse().with_context(|| format!("unknown modality `{name}`; known: {known}"))
    };
    text.split(',').map(parse).collect()
}

/// A trainer with the embedding files of a corpus folder. Sets the embedding dimensions in the run's configuration to theirs.
///
/// # Errors
/// If settings are invalid, or embedding files are missing, damaged or of another corpus.
pub fn trainer(
    run: &mut Experiment,
    corpus: &Arc<Corpus>,
    data: &Path,
    device: &Device,
) -> anyhow::Result<Trainer<AnyModel>> {
    let config = &mut run.config.model;
    for (kind, file) in [(ModalityKind::Text, "text.emb"), (ModalityKind::Image, "image.emb")] {
        let missing = config.has(kind) && !data.join(file).is_file();
        let (kind, data) = (<&str>::from(kind), data.display());
        anyhow::ensure!(!missing, "--modalities: `{kind}` needs {data}/{file}, which `embed` writes");
    }
    let modalities = Modalities::of_folder(data, &config.modalities)?;
    config.text_width = modalities.text.as_ref().map_or(config.text_width, Embeddings::dim);
    config.image_width = modalities.image.as_ref().map_or(config.image_width, Embeddings::dim);
    config.validate(run.train.batches.history_length)?;
    Ok(run.trainer(corpus, modalities, device)?)
}

/// Evaluates a trained model into a row of the results.
///
/// # Errors
/// If the evaluation fails, or its metrics are impossible.
pub fn evaluate(
    run: &Experiment,
    trainer: &mut Trainer<AnyModel>,
    corpus: &Corpus,
    split: Split,
    batches: &BatchConfig,
    ties: Ties,
) -> anyhow::Result<RunResult> {
    evaluate_users(run, trainer, corpus, (split, ties), batches, &|_| true)
}

/// Ranks the targets of so many users among all items that they never touched, into a row of the results.
///
/// # Errors
/// If the evaluation fails, or its metrics are impossible.
pub fn evaluate_in_catalogue(
    run: &Experiment,
    trainer: &mut Trainer<AnyModel>,
    corpus: &Corpus,
    (split, ties): (Split, Ties),
    batches: &BatchConfig,
    users: usize,
) -> anyhow::Result<RunResult> {
    let ranking = trainer.rank_in_catalogue(split, batches, ties, users)?;
    let evaluation =
        Evaluation::of(&ranking, batches.seed).with_popularity(&ranking, &corpus.training_counts());
    Ok(RunResult::new(run.config.kind.name(), &run.dataset, split, batches.test_mode, evaluation)?)
}

/// Evaluates a trained model for some users into a row of the results.
///
/// # Errors
/// If the evaluation fails, or its metrics are impossible.
pub fn evaluate_users(
    run: &Experiment,
    trainer: &mut Trainer<AnyModel>,
    corpus: &Corpus,
    (split, ties): (Split, Ties),
    batches: &BatchConfig,
    keep: &dyn Fn(u32) -> bool,
) -> anyhow::Result<RunResult> {
    let start = Instant::now();
    let ranking = trainer.rank(split, batches, ties)?.of_users(keep);
    let counts = corpus.training_counts();
    let evaluation = Evaluation::of(&ranking, batches.seed).with_popularity(&ranking, &counts);
    let row = RunResult::new(run.config.kind.name(), &run.dataset, split, batches.test_mode, evaluation)?;
    let progress = trainer.progress();
    let mut row = row.trained(&progress.pretrain, &progress.fit);
    row.seed = run.config.model.seed;
    row.modalities = modality_names(&run.config.model.modalities);
    row.seconds.evaluate = start.elapsed().as_secs_f64();
    row.peak_rss_bytes = peak_rss_bytes();
    Ok(row)
}
