//! The recommender itself: a saved model, opened.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;
use seminar_dataset::Catalogue;
use seminar_models::{ModalityKind, SequenceModel};

use super::items::{Item, ItemSet};
use crate::bundle::{Bundle, Description};
use crate::error::{Error, Result};
use crate::scorer::Scorer;

/// A saved model that answers requests.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/saved.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = saved_twin(folder.path())?;
/// use burn::tensor::Device;
/// use seminar_models::AnyModel;
/// use seminar_trainer::{Recommender, Request};
///
/// let recommender = Recommender::<AnyModel>::open(&path, &Device::flex())?;
/// let user = recommender.history(["B000YFSR5G", "B0018CPRHA"])?; // external ids, oldest first
/// let ten = recommender.recommend(&user, &Request { k: 10, ..Default::default() })?;
/// for hit in &ten {
///     println!("{} {:.3} {}", hit.id, hit.score, hit.title);
/// }
/// # assert_eq!(ten.len(), 10);
/// # Ok(()) }
/// ```
///
/// A history is the caller's: users that training has never seen, and one more event than yesterday, are ordinary. The answers
/// are the same bits on any number of threads, and one recommender serves any number of them.
pub struct Recommender<M: SequenceModel> {
    /// Modules can be sent to other threads but not shared with them: each piece of work takes a copy of the handles.
    model: Mutex<M>,
    bundle: Bundle<M::Config>,
}

impl<M: SequenceModel> std::fmt::Debug for Recommender<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recommender").field("description", &self.bundle.description).finish_non_exhaustive()
    }
}

impl<M: SequenceModel> Recommender<M> {
    /// Opens a saved model: the folder `model` that `train` leaves, or one written by
    /// [`Trainer::save_bundle`](crate::Trainer::save_bundle). Everything is checked before anything is computed.
    ///
    /// # Errors
    /// If something is missing, damaged, of another version, or does not fit the rest: says which, and what to do.
    pub fn open(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let (model, bundle) = Bundle::open::<M>(folder.as_ref(), device)?;
        Ok(Self { model: Mutex::new(model), bundle })
    }

    /// What the model says of itself: configuration, training, metrics.
    pub fn description(&self) -> &Description<M::Config> {
        &self.bundle.description
    }

    /// Its items, words and attributes.
    pub fn catalogue(&self) -> &Catalogue {
        &self.bundle.catalogue
    }

    /// An item by its name in the log.
    pub fn item(&self, name: &str) -> Option<Item<'_>> {
        self.catalogue().item(name).map(|number| self.item_of(number))
    }

    /// The items of these names, as a set to [filter](super::Filter) by; names that the model does not know are passed over.
    pub fn item_set<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> ItemSet {
        let mut set = ItemSet::new(self.catalogue().item_count());
        let numbers = names.into_iter().filter_map(|name| self.catalogue().item(name.as_ref()));
        numbers.for_each(|number| set.insert(number));
        set
    }

    /// Whether the model sees the words of search requests.
    pub fn sees_queries(&self) -> bool {
        self.model().needs().modalities.contains(&ModalityKind::Query)
    }

    /// The number that stands for the whole saved model.
    pub(super) fn hash(&self) -> &str {
        &self.bundle.hash.0
    }

    pub(super) fn model(&self) -> M {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn scorer(&self) -> Scorer<'_> {
        Scorer::new(self.bundle.sources(), &self.bundle.device)
    }

    pub(super) fn item_of(&self, number: u32) -> Item<'_> {
        Item { catalogue: self.catalogue(), number }
    }

    pub(super) fn unknown(&self, item: &str) -> Error {
        let example = match self.catalogue().item_count() {
            0 => "",
            _ => self.catalogue().item_name(1),
        };
        Error::UnknownItem { item: item.into(), example: example.into() }
    }
}
