//! The questions that a recommender answers.

use rayon::prelude::*;
use seminar_models::SequenceModel;

use super::core::Recommender;
use super::history::History;
use super::rank;
use super::request::{Because, Hit, Request};
use crate::error::Result;

impl<M: SequenceModel> Recommender<M> {
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

    fn hit(&self, score: f32, number: u32, because: Vec<Because>) -> Hit {
        let item = self.item_of(number);
        Hit { id: item.id().into(), title: item.title().into(), score, because }
    }
}
