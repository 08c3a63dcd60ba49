//! Millions of mutants through every loader, or one.

use std::path::PathBuf;

use clap::Parser;
use seminar_hostile::{campaign, targets};

/// Runs mutants and says what came of them.
#[derive(Parser)]
struct Args {
    /// Inputs of each loader.
    #[arg(long, default_value_t = 10_000_000)]
    inputs: u64,
    /// Only this loader.
    #[arg(long)]
    target: Option<String>,
    /// Seed of the mutations.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Try one input from a file instead, and let a panic show itself.
    #[arg(long, requires = "target")]
    replay: Option<PathBuf>,
    /// Folder for inputs at which something went wrong.
    #[arg(long, default_value = "findings")]
    findings: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let wanted = |name: &str| args.target.as_deref().is_none_or(|target| target == name);
    let targets: Vec<_> = targets::all().into_iter().filter(|target| wanted(target.name)).collect();
    anyhow::ensure!(!targets.is_empty(), "no loader of this name");
    if let Some(path) = &args.replay {
        let folder = tempfile::tempdir()?;
        let accepted = (targets[0].loader)(folder.path())?(&std::fs::read(path)?)?;
        println!("{}", if accepted { "accepted" } else { "refused" });
        return Ok(());
    }
    // A panic is a finding, counted below; its backtrace would fill the screen.
    std::panic::set_hook(Box::new(|_| {}));
    println!(
        "{:<16} {:>11} {:>10} {:>10} {:>8} {:>10} {:>10} {:>7} {:>7} {:>6}",
        "loader",
        "inputs",
        "files",
        "accepted",
        "seconds",
        "MB beyond",
        "slowest ms",
        "panics",
        "hoards",
        "hangs"
    );
    let mut sound = true;
    for target in targets {
        let outcome = campaign::run(&target, args.inputs, args.seed)?;
        println!(
            "{:<16} {:>11} {:>10} {:>10} {:>8.0} {:>10.1} {:>10.1} {:>7} {:>7} {:>6}",
            target.name,
            outcome.inputs,
            outcome.files,
            outcome.accepted,
            outcome.seconds,
            outcome.largest as f64 / 1e6,
            outcome.slowest.as_secs_f64() * 1e3,
            outcome.panics.len(),
            outcome.hoards.len(),
            outcome.hangs.len(),
        );
        sound &= outcome.sound();
        let kinds = [("panic", &outcome.panics), ("hoard", &outcome.hoards), ("hang", &outcome.hangs)];
        for (kind, inputs) in kinds {
            for (number, input) in inputs.iter().take(20).enumerate() {
                std::fs::create_dir_all(&args.findings)?;
                std::fs::write(args.findings.join(format!("{}-{kind}-{number}", target.name)), input)?;
            }
        }
    }
    anyhow::ensure!(sound, "some loader failed: its inputs are in {}", args.findings.display());
    Ok(())
}
