//! A saved model recommends what the trained one would: the same bits, in another process, on any number of threads.

#[path = "support/catalogue.rs"]
mod catalogue;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use burn::tensor::Device;
use proptest::prelude::*;
use seminar_dataset::Split;
use seminar_models::AnyModel;
use seminar_trainer::metrics::Ties;
use seminar_trainer::{Candidates, Event, Filter, History, Hit, Recommender, Request, SeenItems, Unknown};

/// Users whose scores are compared.
const USERS: usize = 9;

fn open(path: &Path) -> Recommender<AnyModel> {
    Recommender::open(path, &Device::flex()).unwrap()
}

fn all_names(recommender: &Recommender<AnyModel>) -> Vec<String> {
    let catalogue = recommender.catalogue();
    (1..=catalogue.item_count() as u32).map(|item| catalogue.item_name(item).to_owned()).collect()
}

/// Run by the next test: scores every item for the histories in a file.
#[test]
#[ignore = "the other process of the test below"]
fn scores_in_another_process() {
    let folder = std::env::var("SEMINAR_TEST_FOLDER").unwrap();
    let folder = Path::new(&folder);
    let histories = std::fs::read(folder.join("histories.json")).unwrap();
    // Items and queries of each user.
    let histories: Vec<Vec<(String, String)>> = serde_json::from_slice(&histories).unwrap();
    let recommender = open(&folder.join("model"));
    let names = all_names(&recommender);
    let scores: Vec<Vec<u32>> = histories
        .iter()
        .map(|events| {
            let events = events.iter().map(|(item, query)| Event::new(item).after_query(query));
            let history = recommender.history_of(events, Unknown::Refuse).unwrap();
            let scores = recommender.score(&history, &names).unwrap();
            scores.into_iter().map(|score| score.unwrap().to_bits()).collect()
        })
        .collect();
    std::fs::write(folder.join("scores.json"), serde_json::to_string(&scores).unwrap()).unwrap();
}

#[test]
fn another_process_without_the_corpus_gives_the_scores_of_the_full_ranking() {
    let data = tempfile::tempdir().unwrap();
    catalogue::write(data.path());
    for config in catalogue::configs() {
        let name = format!("{:?} {:?}", config.kind, config.model.soft_search);
        let (run, mut trainer) = catalogue::trained(data.path(), config);
        let served = tempfile::tempdir().unwrap();
        trainer.save_bundle(&served.path().join("model"), &run.about(&Default::default())).unwrap();
        let corpus = trainer.corpus().clone();
        let batches = trainer.config().batches.clone();
        let ranking = trainer.rank_in_catalogue(Split::Test, &batches, Ties::Mean, USERS).unwrap();
        let history_of = |user: u32| -> Vec<(String, String)> {
            let log = corpus.history(user as usize);
            let words =
                |query: u32| corpus.query(query).iter().map(|&w| corpus.word(w).unwrap()).collect::<Vec<_>>();
            let events = log.items.iter().zip(log.queries).take(log.items.len() - 1);
            events
                .map(|(&item, &query)| (corpus.item_name(item).to_owned(), words(query).join(" ")))
                .collect()
        };
        let histories: Vec<_> = ranking.users().iter().map(|ranked| history_of(ranked.user)).collect();
        std::fs::write(served.path().join("histories.json"), serde_json::to_string(&histories).unwrap())
            .unwrap();

        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "scores_in_another_process"])
            .env("SEMINAR_TEST_FOLDER", served.path())
            .output()
            .unwrap();
        assert!(child.status.success(), "{name}: {}", String::from_utf8_lossy(&child.stdout));
        let scores = std::fs::read(served.path().join("scores.json")).unwrap();
        let scores: Vec<Vec<u32>> = serde_json::from_slice(&scores).unwrap();
        let mut negatives = ranking.negatives().iter();
        assert_eq!(scores.len(), USERS);
        for ((ranked, positive), scores) in ranking.users().iter().zip(ranking.positives()).zip(&scores) {
            assert_eq!(positive.to_bits(), scores[ranked.item as usize - 1], "{name}, user {}", ranked.user);
            let touched: BTreeSet<u32> = corpus.history(ranked.user as usize).items.iter().copied().collect();
            for item in (1..=catalogue::ITEMS as u32).filter(|item| !touched.contains(item)) {
                let negative = negatives.next().unwrap();
                assert_eq!(negative.to_bits(), scores[item as usize - 1], "{name}, item {item}");
            }
        }
        assert!(negatives.next().is_none());
    }
}

struct Saved {
    name: String,
    recommender: Recommender<AnyModel>,
    _folder: tempfile::TempDir,
}

fn saved() -> Vec<Saved> {
    let data = tempfile::tempdir().unwrap();
    catalogue::write(data.path());
    let save = |config: seminar_models::AnyConfig| {
        let name = format!("{:?} {:?}", config.kind, config.model.soft_search);
        let (run, mut trainer) = catalogue::trained(data.path(), config);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        trainer.save_bundle(&path, &run.about(&Default::default())).unwrap();
        Saved { name, recommender: open(&path), _folder: folder }
    };
    catalogue::configs().into_iter().map(save).collect()
}

/// Sorting the scores of every item, as plainly as it can be said.
fn naive(recommender: &Recommender<AnyModel>, history: &History, request: &Request) -> Vec<(String, u32)> {
    let names = all_names(recommender);
    let scores = recommender.score(history, &names).unwrap();
    let seen: BTreeSet<u32> = history.items().collect();
    let mut rows: Vec<(f32, u32)> = (1..=names.len() as u32)
        .filter(|item| request.seen == SeenItems::Keep || !seen.contains(item))
        .filter(|&item| match &request.filter {
            Filter::Only(set) => set.contains(item),
            Filter::Without(set) => !set.contains(item),
            _ => true,
        })
        .map(|item| (scores[item as usize - 1].unwrap(), item))
        .collect();
    rows.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
    rows.truncate(request.k);
    rows.into_iter().map(|(score, item)| (names[item as usize - 1].clone(), score.to_bits())).collect()
}

fn bits(hits: &[Hit]) -> Vec<(String, u32)> {
    hits.iter().map(|hit| (hit.id.clone(), hit.score.to_bits())).collect()
}

#[test]
fn recommending_is_sorting_the_scores_of_all_items() {
    let models = saved();
    let events = prop::collection::vec(0..catalogue::ITEMS, 0..20);
    let chosen = prop::collection::vec(0..catalogue::ITEMS, 0..700);
    let strategy = (events, chosen, 0usize..3, any::<bool>(), prop_oneof![0usize..40, Just(5000)]);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(6));
    let name = |item: &usize| format!("item-{item}");
    runner
        .run(&strategy, |(events, chosen, filter, keep, k)| {
            for Saved { name: model, recommender, .. } in &models {
                let history = recommender.history(&events.iter().map(name).collect::<Vec<_>>()).unwrap();
                let set = recommender.item_set(chosen.iter().map(name));
                let filter = match filter {
                    0 => Filter::All,
                    1 => Filter::Only(set),
                    _ => Filter::Without(set),
                };
                let seen = if keep { SeenItems::Keep } else { SeenItems::Exclude };
                let request = Request { k, filter, seen, ..Request::default() };
                let expected = naive(recommender, &history, &request);
                for threads in [1, 2] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let hits = pool.install(|| recommender.recommend(&history, &request)).unwrap();
                    prop_assert_eq!(bits(&hits), expected.clone(), "{} on {} threads", model, threads);
                }
                // The bits of a score depend on no other candidate.
                let names: Vec<String> = chosen.iter().map(name).collect();
                let some = recommender.score(&history, &names).unwrap();
                let all = recommender.score(&history, all_names(recommender)).unwrap();
                for (item, score) in chosen.iter().zip(some) {
                    let number = recommender.item(&name(item)).unwrap().number();
                    let whole = all[number as usize - 1].unwrap();
                    prop_assert_eq!(score.unwrap().to_bits(), whole.to_bits(), "{}", model);
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_batch_is_each_user_alone_and_reasons_sum_to_one() {
    for Saved { name, recommender, .. } in &saved() {
        let history = |user: usize| {
            let items: Vec<String> =
                (0..user * 2).map(|step| format!("item-{}", (user * 31 + step * 7) % 2500)).collect();
            recommender.history(&items).unwrap()
        };
        let histories: Vec<History> = (0..11).map(history).collect();
        let request = Request { k: 7, explain: usize::MAX, ..Request::default() };
        let together = recommender.recommend_batch(&histories, &request).unwrap();
        assert_eq!(together.len(), histories.len());
        for (history, hits) in histories.iter().zip(&together) {
            assert_eq!(&recommender.recommend(history, &request).unwrap(), hits, "{name}");
            assert_eq!(hits.len(), 7);
            for hit in hits {
                let sum: f32 = hit.because.iter().map(|event| event.weight).sum();
                // SASRec and SDIM attend to nothing by candidate, so they name no reasons.
                let attends =
                    !history.is_empty() && !["SasRec", "Sdim"].iter().any(|own| name.starts_with(own));
                let expected = if attends { 1.0 } else { 0.0 };
                assert!((sum - expected).abs() < 1e-5, "{name}: {sum}");
                assert!(hit.because.len() <= 4 * 2, "{name}: K events per head");
                assert!(hit.because.is_sorted_by(|a, b| a.weight >= b.weight));
                for event in &hit.because {
                    let item = history.items().nth(event.event).unwrap();
                    assert_eq!(event.id, recommender.catalogue().item_name(item));
                }
            }
        }
    }
}

fn one() -> Saved {
    let data = tempfile::tempdir().unwrap();
    catalogue::write(data.path());
    let (run, mut trainer) = catalogue::trained(data.path(), catalogue::configs().remove(5));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    trainer.save_bundle(&path, &run.about(&Default::default())).unwrap();
    Saved { name: "twin".into(), recommender: open(&path), _folder: folder }
}

#[test]
fn histories_of_every_kind_have_their_answer() {
    let saved = one();
    let recommender = &saved.recommender;
    let request = Request::default();
    let yesterday = recommender.history(["item-1", "item-2", "item-3"]).unwrap();
    let today = recommender.history(["item-1", "item-2", "item-3", "item-900"]).unwrap();
    let (before, after) = (
        recommender.recommend(&yesterday, &request).unwrap(),
        recommender.recommend(&today, &request).unwrap(),
    );
    assert_ne!(before, after, "one more event counts");
    assert_eq!((before.len(), after.len()), (10, 10));

    let stranger = recommender.history([] as [&str; 0]).unwrap();
    assert!(stranger.is_empty() && recommender.recommend(&stranger, &request).unwrap().len() == 10);

    let partly = recommender.history(["item-1", "what?", "item-2", "item-3", "2500"]).unwrap();
    assert_eq!((partly.len(), partly.unknown()), (3, &["what?".to_owned(), "2500".into()][..]));
    assert_eq!(recommender.recommend(&partly, &request).unwrap(), before, "unknown items are passed over");
    let refused = recommender.history_of(["item-1", "what?"], Unknown::Refuse).unwrap_err().to_string();
    assert!(refused.contains("`what?`") && refused.contains("item-"), "{refused}");

    let all = recommender.recommend(&yesterday, &Request { k: usize::MAX, ..Request::default() }).unwrap();
    assert_eq!(all.len(), catalogue::ITEMS - 3, "fewer come back than were asked for");
    let none = Request { filter: Filter::by(|_| false), ..Request::default() };
    assert_eq!(recommender.recommend(&yesterday, &none).unwrap(), []);
    assert_eq!(recommender.recommend(&yesterday, &Request { k: 0, ..Request::default() }).unwrap(), []);

    let list = Candidates::list(["item-7", "item-2", "nothing", "item-8", "item-7"]);
    let few = Request { candidates: list, ..Request::default() };
    let hits = recommender.recommend(&yesterday, &few).unwrap();
    let ids: BTreeSet<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
    assert_eq!((hits.len(), ids), (2, BTreeSet::from(["item-7", "item-8"])), "item-2 was seen");
    let titled = Filter::by(|item| item.title().ends_with(" of 77") && item.attributes().count() < 3);
    let hits = recommender.recommend(&yesterday, &Request { filter: titled, ..Request::default() }).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.title.as_str()).collect::<Vec<_>>(), ["Title of 77"]);
}

#[test]
fn times_put_events_in_order_and_a_request_has_its_time() {
    let saved = one();
    let recommender = &saved.recommender;
    let plain = recommender.history(["item-1", "item-2", "item-3"]).unwrap();
    let timed = [Event::new("item-3").at(30), Event::new("item-1").at(10), Event::new("item-2").at(20)];
    let sorted = recommender.history(timed).unwrap();
    assert_eq!(sorted.items().collect::<Vec<_>>(), plain.items().collect::<Vec<_>>());
    let later = [timed[1], timed[2], timed[0], Event::new("item-900").at(31)];
    let history = recommender.history(later).unwrap();
    let keep = |time| Request { time, seen: SeenItems::Keep, explain: 9, ..Request::default() };
    let at_30 = recommender.recommend(&history, &keep(Some(30))).unwrap();
    assert_eq!(at_30, recommender.recommend(&plain, &keep(None)).unwrap());
    assert_ne!(at_30, recommender.recommend(&history, &keep(None)).unwrap());
}

#[test]
fn queries_change_what_comes_back_and_unknown_words_are_named() {
    let saved = one();
    let recommender = &saved.recommender;
    let history = recommender.history(["item-1", "item-2", "item-3"]).unwrap();
    let ask = |query: &str| {
        recommender.recommend(&history, &Request { query: query.into(), ..Request::default() }).unwrap()
    };
    assert_ne!(ask("red w3"), ask(""));
    assert_eq!(ask("  red   w3 "), ask("red w3"));
    assert_eq!(ask("xyzzy"), ask(""));
    assert_eq!(recommender.unknown_words("red xyzzy w3"), ["xyzzy"]);
}

#[test]
fn similar_items_are_those_of_the_nearest_vectors() {
    let saved = one();
    let recommender = &saved.recommender;
    let near = recommender.similar("item-5", 8).unwrap();
    assert_eq!(near.len(), 8);
    assert!(near.is_sorted_by(|a, b| a.score >= b.score) && near.iter().all(|hit| hit.id != "item-5"));
    // Cosine is the same from both sides.
    let back = recommender.similar(&near[0].id, usize::MAX).unwrap();
    let own = back.iter().find(|hit| hit.id == "item-5").unwrap();
    assert_eq!(own.score.to_bits(), near[0].score.to_bits());
    assert_eq!(back.len(), catalogue::ITEMS - 1);
    assert!(recommender.similar("nothing", 3).unwrap_err().to_string().contains("nothing"));
}

#[test]
fn one_recommender_serves_many_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let saved = one();
    shared(&saved.recommender);
    let history = saved.recommender.history(["item-1", "item-2"]).unwrap();
    let expected = saved.recommender.recommend(&history, &Request::default()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let hits = saved.recommender.recommend(&history, &Request::default()).unwrap();
                    assert_eq!(hits, expected);
                }
            });
        }
    });
}
