//! Recommendations from a saved model.

mod explain;
mod format;
mod history;
mod items;
mod job;
mod logs;
mod rank;
mod request;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;
use rayon::prelude::*;
use seminar_dataset::Catalogue;
use seminar_models::{ModalityKind, SequenceModel};

pub use format::HitFormat;
pub use history::{Event, History, Unknown};
pub use items::{Item, ItemSet};
pub use job::{Job, JobReport};
pub use logs::CorpusHistories;
pub use request::{Because, Candidates, Filter, Hit, Request, SeenItems};

use crate::bundle::{Bundle, Description};
use crate::error::{Error, Result};
use crate::scorer::Scorer;

/// A saved model that answers requests.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/saved.rs"));
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

    /// The items of these names, as a set to [filter](Filter) by; names that the model does not know are passed over.
    pub fn item_set<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> ItemSet {
        let mut set = ItemSet::new(self.catalogue().item_count());
        let numbers = names.into_iter().filter_map(|name| self.catalogue().item(name.as_ref()));
        numbers.for_each(|number| set.insert(number));
        set
    }

    /// The words of a search request that the model does not know: they count for nothing.
    pub fn unknown_words<'a>(&self, query: &'a str) -> Vec<&'a str> {
        history::words(query).filter(|word| self.catalogue().word_number(word).is_none()).collect()
    }

    /// Whether the model sees the words of search requests.
    pub fn sees_queries(&self) -> bool {
        self.model().needs().modalities.contains(&ModalityKind::Query)
    }

    /// The best items for a history, best first; of equal scores, in the order of their numbers.
    ///
    /// # Errors
    /// If the request has a query and the model sees none, or a score is not a finite number.
    pub fn recommend(&self, history: &History, request: &Request) -> Result<Vec<Hit>> {
        let mut all = self.recommend_all(&[history], request)?;
        Ok(all.pop().unwrap_or_default())
    }

    /// The same for many histories, which share the work on candidates: for offline jobs.
    ///
    /// # Errors
    /// As for [`Recommender::recommend`].
    pub fn recommend_batch(&self, histories: &[History], request: &Request) -> Result<Vec<Vec<Hit>>> {
        self.recommend_all(&histories.iter().collect::<Vec<_>>(), request)
    }

    /// Scores what another system proposes, in the order given: `None` for items that the model does not know. Larger is better.
    ///
    /// # Errors
    /// If a score is not a finite number.
    pub fn score<S: AsRef<str>>(
        &self,
        history: &History,
        candidates: impl IntoIterator<Item = S>,
    ) -> Result<Vec<Option<f32>>> {
        let catalogue = self.catalogue();
        let numbers: Vec<Option<u32>> =
            candidates.into_iter().map(|name| catalogue.item(name.as_ref())).collect();
        let known: Vec<u32> = numbers.iter().flatten().copied().collect();
        let mut scores = self.score_items(history, &known)?.into_iter();
        Ok(numbers.into_iter().map(|number| number.and_then(|_| scores.next())).collect())
    }

    /// The `k` items most similar to an item by the vectors that the model compares, cosine first; without the item itself.
    /// Items of equal similarity come in the order of their numbers.
    ///
    /// # Errors
    /// If the model does not know the item, or a vector is not finite.
    pub fn similar(&self, item: &str, k: usize) -> Result<Vec<Hit>> {
        let own = self.catalogue().item(item).ok_or_else(|| self.unknown(item))?;
        let near = self.nearest(own, k)?;
        Ok(near.into_iter().map(|(score, number)| self.hit(score, number, Vec::new())).collect())
    }

    fn recommend_all(&self, histories: &[&History], request: &Request) -> Result<Vec<Vec<Hit>>> {
        let search = self.search(request)?;
        let answer = |group: &[&History]| -> Result<Vec<Vec<Hit>>> {
            let ranked = self.rank(group, &search)?;
            let answers = group.iter().zip(ranked).map(|(history, ranked)| {
                let because = self.explain(history, &search, &ranked)?;
                let hits = ranked.into_iter().zip(because);
                Ok(hits.map(|((score, number), because)| self.hit(score, number, because)).collect())
            });
            answers.collect()
        };
        let groups: Vec<Result<Vec<Vec<Hit>>>> =
            histories.par_chunks(rank::USERS_TOGETHER).map(answer).collect();
        let mut all = Vec::with_capacity(histories.len());
        for group in groups {
            all.extend(group?);
        }
        Ok(all)
    }

    /// The number that stands for the whole saved model.
    fn hash(&self) -> &str {
        &self.bundle.hash.0
    }

    fn model(&self) -> M {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn scorer(&self) -> Scorer<'_> {
        Scorer::new(self.bundle.sources(), &self.bundle.device)
    }

    fn item_of(&self, number: u32) -> Item<'_> {
        Item { catalogue: self.catalogue(), number }
    }

    fn hit(&self, score: f32, number: u32, because: Vec<Because>) -> Hit {
        let item = self.item_of(number);
        Hit { id: item.id().into(), title: item.title().into(), score, because }
    }

    fn unknown(&self, item: &str) -> Error {
        let example = match self.catalogue().item_count() {
            0 => "",
            _ => self.catalogue().item_name(1),
        };
        Error::UnknownItem { item: item.into(), example: example.into() }
    }
}
