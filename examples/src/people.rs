//! Recommendations for a few users, shown at the end of the quickstart.

use seminar_dataset::Corpus;
use seminar_models::AnyModel;
use seminar_trainer::report::Person;
use seminar_trainer::{Recommender, Request};

/// Titles shown per history.
const LAST: usize = 5;

/// Ten recommendations for each of the first `count` users whose last items all have different titles.
///
/// # Errors
/// If a recommendation fails.
pub fn people(
    recommender: &Recommender<AnyModel>,
    corpus: &Corpus,
    count: usize,
) -> anyhow::Result<Vec<Person>> {
    let users = recommender.users_of(corpus);
    let request = Request { explain: 2, ..Request::default() };
    let titles = |user: usize| -> Option<Vec<String>> {
        let items = corpus.history(user).items;
        let last = &items[items.len().saturating_sub(LAST)..];
        let titles =
            last.iter().map(|&item| corpus.title(item).map(str::to_owned)).collect::<Option<Vec<_>>>()?;
        let mut different = titles.clone();
        different.sort_unstable();
        different.dedup();
        (different.len() == LAST).then_some(titles)
    };
    let chosen = (0..users.len()).filter_map(|user| Some((user, titles(user)?))).take(count);
    chosen
        .map(|(user, history)| {
            let hits = recommender.recommend(&users.history(user), &request)?;
            Ok(Person { name: users.name(user).to_owned(), history, hits })
        })
        .collect()
}
