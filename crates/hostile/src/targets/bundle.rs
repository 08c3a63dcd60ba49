//! Saved models: one file of the folder is damaged, and the model is opened and asked. Half of the mutants carry checksums that fit,
//! the description's among them.

use std::hash::Hasher;
use std::path::Path;

use burn::tensor::Device;
use seminar_models::AnyModel;
use seminar_trainer::{Event, Recommender, Request};
use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{Loader, SEALED, Target, both, choice};
use crate::mutate::seal;
use crate::sample;

pub(super) const TARGETS: &[Target] = &[Target { name: "bundle", records: 1, seeds: files, loader: open }];

const FILES: [&str; 4] = ["model.json", "weights.safetensors", "catalogue.bin", "text.emb"];

fn files() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let model = sample::write_bundle(folder.path(), 1)?;
    let mut seeds = Vec::new();
    for (which, name) in FILES.iter().enumerate() {
        seeds.extend(both(which as u8, &std::fs::read(model.join(name))?));
    }
    Ok(seeds)
}

/// Hexadecimal digits of a checksum, as the description holds them.
fn digits(hash: u64) -> Value {
    format!("{hash:016x}").into()
}

/// The checksum of a weight file of one block.
fn block(bytes: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.write(&(bytes.len() as u64).to_le_bytes());
    hash.write(&xxh3_64(bytes).to_le_bytes());
    hash.finish()
}

/// The description with its own checksum made to fit.
fn described(mut description: Value) -> Vec<u8> {
    if let Some(fields) = description.as_object_mut() {
        fields.shift_remove("checksum");
        let checksum = xxh3_64(description.to_string().as_bytes());
        description["checksum"] = digits(checksum);
    }
    description.to_string().into_bytes()
}

/// Whether settings are small. A model of a billion units costs what it says, and a description that claims one is no damage.
fn small(settings: &Value) -> bool {
    match settings {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() <= 1_000.0),
        Value::Array(values) => values.iter().all(small),
        Value::Object(fields) => fields.iter().all(|(name, value)| name == "map_above_bytes" || small(value)),
        _ => true,
    }
}

fn open(folder: &Path) -> anyhow::Result<Loader> {
    let model = sample::write_bundle(folder, 1)?;
    let sound = FILES.map(|name| std::fs::read(model.join(name)));
    let sound: Vec<Vec<u8>> = sound.into_iter().collect::<Result<_, _>>()?;
    let description: Value = serde_json::from_slice(&sound[0])?;
    Ok(Box::new(move |input| {
        let (which, bytes) = choice(input);
        let (file, sealed) = ((which & !SEALED) as usize % FILES.len(), which & SEALED != 0);
        let (mut bytes, mut description) = (bytes.to_vec(), description.clone());
        if sealed {
            match file {
                0 => {
                    let forged = serde_json::from_slice::<Value>(&bytes).ok();
                    let forged = forged.filter(|value| small(&value["config"]) && small(&value["train"]));
                    bytes = forged.map_or(bytes, described);
                }
                1 => description["files"][FILES[1]] = digits(block(&bytes)),
                _ => {
                    seal(&mut bytes);
                    let checksum = bytes.get(32..40).and_then(|bytes| bytes.try_into().ok());
                    let checksum = digits(checksum.map_or(0, u64::from_le_bytes));
                    match file {
                        2 => description["files"][FILES[2]] = checksum,
                        _ => description["frozen"][FILES[3]]["checksum"] = checksum,
                    }
                }
            }
        }
        // New files each time: the old ones may still be mapped.
        let put = |which: usize, bytes: &[u8]| {
            let path = model.join(FILES[which]);
            std::fs::remove_file(&path).and_then(|()| std::fs::write(&path, bytes))
        };
        if sealed && file > 0 {
            put(0, &described(description))?;
        }
        put(file, &bytes)?;
        let opened = Recommender::<AnyModel>::open(&model, &Device::flex()).map(|model| ask(&model));
        put(file, &sound[file])?;
        put(0, &sound[0])?;
        Ok(opened.is_ok())
    }))
}

/// Asks an opened model for all that it can answer. What it cannot is an error.
fn ask(recommender: &Recommender<AnyModel>) {
    let request = Request { k: 3, explain: 2, query: "red".into(), ..Request::default() };
    let events = [Event::new("pen"), Event::new("glue").at(3), Event::new("nothing").after_query("red")];
    if let Ok(history) = recommender.history(events) {
        let _ = std::hint::black_box(recommender.recommend(&history, &request));
        let _ = std::hint::black_box(recommender.score(&history, ["pen", "nothing", "tape"]));
    }
    let _ = std::hint::black_box(recommender.similar("pen", 2));
    let item = recommender.item("ink").map(|item| (item.title(), item.attributes().count()));
    std::hint::black_box(item);
}
