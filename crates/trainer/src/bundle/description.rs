//! `model.json`: what a saved model says of itself, and the sums that hold its files together.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use seminar_models::SequenceModel;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

pub(super) const FORMAT: &str = "seminar model";
pub(super) const VERSION: u32 = 1;
pub(super) const DESCRIPTION: &str = "model.json";
pub(super) const WEIGHTS: &str = "weights.safetensors";
pub(crate) const CATALOGUE: &str = "catalogue.bin";
pub(super) const TEXT: &str = "text.emb";
pub(super) const IMAGE: &str = "image.emb";

/// What `model.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description<C> {
    /// `seminar model`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// The crate that wrote it.
    pub software: String,
    /// Name of the model's type, such as `AnyModel`: models of different types may have the same configuration and weights.
    pub model: String,
    /// The model's complete configuration.
    pub config: C,
    /// The settings of its training.
    pub train: TrainConfig,
    /// Epochs of pretraining before that.
    pub pretrain_epochs: u64,
    /// The data set's name.
    pub dataset: String,
    /// Metrics reached on the test split.
    pub metrics: Metrics,
    /// Number of items.
    pub items: u64,
    /// Fingerprint of items, words and attributes.
    pub fingerprint: Hash,
    /// Frozen embeddings, by file name.
    pub frozen: BTreeMap<String, FrozenFile>,
    /// Checksums of the other files, by name.
    pub files: BTreeMap<String, Hash>,
}

impl<C> Description<C> {
    /// What a saved model says of itself.
    ///
    /// # Errors
    /// If the folder holds no saved model, one of another version or of another type of model, or its description was altered.
    pub fn read<M: SequenceModel<Config = C>>(folder: &Path) -> Result<Self> {
        Ok(read_description::<M>(folder)?.0)
    }
}

/// A file of frozen embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenFile {
    /// Width of the embeddings that the model was trained with.
    pub dim: usize,
    /// Whether the file holds what the model projects of them.
    pub projected: bool,
    /// Checksum.
    pub checksum: Hash,
}

/// Sixteen hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(pub String);

impl From<u64> for Hash {
    fn from(hash: u64) -> Self {
        Self(format!("{hash:016x}"))
    }
}

/// Bytes of a large file that one thread hashes.
const BLOCK: usize = 8 << 20;

/// Hash of the hashes of a file's blocks, so that several threads share the work.
pub(super) fn hash_of_blocks(bytes: &[u8]) -> Hash {
    let blocks: Vec<u64> = bytes.par_chunks(BLOCK).map(xxh3_64).collect();
    let mut hash = Xxh3::new();
    hash.update(&(bytes.len() as u64).to_le_bytes());
    blocks.iter().for_each(|block| hash.update(&block.to_le_bytes()));
    hash.digest().into()
}

/// Hash of a description without its own.
pub(super) fn hash_of_description(description: &Value) -> Hash {
    xxh3_64(description.to_string().as_bytes()).into()
}

/// An error about a bundle.
pub(super) fn problem(path: &Path, message: impl Into<String>) -> Error {
    Error::Bundle { path: path.to_path_buf(), message: message.into() }
}

/// The name of a type without its path and parameters.
pub(super) fn type_name<M>() -> &'static str {
    let whole = std::any::type_name::<M>();
    let path = whole.split('<').next().unwrap_or(whole);
    path.rsplit("::").next().unwrap_or(path)
}

/// Reads a description and compares everything that does not depend on the model's weights.
pub(super) fn read_description<M: SequenceModel>(folder: &Path) -> Result<(Description<M::Config>, Hash)> {
    let path = folder.join(DESCRIPTION);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(problem(folder, missing(folder)));
        }
        Err(error) => return Err(Error::io(&path, "cannot read")(error)),
    };
    let bad = |message: String| problem(&path, message);
    let mut value: Value =
        serde_json::from_str(&text).map_err(|error| bad(format!("not JSON, so damaged: {error}")))?;
    let format = value.get("format").and_then(Value::as_str).unwrap_or_default();
    if format != FORMAT {
        return Err(bad(format!("its format is `{format}`, not `{FORMAT}`")));
    }
    let version = value.get("version").and_then(Value::as_u64).unwrap_or_default();
    if version != u64::from(VERSION) {
        return Err(bad(format!(
            "version {version} where {VERSION} is understood: use the release that wrote it"
        )));
    }
    let written = value.as_object_mut().and_then(|fields| fields.shift_remove("checksum"));
    let hash = hash_of_description(&value);
    if written != Some(Value::String(hash.0.clone())) {
        return Err(bad("checksum differs: the file is damaged or was edited".into()));
    }
    let (found, asked) = (value.get("model").and_then(Value::as_str).unwrap_or_default(), type_name::<M>());
    if found != asked {
        return Err(bad(format!("describes a model of another type: `{found}`, not `{asked}`")));
    }
    let description =
        serde_json::from_value(value).map_err(|error| bad(format!("cannot be understood: {error}")))?;
    Ok((description, hash))
}

/// Why there is no description in a folder, and what to do.
fn missing(folder: &Path) -> String {
    if folder.join("model").join(DESCRIPTION).is_file() {
        return format!("the folder of a run; its model is {}", folder.join("model").display());
    }
    let run = |folder: &Path| folder.join("experiment.json").is_file();
    if run(folder) || folder.parent().is_some_and(run) {
        return "a run without a saved model: it is unfinished, or of version 0.1. Run its training command \
                again with `--resume`, which trains what is missing and saves the model"
            .into();
    }
    format!("no {DESCRIPTION} here: not a saved model. `train --out RUN` leaves one in RUN/model")
}
