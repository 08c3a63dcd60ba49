//! The publication's table on Amazon Movies and TV: popularity, SIM, ETA, QIN, TWIN and SEMINAR from raw reviews to a report.

use std::process::ExitCode;

use seminar_examples::experiment::{Preset, Source, published, run};

fn main() -> ExitCode {
    run(&Preset {
        example: "--data data/raw --name Movies_and_TV --out out/amazon",
        title: "Amazon Movies and TV",
        source: Source::Amazon,
        defaults: &[
            ("name", "Movies_and_TV"),
            ("max_seq_length", "100"),
            ("retrieve_topk", "50"),
            ("stage1_topk", "80"),
            ("keyword_vocab", "3000000"),
            ("pretrain_weights", "1,0.1,1"),
        ],
        epochs: |_| 1,
        published: &published::AMAZON,
    })
}
