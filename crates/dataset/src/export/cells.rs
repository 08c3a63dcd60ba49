//! What the columns of exported tables hold.

use crate::corpus::Corpus;
use crate::event::{EventKind, Part};
use crate::negatives::{NegativeSampler, Sampling, Scratch};
use crate::prepare::NEGATIVES_SEED;
use crate::split::Split;

/// Negatives per user.
const NEGATIVES: usize = 99;

/// Which columns the events of a corpus fill.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventColumns {
    pub times: bool,
    pub kinds: bool,
    pub queries: bool,
    pub actions: bool,
}

impl EventColumns {
    pub fn of(corpus: &Corpus) -> Self {
        let own = || (0..corpus.user_count()).map(|user| corpus.history(user));
        let any_search = || own().any(|h| (0..h.items.len()).any(|at| h.kind(at) == EventKind::Search));
        Self {
            times: corpus.has_times(),
            kinds: any_search(),
            queries: own().any(|history| history.queries.iter().any(|&query| query != 0)),
            actions: corpus.actions().next().is_some(),
        }
    }
}

/// The files of events: the parts of a split that the corpus has of its own, or one file of all.
pub(super) fn parts(corpus: &Corpus) -> Vec<(&'static str, Option<Part>)> {
    match corpus.user_count() > 0 && corpus.split(0).is_some() {
        true => {
            vec![
                ("events.train", Some(Part::Train)),
                ("events.valid", Some(Part::Valid)),
                ("events.test", Some(Part::Test)),
            ]
        }
        false => vec![("events", None)],
    }
}

/// All items, in the order in which they were described, so that they are read back in it.
pub(super) fn in_order(corpus: &Corpus) -> Vec<u32> {
    let mut items = corpus.attribute_items().to_vec();
    let mut described = vec![false; corpus.item_count() + 1];
    items.iter().for_each(|&item| described[item as usize] = true);
    items.extend((1..=corpus.item_count() as u32).filter(|&item| !described[item as usize]));
    items
}

/// The positions of a user's events that belong to a part.
pub(super) fn of_part(corpus: &Corpus, user: usize, part: Option<Part>) -> std::ops::Range<usize> {
    let events = corpus.history(user).items.len();
    let [train, valid] = corpus.split(user).unwrap_or([events; 2]);
    match part {
        None => 0..events,
        Some(Part::Train) => 0..train,
        Some(Part::Valid) => train..valid,
        Some(Part::Test) => valid..events,
    }
}

pub(super) fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Search => "search",
        EventKind::Recommendation => "recommendation",
    }
}

/// The words of a query as a text: their names, or their numbers where these are all that is known.
pub(super) fn query_text(corpus: &Corpus, query: u32) -> String {
    let word = |&word: &u32| corpus.word(word).map_or_else(|| word.to_string(), str::to_owned);
    corpus.query(query).iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The attributes of an item by name, or by number.
pub(super) fn attributes(corpus: &Corpus, item: u32) -> Vec<String> {
    let name = |&id: &u32| corpus.attribute_name(id).map_or_else(|| id.to_string(), str::to_owned);
    corpus.attributes(item).unwrap_or_default().iter().map(name).collect()
}

/// The position of the target of each split among a user's events.
pub(super) fn targets(corpus: &Corpus, user: usize) -> impl Iterator<Item = (&'static str, usize)> {
    let splits = [Split::Train, Split::Valid, Split::Test];
    splits.into_iter().filter_map(move |split| Some((split.into(), split.target_of(corpus, user)?)))
}

/// Test negatives: those that came with the data, or uniform ones.
pub(super) struct Negatives<'a> {
    corpus: &'a Corpus,
    sampler: NegativeSampler<'a>,
    scratch: Scratch,
}

impl<'a> Negatives<'a> {
    pub fn new(corpus: &'a Corpus) -> Self {
        let sampler = NegativeSampler::new(corpus, Sampling::Uniform, NEGATIVES_SEED);
        Self { corpus, sampler, scratch: NegativeSampler::scratch(corpus) }
    }

    pub fn of(&mut self, user: usize) -> Vec<u32> {
        if let Some((items, _)) = self.corpus.sampled(user) {
            return items.to_vec();
        }
        let mut items = Vec::with_capacity(NEGATIVES);
        self.sampler.evaluation(user, Split::Test, NEGATIVES, &mut self.scratch, &mut items);
        items
    }
}
