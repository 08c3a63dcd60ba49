//! The publication's table on KuaiSAR: histories of 1,000 events with logged searches, from the csv files to a report.

use std::process::ExitCode;

use seminar_examples::experiment::{Preset, Source, published, run};
use seminar_models::ModelKind;

fn main() -> ExitCode {
    run(&Preset {
        example: "--data data/kuaisar --out out/kuaisar",
        title: "KuaiSAR",
        source: Source::KuaiSar,
        defaults: &[
            ("name", "KuaiSAR"),
            ("max_seq_length", "1000"),
            ("retrieve_topk", "200"),
            ("stage1_topk", "500"),
            ("keyword_vocab", "3000000"),
            ("modalities", "id,query"),
        ],
        // The published scripts train SIM three times as long as the others.
        epochs: |kind| if kind == ModelKind::Sim { 3 } else { 1 },
        published: &published::KUAISAR,
    })
}
