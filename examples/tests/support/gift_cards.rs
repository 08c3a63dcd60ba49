/// The state in which the blocks of docs/recommend.md start: in a temporary folder, which becomes the working directory, the bundled
/// reviews as the corpus `out/cards`, and a small TWIN, trained on it and saved as `out/twin/model`.
fn gift_cards() -> Result<tempfile::TempDir, Box<dyn std::error::Error>> {
    use std::path::Path;

    use seminar_dataset::{AmazonReviews, BatchConfig, Corpus, PrepareConfig};
    use seminar_models::{AnyConfig, AnyModel, ModelConfig, ModelKind};
    use seminar_trainer::{Modalities, Run, Silent, TrainConfig};

    let folder = tempfile::tempdir()?;
    std::env::set_current_dir(folder.path())?;
    let raw = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/gift_cards"));
    let prepared = PrepareConfig::amazon().prepare(&AmazonReviews::locate(raw, "Gift_Cards")?)?;
    std::fs::create_dir_all("out/cards")?;
    Corpus::write(&prepared.data, Path::new("out/cards"))?;
    let corpus = std::sync::Arc::new(Corpus::open(Path::new("out/cards"))?);

    let batches = BatchConfig { batch_size: 64, history_length: 20, ..Default::default() };
    let model = ModelConfig { width: 16, heads: 2, top_k: 5, ..Default::default() };
    let run = Run {
        config: AnyConfig { kind: ModelKind::Twin, model },
        train: TrainConfig { width: 16, epochs: 2, batches, ..Default::default() },
        pretrain_epochs: 0,
        dataset: "cards".into(),
    };
    let trainer = run.trainer::<AnyModel>(&corpus, Modalities::default(), &burn::tensor::Device::flex())?;
    let mut trainer = run.train(trainer, None, &mut Silent)?;
    trainer.save_bundle(Path::new("out/twin/model"), &run.about(&Default::default()))?;
    Ok(folder)
}
