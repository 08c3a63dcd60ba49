//! A run with every switch of the tuned settings on ends with the same bits: killed and resumed, on one thread or several. Alone in its
//! file, as the noise of dropout comes from the device's one stream.

#[path = "support/leave.rs"]
mod leave;
#[path = "support/small.rs"]
#[allow(dead_code, reason = "this test saves nothing")]
mod small;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use leave::Leave;
use seminar_dataset::{BatchConfig, Corpus};
use seminar_models::parts::ShortTermConfig;
use seminar_models::weights::StateDict;
use seminar_models::{AnyConfig, AnyModel, ModalityKind, ModelConfig, ModelKind};
use seminar_trainer::{CheckpointConfig, Decay, Modalities, Observer, Run, Silent, TrainConfig};

fn run(kind: ModelKind) -> Run<AnyConfig> {
    use ModalityKind::*;
    let model = ModelConfig {
        width: 8,
        heads: 2,
        top_k: 4,
        stage_one_top_k: 6,
        hash_bits: 32,
        text_width: small::TEXT,
        modalities: vec![Id, Query, Text, Attribute],
        short_term: Some(ShortTermConfig { events: 6, dropout: 0.2, ..ShortTermConfig::default() }),
        dropout: 0.1,
        id_dropout: 0.5,
        distance_bias: 5,
        time_bias: true,
        distance_rows: 4,
        time_rows: true,
        ..ModelConfig::tuned()
    };
    let batches = BatchConfig {
        batch_size: 8,
        history_length: small::LENGTH,
        shared_negatives: 10,
        compared_targets: 2,
        evaluation_negatives: 12,
        ..BatchConfig::tuned()
    };
    let mut train =
        TrainConfig { width: 8, epochs: 3, patience: 3, validate_every: 0, batches, ..TrainConfig::tuned() };
    train.adam.schedule.decay = Decay::Plateau;
    train.adam.clip_norm = 1.0;
    Run { config: AnyConfig { kind, model }, train, pretrain_epochs: 0, dataset: "small".into() }
}

/// Trains, from the checkpoint in the folder if there is one.
fn weights(run: &Run<AnyConfig>, data: &Path, folder: &Path, observer: &mut dyn Observer) -> StateDict {
    let corpus = Arc::new(Corpus::open(data).unwrap());
    let modalities = Modalities::of_folder(data, &run.config.model.modalities).unwrap();
    let fresh = run.trainer::<AnyModel>(&corpus, modalities, &Device::flex()).unwrap();
    let checkpoints = CheckpointConfig { folder: folder.to_path_buf(), every: 2 };
    let mut trainer = fresh.with_checkpoints(checkpoints);
    trainer.resume().unwrap();
    trainer.fit(observer).unwrap();
    trainer.export()
}

#[test]
fn every_switch_on_killed_and_resumed_on_any_number_of_threads() {
    let data = tempfile::tempdir().unwrap();
    small::write(data.path(), 40, 3);
    for kind in [ModelKind::SasRec, ModelKind::Sdim, ModelKind::Muse, ModelKind::Seminar] {
        let run = run(kind);
        let on = |threads: usize, left: Option<u64>| {
            let folder = tempfile::tempdir().unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                if let Some(left) = left {
                    let killed = || weights(&run, data.path(), folder.path(), &mut Leave(left));
                    assert!(
                        catch_unwind(AssertUnwindSafe(killed)).is_err(),
                        "there are more than {left} steps"
                    );
                }
                weights(&run, data.path(), folder.path(), &mut Silent)
            })
        };
        let whole = on(1, None);
        assert!(on(3, None) == whole, "{kind:?} on three threads");
        for left in [0, 1, 3, 6, 11] {
            assert!(on(1 + left as usize % 2, Some(left)) == whole, "{kind:?} killed after {left} steps");
        }
    }
}
