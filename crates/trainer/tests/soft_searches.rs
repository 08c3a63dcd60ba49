//! SEMINAR's three searches, pretrained, trained and evaluated through the trainer.

mod support;

use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Split};
use seminar_models::{ModalityKind, ModelConfig, ModelKind, SoftSearch};
use seminar_trainer::{AdamConfig, Modalities, Silent, Tables, TrainConfig, Trainer};
use support::corpus;

#[test]
fn every_soft_search_learns() {
    let (_folder, corpus) = corpus();
    for soft_search in [SoftSearch::Mhta, SoftSearch::Lsh, SoftSearch::MultiPq] {
        let device = Device::flex().autodiff();
        let batches = BatchConfig {
            batch_size: 32,
            history_length: 12,
            targets_per_user: 8,
            evaluation_negatives: 30,
            ..BatchConfig::default()
        };
        let config = TrainConfig {
            width: 16,
            epochs: 6,
            adam: AdamConfig { learning_rate: 5e-3, ..AdamConfig::default() },
            batches: batches.clone(),
            ..TrainConfig::default()
        };
        let model = ModelConfig {
            width: 16,
            top_k: 4,
            sub_vectors: 4,
            centroids: 12,
            hash_bits: 64,
            modalities: vec![ModalityKind::Id, ModalityKind::Query, ModalityKind::Attribute],
            soft_search,
            ..ModelConfig::default()
        };
        let model = ModelKind::Seminar.build(&model, 12, &device).unwrap();
        let tables =
            Tables::new(&config, &corpus, Modalities { attributes: true, ..Modalities::default() }).unwrap();
        let mut trainer = Trainer::new(model, tables, config, corpus.clone(), device).unwrap();
        let before = trainer.evaluate(Split::Test, &batches).unwrap().metrics["MRR"];
        let pretraining = trainer.pretrain(2, &mut Silent).unwrap().losses;
        let training = trainer.fit(&mut Silent).unwrap().losses;
        let after = trainer.evaluate(Split::Test, &batches).unwrap().metrics["MRR"];
        assert!(pretraining[1] < pretraining[0], "{soft_search:?}: {pretraining:?}");
        assert!(training[5] < 0.7 * training[0], "{soft_search:?}: {training:?}");
        // By chance, the place among 31 gives 0.13.
        assert!(after > 0.45 && after > before + 0.1, "{soft_search:?}: {before} to {after}");
    }
}
