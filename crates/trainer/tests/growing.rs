//! A saved model and a log that grows: it serves the new one, and training goes on from it.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, Numbered};
use seminar_models::{AnyConfig, AnyModel, ModelConfig, ModelKind};
use seminar_trainer::{
    About, Modalities, Recommender, Request, RowMatching, Run, SeenItems, Silent, TrainConfig, Trainer,
};

fn run(kind: ModelKind) -> Run<AnyConfig> {
    let batches = BatchConfig { batch_size: 2, history_length: 4, ..Default::default() };
    let train = TrainConfig { width: 8, batches, ..TrainConfig::default() };
    let model = ModelConfig { width: 8, heads: 2, top_k: 2, ..ModelConfig::default() };
    Run { config: AnyConfig { kind, model }, train, pretrain_epochs: 0, dataset: "grown".into() }
}

fn trainer(corpus: &Arc<Corpus>, run: &Run<AnyConfig>) -> Trainer<AnyModel> {
    run.trainer(corpus, Modalities::default(), &Device::flex()).unwrap()
}

/// Trains TWIN for an epoch and saves it.
fn saved(corpus: &Arc<Corpus>, path: &Path) {
    let run = run(ModelKind::Twin);
    let mut trained = run.train(trainer(corpus, &run), None, &mut Silent).unwrap();
    trained.save_bundle(path, &About::default()).unwrap();
}

fn open(path: &Path) -> Recommender<AnyModel> {
    Recommender::open(path, &Device::flex()).unwrap()
}

/// The log of `data/cases/grown_log` and a user with events to learn from, with further events.
fn log(folder: &Path, more: &[(usize, &str)]) -> Arc<Corpus> {
    let mut users = vec![
        vec!["apple", "bread", "cheese"],
        vec!["bread", "dates", "eggs"],
        vec!["apple", "dates", "bread", "eggs", "apple", "cheese", "dates"],
    ];
    more.iter().for_each(|&(user, item)| users[user].push(item));
    Corpus::write(&Numbered::from_sequences(&users), folder).unwrap();
    Arc::new(Corpus::open(folder).unwrap())
}

#[test]
fn a_grown_log_is_served_by_names() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let before = log(folders[0].path(), &[]);
    let path = folders[0].path().join("model");
    saved(&before, &path);
    let opened = open(&path);
    let request = Request { k: 9, seen: SeenItems::Keep, ..Request::default() };
    let expected = |items: &[&str]| {
        let history = opened.history(items.iter().copied()).unwrap();
        opened.recommend(&history, &request).unwrap()
    };

    let same = opened.users_of(&before);
    assert_eq!((same.len(), same.unknown_items()), (3, 0));
    let ann = opened.recommend(&same.history(0), &request).unwrap();
    assert_eq!(ann, expected(&["apple", "bread", "cheese"]));

    // One more event of the first user: `eggs` was 5 and is 4 now.
    let after = log(folders[1].path(), &[(0, "eggs")]);
    assert_eq!((after.item_name(4), before.item_name(4)), ("eggs", "dates"), "the numbers moved");
    let grown = opened.users_of(&after);
    assert_eq!(grown.unknown_items(), 0);
    for (user, items) in [(0, &["apple", "bread", "cheese", "eggs"][..]), (1, &["bread", "dates", "eggs"])] {
        let hits = opened.recommend(&grown.history(user), &request).unwrap();
        assert_eq!(hits, expected(items));
        assert_eq!(hits.len(), 5);
    }
    assert_ne!(
        expected(&["apple", "bread", "cheese", "eggs"]),
        expected(&["apple", "bread", "cheese", "dates"])
    );

    // A new item, and a new user behind it.
    let newer = log(folders[2].path(), &[(0, "figs"), (0, "eggs")]);
    let newest = opened.users_of(&newer);
    assert_eq!(newest.unknown_items(), 1);
    let history = newest.history(newest.find("1").unwrap());
    assert_eq!((history.len(), history.unknown()), (4, &["figs".to_owned()][..]));
    assert_eq!(
        opened.recommend(&history, &request).unwrap(),
        expected(&["apple", "bread", "cheese", "eggs"])
    );
}

#[test]
fn training_goes_on_from_a_saved_model() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let before = log(folders[0].path(), &[]);
    let path = folders[0].path().join("model");
    saved(&before, &path);
    // `figs` is new, and `eggs` has another number.
    let after = log(folders[1].path(), &[(0, "figs"), (0, "eggs"), (2, "eggs")]);
    let run = run(ModelKind::Twin);
    let mut going_on = trainer(&after, &run);
    let taken = going_on.start_from(&path).unwrap();
    assert_eq!(taken.matching, RowMatching::Names);

    // Before the first step it says of old histories what the saved model says.
    let again = folders[1].path().join("model");
    going_on.save_bundle(&again, &About::default()).unwrap();
    let (old, new) = (open(&path), open(&again));
    let request = Request { k: 9, seen: SeenItems::Keep, ..Request::default() };
    for items in [&["apple"][..], &["bread", "dates", "eggs"], &["eggs", "eggs", "cheese", "apple", "bread"]]
    {
        let of = |recommender: &Recommender<AnyModel>| {
            let history = recommender.history(items.iter().copied()).unwrap();
            let hits = recommender.recommend(&history, &request).unwrap();
            let hits = hits.into_iter().filter(|hit| hit.id != "figs");
            hits.map(|hit| (hit.id, hit.score.to_bits())).collect::<Vec<_>>()
        };
        assert_eq!(of(&new), of(&old), "{items:?}");
        assert_eq!(of(&old).len(), 5);
    }

    // It learns on.
    let weights = |trainer: &mut Trainer<AnyModel>| trainer.export()["item_embeddings.weight"].values.clone();
    let untouched = weights(&mut going_on);
    let mut trained = run.train(going_on, None, &mut Silent).unwrap();
    assert_ne!(weights(&mut trained), untouched);

    let mut wider = self::run(ModelKind::Twin);
    wider.config.model.top_k = 3;
    // Weights of other settings, and altered ones, are refused by name.
    let other = trainer(&after, &wider).start_from(&path).unwrap_err().to_string();
    assert!(other.contains("weights.safetensors"), "{other}");
    let file = path.join("weights.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let altered = trainer(&after, &run).start_from(&path).unwrap_err().to_string();
    assert!(altered.contains("weights.safetensors"), "{altered}");
}
