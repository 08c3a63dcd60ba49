//! Saving a trained model.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use seminar_dataset::atomic::{StagedFolder, write_text};
use seminar_dataset::{Catalogue, Corpus, EmbeddingTable, Embeddings, Precision};
use seminar_models::SequenceModel;
use seminar_models::weights::write_safetensors;
use serde_json::Value;

use super::description::{
    CATALOGUE, DESCRIPTION, Description, FORMAT, FrozenFile, IMAGE, TEXT, VERSION, WEIGHTS, hash_of_blocks,
    hash_of_description, problem, type_name,
};
use super::mapped::map;
use crate::embed::{Projected, ProjectedCatalogue};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::trainer::Trainer;

/// The files of a saved model.
const OWN: [&str; 5] = [DESCRIPTION, WEIGHTS, CATALOGUE, TEXT, IMAGE];

/// What a saved model says of itself beside its settings.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The data set's name.
    pub dataset: String,
    /// Epochs of pretraining.
    pub pretrain_epochs: u64,
    /// Metrics reached.
    pub metrics: Metrics,
}

impl<M: SequenceModel> Trainer<M> {
    /// Saves the model as it is now, with everything that serving needs, as the folder `folder`: whole or not at all. A model
    /// that was saved there before is replaced.
    ///
    /// # Errors
    /// If the folder holds anything but a saved model, a metric or a projected embedding is not finite, or the file system
    /// refuses.
    pub fn save_bundle(&mut self, folder: &Path, about: &About) -> Result<()> {
        // JSON has no other numbers.
        if let Some((name, value)) = about.metrics.iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::Config { field: "metrics", message: format!("`{name}` is {value}") });
        }
        check_bundle_folder(folder)?;
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io(parent, "cannot create"))?;
        }
        let staged = StagedFolder::new(folder, &OWN.map(str::to_owned))?;
        let weights = staged.path().join(WEIGHTS);
        let state = self.export_unnamed();
        for (name, array) in &state {
            if array.not_finite() > 0 {
                let message = format!(
                    "`{name}` holds NaN or infinity: the training diverged, and there is no model to save"
                );
                return Err(problem(folder, message));
            }
        }
        write_safetensors(&state, &weights)?;
        let catalogue = staged.path().join(CATALOGUE);
        Catalogue::write(&self.corpus, &catalogue)?;
        // The tensors' own writer makes a file for its owner alone: whoever may read the rest may read them, too.
        let permissions = std::fs::metadata(&catalogue).map(|file| file.permissions());
        permissions
            .and_then(|like| std::fs::set_permissions(&weights, like))
            .map_err(Error::io(&weights, "cannot set permissions"))?;
        let description = Description {
            format: FORMAT.into(),
            version: VERSION,
            software: concat!("seminar-trainer ", env!("CARGO_PKG_VERSION")).into(),
            model: type_name::<M>().into(),
            config: self.model.config(),
            train: self.config.clone(),
            pretrain_epochs: about.pretrain_epochs,
            dataset: about.dataset.clone(),
            metrics: about.metrics.clone(),
            items: self.corpus.item_count() as u64,
            fingerprint: self.corpus.items_fingerprint().into(),
            frozen: self.write_frozen(staged.path())?,
            files: BTreeMap::from([
                (WEIGHTS.to_owned(), hash_of_blocks(&map(&weights)?)),
                (CATALOGUE.to_owned(), Catalogue::open(&catalogue)?.checksum().into()),
            ]),
        };
        let fail = |error: serde_json::Error| problem(folder, format!("describing the model: {error}"));
        let mut value = serde_json::to_value(&description).map_err(fail)?;
        let checksum = hash_of_description(&value).0;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("checksum".into(), Value::String(checksum));
        }
        write_text(&staged.path().join(DESCRIPTION), &format!("{value:#}\n"))?;
        Ok(staged.commit()?)
    }

    /// Writes the frozen embeddings, projected where the model projects them.
    fn write_frozen(&self, folder: &Path) -> Result<BTreeMap<String, FrozenFile>> {
        let (model, device): (_, Device) = (self.model.valid(), self.device.clone().inner());
        let projected = ProjectedCatalogue::new(&model, self.tables.frozen(), &device);
        let kinds = [
            (TEXT, &self.tables.text, projected.text.as_ref()),
            (IMAGE, &self.tables.image, projected.image.as_ref()),
        ];
        let mut files = BTreeMap::new();
        for (name, source, projected) in kinds {
            let Some(source) = source else { continue };
            let path = folder.join(name);
            table_of(&self.corpus, source, projected)?.write(&path, Precision::F32)?;
            let checksum = Embeddings::open(&path)?.checksum().into();
            let (dim, projected) = (source.dim(), projected.is_some());
            files.insert(name.to_owned(), FrozenFile { dim, projected, checksum });
        }
        Ok(files)
    }
}

/// The vectors of all items that have one.
fn table_of(
    corpus: &Corpus,
    source: &Embeddings,
    projected: Option<&Projected<'_>>,
) -> Result<EmbeddingTable> {
    let width = projected.map_or(source.dim(), Projected::row_width);
    let mut table = EmbeddingTable::new(corpus.item_count(), width)?;
    let mut plain = vec![0.0; source.dim()];
    for &item in source.ids() {
        match projected {
            Some(rows) => {
                if let Some(row) = rows.row(item) {
                    table.set(item, row)?;
                }
            }
            None => {
                source.read(item, &mut plain);
                table.set(item, &plain)?;
            }
        }
    }
    match table.refused {
        0 => Ok(table),
        _ => Err(Error::NotFinite { what: "a projected embedding", step: 0 }),
    }
}

/// Removes a saved model, if there is one and nothing else in its folder.
pub(crate) fn remove_bundle(folder: &Path) -> Result<()> {
    check_bundle_folder(folder)?;
    if !folder.exists() {
        return Ok(());
    }
    for path in OWN.map(|name| folder.join(name)).iter().filter(|path| path.exists()) {
        std::fs::remove_file(path).map_err(Error::io(path, "cannot remove"))?;
    }
    std::fs::remove_dir(folder).map_err(Error::io(folder, "cannot remove"))
}

/// Whether a model can be saved as a folder: it is not there, is empty, or holds a saved model and nothing else.
pub fn check_bundle_folder(folder: &Path) -> Result<()> {
    let fail = "cannot be used as a model's folder";
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(folder, fail)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(Error::io(folder, fail))?.file_name());
    }
    if names.is_empty() {
        return Ok(());
    }
    let described = std::fs::read_to_string(folder.join(DESCRIPTION)).ok();
    let described = described.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    if described.as_ref().and_then(|value| value.get("format")).and_then(Value::as_str) != Some(FORMAT) {
        return Err(problem(folder, "holds files that are no saved model; choose another folder"));
    }
    match names.iter().find(|name| !OWN.iter().any(|own| *name == own)) {
        None => Ok(()),
        Some(name) => {
            let name = name.to_string_lossy();
            Err(problem(
                folder,
                format!("holds `{name}` beside a saved model; choose another folder, or move it"),
            ))
        }
    }
}
