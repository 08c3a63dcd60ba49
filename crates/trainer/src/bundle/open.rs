//! Opening a saved model: everything is compared before anything is computed.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use seminar_dataset::{Catalogue, Embeddings};
use seminar_models::weights::load_state_dict;
use seminar_models::{ModalityKind, Needs, SequenceModel};
use serde::de::DeserializeOwned;

use super::description::{
    CATALOGUE, Description, FrozenFile, Hash, IMAGE, TEXT, WEIGHTS, problem, read_description,
};
use super::mapped::{MappedTable, WeightFile};
use crate::embed::{AttributeLists, FrozenRows, ReadRows, Sources, Stored};
use crate::error::Result;
use crate::exchange::TABLE_NAMES;
use crate::host::host;

/// A saved model, opened.
pub(crate) struct Bundle<C> {
    pub description: Description<C>,
    /// Hash of the description, which holds those of all files: it stands for the whole bundle.
    pub hash: Hash,
    pub catalogue: Catalogue,
    pub device: Device,
    items: MappedTable,
    keywords: MappedTable,
    attributes: Option<(MappedTable, AttributeLists)>,
    text: Option<Box<dyn FrozenRows>>,
    image: Option<Box<dyn FrozenRows>>,
}

impl<C: DeserializeOwned + Sync> Bundle<C> {
    /// Opens a folder that [`Trainer::save_bundle`](crate::Trainer::save_bundle) wrote. The model records no gradients.
    pub fn open<M: SequenceModel<Config = C>>(folder: &Path, device: &Device) -> Result<(M, Self)> {
        let device = device.clone().inner();
        let (description, hash) = read_description::<M>(folder)?;
        let model = M::init(&description.config, &device)?;
        let needs = model.needs();
        fits(folder, &needs, &description)?;

        let sum = |name: &str| {
            let sum = description.files.get(name).cloned();
            sum.ok_or_else(|| problem(folder, format!("the description does not know {name}")))
        };
        let (weights, sums) = (folder.join(WEIGHTS), [sum(WEIGHTS)?, sum(CATALOGUE)?]);
        // Checking a gigabyte takes a while: the three kinds of files at once.
        let (weights_opened, (catalogue, frozen)) = rayon::join(
            || WeightFile::open(&weights, &sums[0]),
            || {
                rayon::join(
                    || open_catalogue(folder, &sums[1], &description),
                    || open_frozen(folder, &description),
                )
            },
        );
        let (mut weights_opened, catalogue, frozen) = (weights_opened?, catalogue?, frozen?);
        let mut table = |name: &'static str, rows: usize| -> Result<Option<MappedTable>> {
            let Some(table) = weights_opened.take_table(name) else { return Ok(None) };
            if table.rows() < rows || needs.width.is_some_and(|width| width != table.width()) {
                let (has, width) = (table.rows(), table.width());
                let needed = needs.width.unwrap_or(width);
                let message = format!("`{name}` is {has} × {width}, needed are {rows} × {needed}");
                return Err(problem(&weights, message));
            }
            Ok(Some(table))
        };
        let [items, keywords, attributes] = TABLE_NAMES;
        let items = table(items, catalogue.item_count() + 2)?;
        let keywords = table(keywords, catalogue.word_count() + 1)?;
        let attributes = table(attributes, catalogue.attribute_count() + 1)?;
        let (Some(items), Some(keywords)) = (items, keywords) else {
            return Err(problem(&weights, "a table is missing"));
        };
        if needs.modalities.contains(&ModalityKind::Attribute) && attributes.is_none() {
            return Err(problem(&weights, "the model sees attributes, but their table is missing"));
        }
        let (model, unused) = load_state_dict(model, &weights_opened.rest(), &weights.display().to_string())?;
        if let Some(name) = unused.first() {
            return Err(problem(&weights, format!("the model has no place for `{name}`")));
        }
        let [text, image] = frozen;
        let text = text.map(|(file, about)| rows_of(&model, ModalityKind::Text, file, &about, &device));
        let image = image.map(|(file, about)| rows_of(&model, ModalityKind::Image, file, &about, &device));
        let bundle = Self {
            attributes: attributes.map(|table| (table, AttributeLists::of_catalogue(&catalogue))),
            text: text.transpose().map_err(|message| problem(folder, message))?,
            image: image.transpose().map_err(|message| problem(folder, message))?,
            description,
            hash,
            catalogue,
            device,
            items,
            keywords,
        };
        Ok((model, bundle))
    }

    /// Where vectors are read.
    pub fn sources(&self) -> Sources<'_> {
        Sources {
            items: &self.items,
            keywords: &self.keywords,
            attributes: self.attributes.as_ref().map(|(table, lists)| (table as &dyn ReadRows, lists)),
            text: self.text.as_deref(),
            image: self.image.as_deref(),
            over_padding: self.description.train.published_tables,
        }
    }
}

/// The weight file of a saved model, if it is the one that belongs to it.
pub(crate) fn check_weights<M: SequenceModel>(folder: &Path) -> Result<PathBuf> {
    let (description, _) = read_description::<M>(folder)?;
    let path = folder.join(WEIGHTS);
    let sum = description.files.get(WEIGHTS);
    WeightFile::open(
        &path,
        sum.ok_or_else(|| problem(folder, "the description does not know its weights"))?,
    )?;
    Ok(path)
}

/// Whether the settings fit each other.
fn fits<C>(folder: &Path, needs: &Needs, description: &Description<C>) -> Result<()> {
    let fail = |field: &str, needed: String, given: String| {
        Err(problem(folder, format!("{field}: the model needs {needed}, the bundle has {given}")))
    };
    let train = &description.train;
    train.validate()?;
    if let Some(width) = needs.width.filter(|&width| width != train.width) {
        return fail("width", width.to_string(), train.width.to_string());
    }
    if needs.history_length > train.batches.history_length {
        let given = train.batches.history_length.to_string();
        return fail("history_length", needs.history_length.to_string(), given);
    }
    let kinds =
        [(ModalityKind::Text, TEXT, needs.text_width), (ModalityKind::Image, IMAGE, needs.image_width)];
    for (kind, name, width) in kinds {
        let file = description.frozen.get(name);
        if needs.modalities.contains(&kind) && file.is_none() {
            return fail("modalities", name.into(), "none".into());
        }
        if let (Some(width), Some(file)) = (width, file)
            && width != file.dim
        {
            return fail(name, format!("width {width}"), file.dim.to_string());
        }
    }
    Ok(())
}

fn open_catalogue<C>(folder: &Path, sum: &Hash, description: &Description<C>) -> Result<Catalogue> {
    let path = folder.join(CATALOGUE);
    let catalogue = Catalogue::open(&path)?;
    let same = Hash::from(catalogue.checksum()) == *sum
        && Hash::from(catalogue.fingerprint()) == description.fingerprint
        && catalogue.item_count() as u64 == description.items;
    if !same {
        return Err(problem(&path, "belongs to another model"));
    }
    Ok(catalogue)
}

type Frozen = [Option<(Embeddings, FrozenFile)>; 2];

fn open_frozen<C>(folder: &Path, description: &Description<C>) -> Result<Frozen> {
    let open = |name: &str| {
        let Some(about) = description.frozen.get(name) else { return Ok(None) };
        let path = folder.join(name);
        let file = Embeddings::open(&path)?;
        if Hash::from(file.checksum()) != about.checksum || file.item_count() as u64 != description.items {
            return Err(problem(&path, "belongs to another model"));
        }
        Ok(Some((file, about.clone())))
    };
    Ok([open(TEXT)?, open(IMAGE)?])
}

/// Frozen embeddings as the model sees them; the error is a message.
fn rows_of<M: SequenceModel>(
    model: &M,
    kind: ModalityKind,
    file: Embeddings,
    about: &FrozenFile,
    device: &Device,
) -> std::result::Result<Box<dyn FrozenRows>, String> {
    let name: &str = kind.into();
    let absent = model.project(kind, Tensor::zeros([1, about.dim], device));
    match (about.projected, absent) {
        (false, None) if file.dim() == about.dim => Ok(Box::new(file)),
        (true, Some(absent)) if file.dim() == absent.dims()[1] => {
            Ok(Box::new(Stored { file, absent: host(absent) }))
        }
        _ => Err(format!("the embeddings `{name}` are not of the width that the model sees")),
    }
}
