//! Renders the results page and the README's tables from what was measured; with `--measure`, measures a section first.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use seminar_examples::results::measure::Runner;
use seminar_examples::results::{measure, write_pages};
use seminar_examples::{program, say};

/// Renders docs/results.md and the tables of README.md from docs/results.
#[derive(Parser)]
struct Args {
    /// Section to measure first: the name of a file in docs/results.
    #[arg(long)]
    measure: Option<String>,
    /// Row to measure, by its first cell; repeat it for more. All rows by default.
    #[arg(long, requires = "measure")]
    row: Vec<String>,
    /// New or empty folder to measure in, which is kept. By default a temporary one.
    #[arg(long, requires = "measure")]
    work: Option<PathBuf>,
    /// Measure the programs beside this one as they are. By default each is built as its command says.
    #[arg(long, requires = "measure")]
    no_build: bool,
    /// Root of the repository whose pages and figures are meant. By default the one that this program was built from.
    #[arg(long)]
    root: Option<PathBuf>,
}

fn main() -> ExitCode {
    program::run("--measure quickstart", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let root = args.root.as_deref().unwrap_or(own);
    if let Some(name) = &args.measure {
        let temporary = tempfile::tempdir()?;
        let folder = args.work.as_deref().unwrap_or(temporary.path());
        measure(root, name, &args.row, &mut Runner::new(root, folder, !args.no_build)?)?;
    }
    let written = write_pages(root)?;
    for path in &written {
        say!("written: {}", path.strip_prefix(root).unwrap_or(path).display());
    }
    if written.is_empty() {
        say!("the pages are up to date");
    }
    Ok(())
}
