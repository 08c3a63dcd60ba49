//! A corpus as tables that other programs read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use seminar_dataset::{Corpus, ExportForm, WholeFolder, export};
use seminar_examples::args::one_of;
use seminar_examples::{machine, program, say};
use strum::VariantArray;

/// Writes a corpus as tables: events, items, sequences, splits and negatives.
#[derive(Parser)]
struct Args {
    /// Corpus folder, as `prepare` writes it.
    #[arg(long)]
    data: PathBuf,
    /// Form of the tables.
    #[arg(long, value_parser = one_of(ExportForm::VARIANTS))]
    format: ExportForm,
    /// Name of the data set, a part of the names of files. By default that of the corpus.
    #[arg(long)]
    name: Option<String>,
    /// Replace the output folder if an earlier `export` wrote it and it holds nothing else.
    #[arg(long)]
    force: bool,
    /// Output folder.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    program::run("--data out/corpus --format csv --out out/tables", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    machine::start(None)?;
    let inputs = [args.data.as_path()];
    let out = WholeFolder { path: &args.out, writer: "export", replace: args.force, inputs: &inputs };
    out.check()?;
    let corpus = Corpus::open(&args.data)?;
    let name = match args.name {
        Some(name) => name,
        None => name_of(&args.data).unwrap_or_else(|| "data".to_owned()),
    };
    export(&corpus, &out, &name, args.format)?;
    let (events, users, items) = (corpus.event_count(), corpus.user_count(), corpus.item_count());
    say!("{events} events of {users} users over {items} items in {}", args.out.display());
    let out = args.out.display();
    match args.format {
        ExportForm::S3rec => {
            say!("read back by: prepare --source s3rec --input {out} --name {name} --out CORPUS")
        }
        _ => say!("read back by: prepare --preset {out}/preset.toml --input {out} --out CORPUS"),
    }
    Ok(())
}

/// The name that `prepare` gave to a corpus.
fn name_of(folder: &Path) -> Option<String> {
    let stats = std::fs::read_to_string(folder.join("stats.json")).ok()?;
    let stats: serde_json::Value = serde_json::from_str(&stats).ok()?;
    stats["name"].as_str().map(str::to_owned)
}
