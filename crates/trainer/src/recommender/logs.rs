//! Histories of a corpus's users, in the numbers of a saved model.

use seminar_dataset::Corpus;
use seminar_models::SequenceModel;

use super::core::Recommender;
use super::history::{History, Numbered};

/// The users of a corpus, which may have more events, items and users than the one that the model was trained on: items and words
/// are matched by their names.
#[derive(Debug)]
pub struct CorpusHistories<'a> {
    corpus: &'a Corpus,
    /// The model's numbers by those of the corpus, 0 for what it does not know; `None` where both are the same.
    numbers: Option<Numbers>,
}

#[derive(Debug)]
struct Numbers {
    items: Vec<u32>,
    words: Vec<u32>,
}

impl<M: SequenceModel> Recommender<M> {
    /// The users of a corpus, by number: `users.find(name)` gives a user's number, `users.history(number)` the history to recommend
    /// for. The corpus may have newer events, and number its items otherwise: they are matched by name.
    pub fn users_of<'a>(&self, corpus: &'a Corpus) -> CorpusHistories<'a> {
        let catalogue = self.catalogue();
        let same = corpus.items_fingerprint() == catalogue.fingerprint();
        let numbers = (!same).then(|| Numbers {
            items: (1..=corpus.item_count() as u32)
                .map(|item| catalogue.item(corpus.item_name(item)).unwrap_or(0))
                .collect(),
            words: (1..=corpus.word_count() as u32)
                .map(|word| match corpus.word(word) {
                    Some(text) => catalogue.word_number(text).unwrap_or(0),
                    // The words are numbers of the log.
                    None => catalogue.word_number(&word.to_string()).unwrap_or(0),
                })
                .collect(),
        });
        CorpusHistories { corpus, numbers }
    }
}

impl CorpusHistories<'_> {
    /// Number of users; users count from 0.
    pub fn len(&self) -> usize {
        self.corpus.user_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Items of the corpus that the model does not know.
    pub fn unknown_items(&self) -> usize {
        self.numbers.as_ref().map_or(0, |numbers| numbers.items.iter().filter(|&&item| item == 0).count())
    }

    /// The log's name of a user.
    ///
    /// # Panics
    /// If there is no such user; likewise below.
    pub fn name(&self, user: usize) -> &str {
        self.corpus.user_name(user)
    }

    /// The user of this name in the log.
    pub fn find(&self, name: &str) -> Option<usize> {
        (0..self.len()).find(|&user| self.corpus.user_name(user) == name)
    }

    /// All events of a user.
    pub fn history(&self, user: usize) -> History {
        let log = self.corpus.history(user);
        let mut history = History::default();
        for ((&item, &query), &time) in log.items.iter().zip(log.queries).zip(log.times) {
            let words = self.corpus.query(query);
            let (number, words) = match &self.numbers {
                None => (item, words.to_vec()),
                Some(Numbers { items, words: of_words }) => {
                    let known = words.iter().map(|&word| of_words[word as usize - 1]);
                    (items[item as usize - 1], known.filter(|&word| word != 0).collect())
                }
            };
            match number {
                0 => history.unknown.push(self.corpus.item_name(item).to_owned()),
                item => history.events.push(Numbered { item, query: words, time: Some(time) }),
            }
        }
        history
    }
}
