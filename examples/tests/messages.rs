//! Provokes the commonest errors, and compares what is said with `docs/troubleshooting.md`.
//!
//! `SEMINAR_WRITE_DOCS=1 cargo test --workspace --test messages` writes the page's section anew.

#[path = "support/program.rs"]
mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use seminar_dataset::SyntheticConfig;
use seminar_dataset::synthetic::write_amazon;
use support::{program, said};

const BEGIN: &str = "<!-- Provoked by examples/tests/messages.rs: begin -->\n";
const END: &str = "<!-- end -->\n";

/// A command that fails, and what to do about it.
struct Case {
    command: &'static str,
    remedy: &'static str,
}

const fn case(command: &'static str, remedy: &'static str) -> Case {
    Case { command, remedy }
}

/// The commonest errors, in the order in which a newcomer meets them.
const CASES: [Case; 26] = [
    case("prepare --source amazon --input nowhere --name Toys --out new", "give the folder of the raw files"),
    case(
        "prepare --source amazon --input raw --name Books --out new",
        "`--name` is the part of the file names that the data set has",
    ),
    case(
        "prepare --source amazon --input raw --name ../Toys --out new",
        "the name alone; `--input` and `--out` say where",
    ),
    case(
        "prepare --source s3rec --input latin1 --name Toys --out new",
        "`--lossy-utf8`, or convert the file",
    ),
    case("prepare --source amazon --input cut --name Toys --out new", "download the file again"),
    case(
        "prepare --source amazon --input few --name Toys --out new",
        "more data: by default a user and an item need five events each",
    ),
    case(
        "prepare --source amazon --input raw --name Toys --out theirs",
        "another `--out`; files of others are never replaced, with `--force` neither",
    ),
    case("prepare --source amazon --input raw --name Toys --out data", "`--force`, or another `--out`"),
    case("prepare --source amazon --input raw --name Toys --out raw --force", "another `--out`"),
    case("embed --data raw", "run `prepare` first"),
    case("embed --data data --images nowhere", "give a folder of images, each named by its item"),
    case("train --data nowhere --model twin --out new", "run `prepare` first"),
    case("train --data data --model gru --out new", "one of the models in the message"),
    case(
        "train --data data --model twin --retrieve-topk 200 --stage1-topk 300 --out new",
        "a smaller `--retrieve-topk`, or a larger `--max-seq-length`",
    ),
    case(
        "train --data data --model twin --modalities id,text --out new",
        "run `embed` first, or leave `text` out",
    ),
    case(
        "train --data data --model seminar --pretrain-weights 0,1,0 --modalities id --out new",
        "another loss, or another modality",
    ),
    case("train --data data --model twin --clip-norm=-1 --out new", "0 switches clipping off"),
    case(
        "train --data data --model twin --epochs 1 --warmup 1000 --out new",
        "a shorter warm-up, or more `--epochs`",
    ),
    case(
        "train --data data --model twin --epochs 1 --learning-rate 1e30 --out diverged",
        "a smaller `--learning-rate`, `--clip-norm`, `--warmup`",
    ),
    case(
        "train --data data --model twin --out run",
        "`--resume` goes on with the run, `--force` replaces it",
    ),
    case(
        "train --data data --model twin --epochs 1 --out run --resume --seed 7",
        "the flags of the first time, or another `--out`",
    ),
    case("train --data damaged --model twin --out new", "copy the folder again, or run `prepare` again"),
    case("evaluate --checkpoint data --data data", "give the `--out` of `train`"),
    case("recommend --model run --items x", "the saved model is a folder in the run's folder"),
    case(
        "recommend --model run/model --data data --user nobody",
        "a name as in the message; users with too few events are not in the corpus",
    ),
    case("recommend --model run/model --items x --out theirs/notes.txt", "`--force`, or another `--out`"),
];

/// The state in which the commands run.
fn prepare(root: &Path) {
    let world =
        SyntheticConfig { users: 60, items: 30, events: 900, review_words: 3.0, ..Default::default() };
    write_amazon(&world, &root.join("raw"), "Toys", &|_| {}).unwrap();
    let raw = fs::read(root.join("raw/Toys_5.json.gz")).unwrap();
    let folder = |name: &str, file: &str, bytes: &[u8]| {
        fs::create_dir_all(root.join(name)).unwrap();
        fs::write(root.join(name).join(file), bytes).unwrap();
    };
    folder("cut", "Toys_5.json.gz", &raw[..raw.len() / 2]);
    folder("latin1", "Toys.txt", b"1 2 3 4\n2 caf\xe9 3\n");
    folder(
        "few",
        "Toys_5.json",
        b"{\"reviewerID\":\"u\",\"asin\":\"i\",\"overall\":5,\"unixReviewTime\":1}\n",
    );
    folder("theirs", "notes.txt", b"mine");
    let done = |command: &str| {
        let output = run(root, command);
        assert_eq!(output.0, Some(0), "{command}: {}", output.1);
    };
    done("prepare --source amazon --input raw --name Toys --out data");
    fs::remove_file(root.join("data/image.emb")).unwrap();
    done("train --data data --model twin --epochs 1 --out run");
    folder("damaged", "corpus.bin", &fs::read(root.join("data/corpus.bin")).unwrap()[..200]);
    folder("damaged", "texts.bin", &fs::read(root.join("data/texts.bin")).unwrap());
}

/// Runs a command in a folder: its exit code, and its last line or what clap says first.
fn run(root: &Path, command: &str) -> (Option<i32>, String) {
    let mut words = command.split(' ');
    let output = program(words.next().unwrap()).args(words).current_dir(root).output().unwrap();
    let text = said(&output);
    let error = text.lines().find(|line| line.starts_with("Error: ") || line.starts_with("error: "));
    (output.status.code(), error.unwrap_or(&text).to_owned())
}

#[test]
fn the_page_shows_what_is_said() {
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    let mut section = String::from("| command | what it says | what to do |\n|---|---|---|\n");
    for Case { command, remedy } in CASES {
        let (code, message) = run(root.path(), command);
        assert!(matches!(code, Some(1 | 2)), "{command}: {code:?}, {message}");
        let message = message.trim_start_matches("Error: ").trim_start_matches("error: ").replace('|', "\\|");
        assert!(!message.contains("panicked"), "{command}: {message}");
        writeln!(section, "| `{command}` | {message} | {remedy} |").unwrap();
    }
    assert!(!root.path().join("new").exists(), "a refused command leaves nothing");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark of the section");
    let (old, after) = rest.split_once(END).expect("the page has the mark of the section's end");
    if std::env::var_os("SEMINAR_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{section}{END}{after}")).unwrap();
    } else {
        assert_eq!(old, section, "the page differs: SEMINAR_WRITE_DOCS=1 writes it anew");
    }
}
