//! A PyTorch state dict under the published names: value i of its n-th tensor is n + i / 100.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use seminar_models::weights::{load_state_dict, read, state_dict};
use seminar_models::{ModalityKind, ModelConfig, ModelKind};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/tiny").join(name)
}

#[test]
fn a_pytorch_state_dict_fills_the_model() {
    let config = ModelConfig {
        width: 4,
        heads: 2,
        top_k: 2,
        modalities: vec![ModalityKind::Id, ModalityKind::Query],
        ..ModelConfig::default()
    };
    let model = ModelKind::Twin.build(&config, 5, &Device::flex()).unwrap();
    let file = data("twin_state_dict.pt");
    let state = read(&file).unwrap();
    let (model, unused) = load_state_dict(model, &state, "twin_state_dict.pt").unwrap();
    // The trainer takes the tables.
    assert_eq!(unused, ["item_embeddings.weight"]);
    let loaded = state_dict(&model);
    let expected =
        |number: f32, count: usize| (0..count).map(|i| number + i as f32 / 100.0).collect::<Vec<_>>();
    assert_eq!(loaded["wQ_list.0.weight"].values, expected(0.0, 16));
    assert_eq!(loaded["wV_list.1.bias"].values, expected(11.0, 4));
    assert_eq!(loaded["wO.weight"].values, expected(12.0, 32));
    assert_eq!(loaded["wO.weight"].shape, [4, 8]);
    assert_eq!(loaded["final_deep_layers.2.bias"].values, expected(17.0, 1));
    assert_eq!(state["item_embeddings.weight"].shape, [3, 4]);
}

#[test]
fn damaged_state_dicts_are_errors_and_run_no_code() {
    assert!(read(&data("evil.pth")).is_err());
    let whole = std::fs::read(data("twin_state_dict.pt")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pt");
    for length in (0..whole.len()).step_by(11) {
        std::fs::write(&cut, &whole[..length]).unwrap();
        assert!(read(&cut).is_err(), "cut to {length} bytes");
    }
}
