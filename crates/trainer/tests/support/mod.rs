//! A corpus that a model can learn.

use std::sync::Arc;

use seminar_dataset::{Corpus, Queries, s3rec};

/// 120 users who walk through one of six shelves of ten items, in a loop.
pub fn corpus() -> (tempfile::TempDir, Arc<Corpus>) {
    let folder = tempfile::tempdir().unwrap();
    let item = |user: u32, step: u32| 1 + (user % 6) * 10 + (user / 6 + step) % 10;
    let line = |user: u32| {
        let items: Vec<String> = (0..14).map(|step| item(user, step).to_string()).collect();
        format!("{} {}\n", user + 1, items.join(" "))
    };
    std::fs::write(folder.path().join("toy.txt"), (0..120).map(line).collect::<String>()).unwrap();
    let attributes: Vec<String> =
        (1..=60u32).map(|item| format!("\"{item}\": [{}, {}]", 1 + (item - 1) / 10, 10 + item % 3)).collect();
    let json = format!("{{{}}}", attributes.join(", "));
    std::fs::write(folder.path().join("toy_item2attributes.json"), json).unwrap();
    let toy = s3rec::import(folder.path(), "toy", Queries::Attributes).unwrap();
    Corpus::write(&toy.data, folder.path()).unwrap();
    let corpus = Arc::new(Corpus::open(folder.path()).unwrap());
    (folder, corpus)
}
