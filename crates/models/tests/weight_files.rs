//! A PyTorch state dict under the published names: value i of its n-th tensor is n + i / 100.

use std::fs::File;
use std::io::{Read, Write};
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

/// A text as a pickle holds it.
fn pickled(text: &str) -> Vec<u8> {
    [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// The sample with another pickle: names with a prefix, in dictionaries under some keys, beside an epoch's number.
fn wrapped(to: &Path, names: &[String], prefix: &str, keys: &[&str]) {
    let mut from = zip::ZipArchive::new(File::open(data("twin_state_dict.pt")).unwrap()).unwrap();
    let mut out = zip::ZipWriter::new(File::create(to).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for at in 0..from.len() {
        let mut entry = from.by_index(at).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name.ends_with("data.pkl") {
            for own in names {
                let (from, to) = (pickled(own), pickled(&format!("{prefix}{own}")));
                let start =
                    bytes.windows(from.len()).position(|part| part == from).expect("the name is there");
                bytes.splice(start..start + from.len(), to);
            }
            // Between the protocol and the stop lies the value.
            let mut value = bytes[2..bytes.len() - 1].to_vec();
            for key in keys {
                let epoch = [pickled("epoch"), b"K\x05s".to_vec()].concat();
                value = [b"}".to_vec(), pickled(key), value, b"s".to_vec(), epoch].concat();
            }
            bytes = [b"\x80\x02".to_vec(), value, b".".to_vec()].concat();
        }
        out.start_file(name, stored).unwrap();
        out.write_all(&bytes).unwrap();
    }
    out.finish().unwrap();
}

#[test]
fn wrapped_state_dicts_fill_the_model_too() {
    let config = ModelConfig { width: 4, heads: 2, top_k: 2, ..ModelConfig::default() };
    let model = ModelKind::Twin.build(&config, 5, &Device::flex()).unwrap();
    let whole = read(&data("twin_state_dict.pt")).unwrap();
    let (plain, _) = load_state_dict(model.clone(), &whole, "plain").unwrap();
    let names: Vec<String> = whole.keys().cloned().collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapped.pt");
    let wrappers: [(&str, &[&str]); 9] = [
        ("module.", &[]),
        ("model.", &[]),
        ("_orig_mod.", &[]),
        ("_orig_mod.module.", &[]),
        ("", &["state_dict"]),
        ("", &["model_state_dict"]),
        ("", &["model"]),
        ("module.", &["model_state_dict"]),
        ("model.", &["state_dict", "checkpoint"]),
    ];
    for (prefix, keys) in wrappers {
        wrapped(&path, &names, prefix, keys);
        let state = read(&path).unwrap();
        let (loaded, unknown) = load_state_dict(model.clone(), &state, "f").unwrap();
        assert_eq!(state_dict(&loaded), state_dict(&plain), "{prefix} {keys:?}");
        assert_eq!(unknown, ["item_embeddings.weight"]);
    }
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
