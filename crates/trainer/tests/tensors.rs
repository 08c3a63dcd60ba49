//! `docs/tensors.md`: every tensor of every model, and its forward pass, from the code. The page is compared with what the code
//! has; `SEMINAR_WRITE_DOCS=1 cargo test -p seminar-trainer --test tensors` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, Numbered};
use seminar_models::weights::{StateDict, state_dict};
use seminar_models::{FusionKind, ModalityKind, ModelConfig, ModelKind, SoftSearch};
use seminar_trainer::{Modalities, Tables, TrainConfig, Trainer};

/// A size and how the page calls it. All are different, so that a size tells its name.
const SIZES: [(usize, &str); 25] = [
    (1, "1"),
    (2, "2"),
    (48, "D"),
    (96, "2·D"),
    (192, "4·D"),
    (50, "S"),
    (336, "H·D"),
    (7, "H"),
    (91, "P + 1"),
    (107, "P' + 1"),
    (65, "65"),
    (55, "G·R"),
    (21, "21"),
    (3, "3"),
    (41, "T"),
    (43, "I"),
    (47, "B"),
    (53, "C"),
    (8, "Q"),
    (6, "D/Q"),
    (4, "M"),
    (5, "1 + M"),
    (61 + 2, "items + 2"),
    (71 + 2, "words + 2"),
    (83 + 1, "attributes + 1"),
];

fn full(soft_search: SoftSearch) -> ModelConfig {
    let modalities = ["id", "query", "text", "image", "attribute"].map(|name| name.parse().unwrap()).to_vec();
    ModelConfig {
        width: 48,
        heads: 7,
        distance_bias: 90,
        time_bias: true,
        distance_rows: 106,
        time_rows: true,
        top_k: 5,
        text_width: 41,
        image_width: 43,
        hash_bits: 47,
        centroids: 53,
        signatures: 11,
        signature_bits: 5,
        sub_vectors: 8,
        fusion: FusionKind::SoftmaxGate,
        modalities,
        soft_search,
        ..ModelConfig::default()
    }
}

type Change = fn(&mut ModelConfig);

/// What takes a tensor away, and the words for its presence.
const CONDITIONS: [(&str, Change); 12] = [
    ("modality `text`", |config| config.modalities.retain(|&kind| kind != ModalityKind::Text)),
    ("modality `image`", |config| config.modalities.retain(|&kind| kind != ModalityKind::Image)),
    ("modality `attribute`", |config| config.modalities.retain(|&kind| kind != ModalityKind::Attribute)),
    ("modality `query`", |config| config.modalities.retain(|&kind| kind != ModalityKind::Query)),
    ("a bias by distance", |config| config.distance_bias = 0),
    ("a bias by time", |config| config.time_bias = false),
    ("a row by distance", |config| config.distance_rows = 0),
    ("a row by time", |config| config.time_rows = false),
    ("fusion `softmax_gate` or `gumbel_gate`", |config| config.fusion = FusionKind::WeightedAverage),
    ("soft search `lsh`", |config| config.soft_search = SoftSearch::MultiPq),
    ("soft search `multi_pq`", |config| config.soft_search = SoftSearch::Lsh),
    ("two item modalities or more", |config| config.modalities = vec![ModalityKind::Id, ModalityKind::Query]),
];

fn tensors(kind: ModelKind, config: &ModelConfig) -> StateDict {
    state_dict(&kind.build(config, 100, &Device::flex()).unwrap())
}

fn sizes(shape: &[usize]) -> String {
    let name = |size: &usize| {
        let found = SIZES.iter().find(|(known, _)| known == size);
        found.unwrap_or_else(|| panic!("a size without a name: {size} in {shape:?}")).1
    };
    format!("[{}]", shape.iter().map(name).collect::<Vec<_>>().join(", "))
}

/// Heads and layers are numbered: one line stands for all of them.
fn of_all_heads(name: &str) -> String {
    if let Some(part) = name.strip_prefix("short_term.layers.") {
        return format!("short_term.layers.n.{}", part.split_once('.').map_or(part, |(_, part)| part));
    }
    match name.split_once("_list.") {
        Some((list, rest)) => {
            format!("{list}_list.h.{}", rest.split_once('.').map_or(rest, |(_, rest)| rest))
        }
        None => name.to_owned(),
    }
}

/// Name, shape and presence of each tensor of a model.
fn table(kind: ModelKind) -> String {
    let mut shapes: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
    for soft_search in [SoftSearch::Mhta, SoftSearch::Lsh, SoftSearch::MultiPq] {
        let config = full(soft_search);
        let whole = tensors(kind, &config);
        let without = CONDITIONS.map(|(words, remove)| {
            let mut changed = config.clone();
            remove(&mut changed);
            (words, tensors(kind, &changed))
        });
        for (name, array) in &whole {
            let (last, others) = without.split_last().unwrap();
            let gone =
                |(words, state): &(&'static str, StateDict)| (!state.contains_key(name)).then_some(*words);
            let mut conditions: Vec<&str> = others.iter().filter_map(gone).collect();
            if conditions.is_empty() {
                conditions.extend(gone(last));
            }
            shapes.insert(of_all_heads(name), (sizes(&array.shape), conditions));
        }
    }
    let mut text = String::from("| tensor | shape | present |\n|---|---|---|\n");
    for (name, (shape, conditions)) in shapes {
        let present = if conditions.is_empty() { "always".to_owned() } else { conditions.join(", ") };
        writeln!(text, "| `{name}` | {shape} | {present} |").unwrap();
    }
    text
}

/// The tables, as a trainer exports them.
fn tables() -> String {
    let items: Vec<String> = (0..61).map(|item| item.to_string()).collect();
    let query = |item: usize| if item < 35 { format!("{} {}", 2 * item, 2 * item + 1) } else { "70".into() };
    let mut data = Numbered::from_sequences([&items]).with_queries([(0..61).map(query)]).unwrap();
    data.attribute_items = vec![1];
    data.item_attributes = [(1..=83).collect::<Vec<u32>>()].into_iter().collect();
    let folder = tempfile::tempdir().unwrap();
    Corpus::write(&data, folder.path()).unwrap();
    let corpus = Arc::new(Corpus::open(folder.path()).unwrap());
    let device = Device::flex().autodiff();
    let train = TrainConfig { width: 48, batches: BatchConfig::default(), ..TrainConfig::default() };
    let config = ModelConfig { modalities: full(SoftSearch::Mhta).modalities, ..full(SoftSearch::Mhta) };
    let config = ModelConfig { modalities: vec![ModalityKind::Id, ModalityKind::Query], ..config };
    let export = |attributes: bool| {
        let model = ModelKind::Base.build(&config, 100, &device).unwrap();
        let modalities = Modalities { attributes, ..Modalities::default() };
        let tables = Tables::new(&train, &corpus, modalities).unwrap();
        Trainer::new(model, tables, train.clone(), corpus.clone(), device.clone()).unwrap().export()
    };
    let (with, without) = (export(true), export(false));
    let mut text = String::from("| tensor | shape | present |\n|---|---|---|\n");
    for (name, array) in with.iter().filter(|(name, _)| with.row_names.contains_key(*name)) {
        let present = if without.contains_key(name) { "always" } else { "modality `attribute`" };
        writeln!(text, "| `{name}` | {} | {present} |", sizes(&array.shape)).unwrap();
    }
    assert_eq!(with.row_names.len(), 3);
    text
}

/// The block that follows "In formulas:" in a module's documentation.
fn formulas(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/src").join(file);
    let source = std::fs::read_to_string(&path).unwrap();
    let docs: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let start = docs.iter().position(|line| line.trim() == "In formulas:");
    let start = start.unwrap_or_else(|| panic!("{file} has no formulas")) + 3;
    assert_eq!(docs[start - 1].trim(), "```text", "{file}");
    let lines = docs[start..].iter().take_while(|line| line.trim() != "```");
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    format!("```text\n{}\n```\n", lines.join("\n"))
}

const PREFACE: &str = "# Tensors

What is in a file of weights, by model: name, shape (as PyTorch has it, a layer's weight outputs × inputs) and when it is there; and
what a model computes of it, as far as scores go. Written from the code by `crates/trainer/tests/tensors.rs`, which fails when code and page
differ; the formulas are compared with the models' scores by `crates/trainer/tests/formulas.rs`.

D is the width, H the number of heads, h one of them, P the largest distance with a bias of its own, T and I the widths of text and image embeddings, B the
bits of the hash, G the signatures and R their bits, C the centroids and Q the sub-vectors of the quantiser, M the number of item modalities (all but the query). A layer `name` is `name(x) = name.weight · x + name.bias`,
without the bias where there is none. `[a; b]` puts vectors one after the other.

The formulas are those of the default settings; `Switches` names each departure of the published code.

## Tables

Row n is item, word or attribute n of the corpus; row 0 is padding and zero. In the tables of items and words the row after the
last is EOS, the end of histories in pretraining. A keyword table of a set size (`--keyword-vocab`) has spare rows. Exported files name the rows beside
them: `item_embeddings.names`, `query_keywords_embeddings.names` and `attribute_embeddings.names` are bytes, a JSON list of the names of row 1, row 2 and so on, empty
where the log only numbers them.

";

#[test]
fn the_page_of_tensors_is_that_of_the_code() {
    let mut page = PREFACE.to_owned() + &tables();
    page += "\n## What the models share\n\nEvents and candidates, from the tables to one vector x (of a candidate: t):\n\n";
    for (title, file) in [
        ("", "parts/pair.rs"),
        ("The gate:", "parts/gate.rs"),
        (
            "Or their sum, with the gate `sum`, whose weights are the tensor `modality_sum`, [M]:",
            "parts/sum.rs",
        ),
        ("Fusion:", "parts/fusion.rs"),
        ("The exact search unit:", "parts/attention.rs"),
        ("The hash, where there is one:", "parts/hash.rs"),
        (
            "The short-term tower, where there is one, with the tensors of SASREC below; Q, K and V of head h are rows of \
             `query`, `key` and `value`, and `final_deep_layers.0.weight` is then [D, 4·D]:",
            "parts/short_term.rs",
        ),
        ("The head:", "parts/head.rs"),
    ] {
        if !title.is_empty() {
            write!(page, "\n{title}\n\n").unwrap();
        }
        page += &formulas(file);
    }
    for &kind in ModelKind::ALL {
        let file = match kind {
            ModelKind::Seminar => "seminar/mod.rs".to_owned(),
            other => format!("{}.rs", other.name()),
        };
        write!(page, "\n## {}\n\n{}\n{}", kind.name().to_uppercase(), formulas(&file), table(kind)).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tensors.md");
    if std::env::var_os("SEMINAR_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(page.lines()).position(|(a, b)| a != b);
    assert!(
        there == page,
        "docs/tensors.md differs from line {} on: run this test with SEMINAR_WRITE_DOCS=1",
        differs.map_or(there.lines().count(), |line| line + 1)
    );
}
