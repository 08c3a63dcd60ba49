//! The retrieval experiment over the embeddings of the table's SEMINAR.

use std::path::Path;

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::json;

use super::cells::{Contender, Table};
use crate::parts::{keep, kept};
use crate::retrieval::trained::trained;
use crate::retrieval::{histories, page};
use crate::run::trainer;
use crate::say;

/// K: behaviours that a search returns.
const TOP_K: usize = 32;
/// Targets per user.
const TARGETS: usize = 50;

/// Measures every search over the trained embeddings of a contender's cell. Keeps the rows in `retrieval.json` and returns them
/// as a section of the report. Rows that an earlier run kept for the same weights are not measured again.
///
/// # Errors
/// If the cell's weights cannot be loaded, or the corpus has too few events.
pub fn section(
    table: &Table<'_>,
    contender: &Contender,
    [users, length]: [usize; 2],
    out: &Path,
) -> anyhow::Result<String> {
    let Contender::Model(_, run) = contender else { anyhow::bail!("popularity has no embeddings") };
    let weights = table.folder(contender).join("checkpoint").join("best.ckpt");
    let made = std::fs::metadata(&weights).and_then(|file| file.modified());
    let made = made.with_context(|| format!("cannot read {}", weights.display()))?;
    let made = made.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string();
    let key = json!({ "weights": made, "users": users, "length": length });
    let path = out.join("retrieval.json");
    let rows = match kept(&path, &key) {
        Some(rows) => rows,
        None => {
            let mut run = run.as_ref().clone();
            let mut trainer = trainer(&mut run, table.corpus, table.data, &table.device)?;
            trainer.load_weights(&weights)?;
            let sizes = [users, length, TARGETS];
            let found = trained(&mut trainer, table.corpus, &run.train.batches, sizes)?;
            let ones = vec![1.0; found.modalities];
            let sample: Option<Vec<f32>> =
                (length > 4096).then(|| found.users.iter().flat_map(|user| &user.history).copied().collect());
            let mut experiment = histories::Experiment::new(histories::Setting {
                data: "trained",
                modalities: found.modalities,
                dim: found.dim,
                k: TOP_K,
                weights: &ones,
                families: &histories::Family::ALL,
                rescore: 4,
                shared: sample.as_deref(),
            })?;
            let bar = ProgressBar::new_spinner();
            found.users.iter().try_for_each(|user| experiment.add(user, &bar))?;
            bar.finish_and_clear();
            let rows = experiment.rows();
            keep(&path, &key, &rows)?;
            rows
        }
    };
    say!("{}", crate::retrieval::table(&rows));
    Ok(page::body(&rows))
}
