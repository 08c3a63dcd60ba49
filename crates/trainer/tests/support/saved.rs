/// A small TWIN, trained on a shelf of forty items and saved as `out/twin/model` in a folder.
#[allow(dead_code, reason = "included by several tests and doc tests")]
fn saved_twin(folder: &std::path::Path) -> Result<std::path::PathBuf, Box<dyn std::error::Error>> {
    use seminar_dataset::{BatchConfig, Corpus, Numbered};
    use seminar_models::{AnyConfig, AnyModel, ModelConfig, ModelKind};
    use seminar_trainer::{Modalities, Run, Silent, TrainConfig};

    // Sixty people walk along the shelf, each from another place.
    let mut names: Vec<String> = (0..40).map(|item| format!("B{item:09}")).collect();
    (names[3], names[4]) = ("B000YFSR5G".into(), "B0018CPRHA".into());
    let titles: Vec<(String, String)> =
        names.iter().enumerate().map(|(item, name)| (name.clone(), format!("Title {item}"))).collect();
    let users: Vec<Vec<String>> =
        (0..60).map(|user| (0..9).map(|step| names[(user + step) % 40].clone()).collect()).collect();
    let data = Numbered::from_sequences(&users).with_titles(titles)?;
    Corpus::write(&data, folder)?;
    let corpus = std::sync::Arc::new(Corpus::open(folder)?);

    let batches = BatchConfig { batch_size: 16, history_length: 8, ..Default::default() };
    let model = ModelConfig { width: 16, heads: 2, top_k: 4, ..Default::default() };
    let run = Run {
        config: AnyConfig { kind: ModelKind::Twin, model },
        train: TrainConfig { width: 16, epochs: 2, batches, ..Default::default() },
        pretrain_epochs: 0,
        dataset: "shelf".into(),
    };
    let trainer = run.trainer::<AnyModel>(&corpus, Modalities::default(), &burn::tensor::Device::flex())?;
    let mut trainer = run.train(trainer, None, &mut Silent)?;
    let path = folder.join("out/twin/model");
    trainer.save_bundle(&path, &run.about(&Default::default()))?;
    Ok(path)
}
