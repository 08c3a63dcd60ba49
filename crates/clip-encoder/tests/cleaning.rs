//! The tokenizer's cleaning against Python's: `ftfy.fix_text`, `html.unescape` twice, white space, small letters.
//!
//! `data/clean/make.py` ran them once and left digests of the results; no Python is needed here.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::MultiGzDecoder;
use seminar_clip_encoder::{Tokenizer, clean_text};
use serde::Deserialize;

/// Texts that were made besides the real ones.
const MADE: u64 = 40_000;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clean").join(name)
}

#[derive(Deserialize)]
struct Case {
    text: String,
    cleaned: String,
    tokens: Vec<u32>,
}

#[test]
fn sixty_texts_have_the_published_tokens() {
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(data("tokens.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 60);
    for Case { text, cleaned, tokens } in cases {
        assert_eq!(clean_text(&text), cleaned, "{text:?}");
        assert_eq!(Tokenizer::published().encode(&text, 77), tokens, "{text:?}");
    }
}

/// What made texts are made of.
#[derive(Deserialize)]
struct Fragments {
    /// Names of the lists that a text is drawn from.
    mixes: Vec<Vec<String>>,
    separators: Vec<String>,
    #[serde(flatten)]
    lists: HashMap<String, Vec<String>>,
}

/// The generator of `make.py`: a linear congruence of 64 bits.
struct Draws(u64);

impl Draws {
    fn of<'a>(&mut self, list: &'a [String]) -> &'a str {
        &list[self.below(list.len() as u64) as usize]
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn made(fragments: &Fragments, number: u64) -> String {
    let mut draws = Draws(number);
    draws.below(1);
    let mix = &fragments.mixes[draws.below(fragments.mixes.len() as u64) as usize];
    let mut text = String::new();
    for _ in 0..1 + draws.below(7) {
        let list = &fragments.lists[draws.of(mix)];
        text.push_str(draws.of(list));
        text.push_str(draws.of(&fragments.separators));
    }
    text
}

/// Titles of the bundled item files, empty where there is none.
fn titles() -> Vec<String> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let lines =
        ["s3rec/Beauty_items.jsonl.gz", "gift_cards/meta_Gift_Cards.json.gz"].iter().flat_map(|name| {
            let file = std::fs::File::open(data.join(name)).unwrap();
            BufReader::new(MultiGzDecoder::new(file)).lines()
        });
    let title = |line: std::io::Result<String>| {
        let item: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        item["title"].as_str().unwrap_or_default().to_owned()
    };
    lines.map(title).collect()
}

#[test]
fn fifty_thousand_texts_are_cleaned_as_python_cleans_them() {
    let fragments = std::fs::read(data("fragments.json")).unwrap();
    let fragments: Fragments = serde_json::from_slice(&fragments).unwrap();
    let digests = std::fs::read(data("digests.bin")).unwrap();
    let digests: Vec<u32> = digests.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    let texts: Vec<String> =
        titles().into_iter().chain((0..MADE).map(|number| made(&fragments, number))).collect();
    assert!(texts.len() >= 50_000);
    assert_eq!(texts.len(), digests.len());
    let differs = |&(text, digest): &(&String, &u32)| {
        let mut crc = Crc::new();
        crc.update(clean_text(text).as_bytes());
        crc.sum() != *digest
    };
    let different: Vec<_> = texts.iter().zip(&digests).filter(differs).map(|(text, _)| text).collect();
    let first = different.iter().take(10).map(|text| format!("{text:?}: {:?}", clean_text(text)));
    assert!(different.is_empty(), "{}: {:#?}", different.len(), first.collect::<Vec<_>>());
}
