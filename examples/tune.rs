//! A search for good flags of a model on a data set, by validation alone.

use std::process::ExitCode;

use clap::Parser;
use seminar_examples::program;
use seminar_examples::tune::Tune;

/// Searches for good flags. A killed search goes on where it stopped.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    tune: Tune,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    program::run("--data out/corpus --model sasrec --trials 9 --out out/tune", move |args: Args| {
        args.tune.run(&arguments)
    })
}
