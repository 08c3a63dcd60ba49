//! A leaderboard of models over prepared data sets: several seeds, sampled negatives and the whole catalogue, with costs.

use std::process::ExitCode;

use clap::Parser;
use seminar_examples::board::Board;
use seminar_examples::program;

/// Trains and ranks models on data sets. A killed run goes on where it stopped.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    board: Board,
}

fn main() -> ExitCode {
    program::run(
        "--data out/corpus --models popularity,sasrec,seminar --seeds 3 --out out/board",
        |args: Args| args.board.run(),
    )
}
