//! A corpus that a model can learn.
#![allow(dead_code, reason = "not every test that includes this uses all of it")]

use std::sync::Arc;

use seminar_dataset::{Corpus, Numbered};

/// 120 users who walk through one of six shelves of ten items, in a loop. Items are called `1` to `60`.
pub fn users() -> Vec<Vec<String>> {
    let item = |user: u32, step: u32| 1 + (user % 6) * 10 + (user / 6 + step) % 10;
    (0..120).map(|user| (0..14).map(|step| item(user, step).to_string()).collect()).collect()
}

/// What the items called by numbers are: their shelf, and a colour.
fn attributes(name: &str) -> [u32; 2] {
    let item: u32 = name.parse().unwrap_or(0);
    [1 + item.saturating_sub(1) / 10, 10 + item % 3]
}

/// The corpus of some users: each event was searched for by the attributes of its item.
pub fn write(users: &[Vec<String>]) -> (tempfile::TempDir, Arc<Corpus>) {
    let folder = tempfile::tempdir().unwrap();
    let query = |name: &String| attributes(name).map(|word| format!("attribute-{word}")).join(" ");
    let queries: Vec<Vec<String>> = users.iter().map(|items| items.iter().map(query).collect()).collect();
    let mut data = Numbered::from_sequences(users).with_queries(&queries).unwrap();
    data.attribute_items = (1..=data.item_count() as u32).collect();
    let names = data.attribute_items.iter().map(|&item| {
        let name = data.texts.items.row(item as usize - 1);
        String::from_utf8(name.to_vec()).unwrap()
    });
    data.item_attributes = names.map(|name| attributes(&name)).collect();
    Corpus::write(&data, folder.path()).unwrap();
    let corpus = Arc::new(Corpus::open(folder.path()).unwrap());
    (folder, corpus)
}

/// The corpus of [`users`].
pub fn corpus() -> (tempfile::TempDir, Arc<Corpus>) {
    write(&users())
}
