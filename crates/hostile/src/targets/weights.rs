//! Weights and vectors from elsewhere: PyTorch archives, TorchScript, safetensors.

use std::path::Path;

use seminar_clip_encoder::Weights;
use seminar_dataset::import_pth;
use seminar_models::weights::{self, Array, StateDict};

use super::{Loader, Target, choice, chosen, read};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "pth_vectors", records: 1, seeds: vector_files, loader: vectors },
    Target { name: "model_weights", records: 1, seeds: weight_files, loader: model_weights },
    Target { name: "clip_weights", records: 1, seeds: clip_files, loader: clip_weights },
];

fn vector_files() -> anyhow::Result<Vec<Vec<u8>>> {
    Ok(vec![read("tiny/title_emb.pth")?, read("tiny/evil.pth")?])
}

fn vectors(folder: &Path) -> anyhow::Result<Loader> {
    let path = folder.join("title_emb.pth");
    Ok(Box::new(move |bytes| {
        std::fs::write(&path, bytes)?;
        Ok(import_pth(&path, 5, |key| key.parse().ok().filter(|&id: &u32| id <= 5)).is_ok())
    }))
}

const ENDINGS: [&str; 2] = ["pt", "safetensors"];

fn weight_files() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut state = StateDict::new();
    state.insert("a.weight".into(), Array { shape: vec![2, 3], values: vec![0.5; 6] });
    state.insert("b.bias".into(), Array { shape: vec![4], values: vec![1.0; 4] });
    Ok(vec![
        chosen(0, &read("tiny/twin_state_dict.pt")?),
        chosen(0, &read("tiny/title_emb.pth")?),
        chosen(0, &read("tiny/evil.pth")?),
        chosen(1, &weights::to_safetensors(&state)?),
    ])
}

/// The same, and one with names of CLIP.
fn clip_files() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut state = StateDict::new();
    state.insert("visual.proj".into(), Array { shape: vec![2, 3], values: vec![0.5; 6] });
    state.insert("logit_scale".into(), Array { shape: vec![1], values: vec![1.0] });
    let mut files = weight_files()?;
    files.push(chosen(1, &weights::to_safetensors(&state)?));
    Ok(files)
}

fn model_weights(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    Ok(Box::new(move |input| {
        let (which, bytes) = choice(input);
        let path = folder.join("weights").with_extension(ENDINGS[which as usize % 2]);
        std::fs::write(&path, bytes)?;
        Ok(weights::read(&path).is_ok())
    }))
}

fn clip_weights(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    Ok(Box::new(move |input| {
        let (which, bytes) = choice(input);
        let path = folder.join("clip").with_extension(ENDINGS[which as usize % 2]);
        std::fs::write(&path, bytes)?;
        Ok(Weights::read(&path).is_ok())
    }))
}
