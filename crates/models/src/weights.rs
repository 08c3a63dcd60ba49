//! Weights in and out, under the names of the published code: safetensors both ways, PyTorch's `.pt` in.
//!
//! A layer's weight is stored out × in, as PyTorch has it, and turned on the way. The tables of items and keywords
//! do not belong to a model here: whoever holds them adds or takes them under `item_embeddings.weight` and
//! `query_keywords_embeddings.weight`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use half::{bf16, f16};
use pytorch_reader::PytorchReader;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

use crate::error::{Error, Result};

/// Tensors by their published names.
pub type StateDict = BTreeMap<String, Array>;

/// A tensor in memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

/// Our path to a part, and the published name of the same part.
const NAMES: [(&str, &str); 17] = [
    ("pair.text.", "text_emb_proj."),
    ("pair.image.", "image_emb_proj."),
    ("pair.gate.channel", "multi_modal_fusion_channel_emb"),
    ("pair.gate.gating.", "multi_modal_fusion_gating_projection."),
    ("pair.fusion.gate.", "pair_fusion_gate."),
    ("attention.query.", "wQ_list."),
    ("attention.key.", "wK_list."),
    ("attention.value.", "wV_list."),
    ("attention.output.", "wO."),
    ("search_query.", "wQ."),
    ("search_key.", "wK."),
    ("search_head.hidden.", "gsu_deep_layers.0."),
    ("search_head.output.", "gsu_deep_layers.2."),
    ("head.hidden.", "final_deep_layers.0."),
    ("head.output.", "final_deep_layers.2."),
    ("hash.projection.", "hash_proj_matrix."),
    ("codebooks.centroids", "codebook_emb"),
];

/// Names within SEMINAR's projections.
const PROJECTIONS: [(&str, &str); 5] = [
    ("id.", "item_id."),
    ("query.", "query."),
    ("text.", "item_text."),
    ("image.", "item_img."),
    ("attribute.", "item_attribute."),
];

/// The published name of a parameter path such as `attention.query.0.weight`.
fn published_name(path: &str) -> String {
    let renamed = |path: &str, names: &[(&str, &str)]| {
        let found = names.iter().find_map(|(ours, theirs)| Some((path.strip_prefix(ours)?, theirs)));
        found.map_or_else(|| path.to_owned(), |(rest, theirs)| format!("{theirs}{rest}"))
    };
    match path.strip_prefix("projection.") {
        Some(rest) => format!("G_{}", renamed(rest, &PROJECTIONS)),
        None => renamed(path, &NAMES),
    }
}

/// Where a traversal stands.
#[derive(Default)]
struct Place {
    names: Vec<String>,
    kinds: Vec<String>,
}

impl Place {
    fn enter(&mut self, name: &str, kind: &str) {
        self.names.push(name.to_owned());
        self.kinds.push(kind.to_owned());
    }

    fn exit(&mut self) {
        self.names.pop();
        self.kinds.pop();
    }

    /// The published name, and whether the tensor is a layer's weight, which is stored turned.
    fn name(&self) -> (String, bool) {
        // The variant of an enum of models is no part of a published name.
        let skip = self.kinds.iter().position(|kind| kind.starts_with("Enum:")).map_or(0, |_| 1);
        let names = &self.names[skip.min(self.names.len())..];
        let turned = self.kinds.last().is_some_and(|kind| kind == "Struct:Linear")
            && names.last().is_some_and(|name| name == "weight");
        (published_name(&names.join(".")), turned)
    }
}

/// All weights of a model.
pub fn state_dict(model: &impl Module) -> StateDict {
    #[derive(Default)]
    struct Collect {
        path: Place,
        state: StateDict,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, kind: &str) {
            self.path.enter(name, kind);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let (name, turned) = self.path.name();
            let tensor = if turned { param.val().swap_dims(0, 1) } else { param.val() };
            let shape = tensor.dims().to_vec();
            let values = tensor.into_data_as::<f32>().try_into_vec().expect("the data was converted to f32");
            self.state.insert(name, Array { shape, values });
        }
    }
    let mut collect = Collect::default();
    model.visit(&mut collect);
    collect.state
}

/// A model with its weights replaced. Also returns the names in `state` that the model has no place for.
///
/// # Errors
/// If a weight of the model is missing or has another shape; `file` names the source in the message.
pub fn load_state_dict<M: Module>(model: M, state: &StateDict, file: &str) -> Result<(M, Vec<String>)> {
    struct Load<'a> {
        path: Place,
        state: &'a StateDict,
        used: Vec<String>,
        problem: Option<String>,
    }
    impl ModuleMapper for Load<'_> {
        fn enter_module(&mut self, name: &str, kind: &str) {
            self.path.enter(name, kind);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (name, turned) = self.path.name();
            let current = param.val();
            let mut shape = current.dims();
            if turned {
                shape.swap(0, 1);
            }
            let Some(array) = self.state.get(&name) else {
                self.problem.get_or_insert(format!("`{name}` is missing"));
                return param;
            };
            if array.shape != shape {
                let message = format!("`{name}` has shape {:?}, the model {shape:?}", array.shape);
                self.problem.get_or_insert(message);
                return param;
            }
            let data = TensorData::new(array.values.clone(), array.shape.clone());
            let mut tensor = Tensor::<D>::from_data(data, &current.device());
            if turned {
                tensor = tensor.swap_dims(0, 1);
            }
            self.used.push(name);
            let trained = current.is_require_grad();
            Param::initialized(param.id, tensor.set_require_grad(trained)).set_require_grad(trained)
        }
    }
    let mut load = Load { path: Place::default(), state, used: Vec::new(), problem: None };
    let model = model.map(&mut load);
    if let Some(message) = load.problem {
        return Err(Error::Weights { file: file.to_owned(), message });
    }
    let unused = state.keys().filter(|name| !load.used.contains(name)).cloned().collect();
    Ok((model, unused))
}

/// The bytes of a safetensors file.
///
/// # Errors
/// If the tensors cannot be described by the format.
pub fn to_safetensors(state: &StateDict) -> Result<Vec<u8>> {
    let bytes: Vec<(&String, Vec<u8>)> = state
        .iter()
        .map(|(name, array)| (name, array.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let fail = |e: safetensors::SafeTensorError| Error::Weights {
        file: "safetensors".into(),
        message: e.to_string(),
    };
    let views = bytes.iter().zip(state.values()).map(|((name, bytes), array)| {
        TensorView::new(Dtype::F32, array.shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(fail)?;
    serialize(views, None).map_err(fail)
}

/// The floating-point tensors of a safetensors file.
///
/// # Errors
/// If the bytes are damaged.
pub fn from_safetensors(bytes: &[u8], file: &str) -> Result<StateDict> {
    let fail = |message: String| Error::Weights { file: file.to_owned(), message };
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
    let floats = tensors.iter().filter_map(|(name, view)| {
        let values = floats(&format!("{:?}", view.dtype()), view.data())?;
        Some((name.to_owned(), Array { shape: view.shape().to_vec(), values }))
    });
    Ok(floats.collect())
}

/// Reads a `.safetensors` file, or a `.pt` / `.pth` state dict of PyTorch, of which no code runs.
///
/// # Errors
/// If the file cannot be read or is damaged.
pub fn read(path: &Path) -> Result<StateDict> {
    let file = path.display().to_string();
    let fail = |message: String| Error::Weights { file: file.clone(), message };
    if path.extension().is_some_and(|ending| ending == "safetensors") {
        let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
        return from_safetensors(&bytes, &file);
    }
    let mut left = allowance(path).map_err(fail)?;
    let reader = PytorchReader::new(path).map_err(|e| fail(e.to_string()))?;
    let mut state = StateDict::new();
    for (name, tensor) in reader.tensors() {
        // A tensor may repeat its numbers, and many share them: what they are in all is still bounded by the file.
        left = left
            .checked_sub(tensor.byte_len() as u64)
            .ok_or_else(|| fail(format!("the tensors up to `{name}` hold more than the file")))?;
        let bytes = tensor.read().map_err(|e| fail(format!("`{name}`: {e}")))?;
        if let Some(values) = floats(&format!("{:?}", tensor.dtype()), &bytes) {
            state.insert(name.clone(), Array { shape: tensor.shape().to_vec(), values });
        }
    }
    if state.is_empty() {
        return Err(fail("the file holds no tensor".into()));
    }
    Ok(state)
}

/// What an archive may unpack to beyond its own length: PyTorch stores entries as they are, so only a bomb has more.
const MOST_BEYOND: u64 = 1 << 24;

/// Bytes that the tensors of a file may have in all; refuses an archive whose entries have more.
fn allowance(path: &Path) -> std::result::Result<u64, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let most = file.metadata().map_err(|e| e.to_string())?.len() + MOST_BEYOND;
    // Files of PyTorch before 1.6 are no archives: nothing in them is compressed.
    if let Ok(mut archive) = zip::ZipArchive::new(BufReader::new(file)) {
        let sizes = (0..archive.len()).map(|at| archive.by_index_raw(at).map_or(0, |entry| entry.size()));
        let unpacked = sizes.fold(0u64, u64::saturating_add);
        if unpacked > most {
            return Err(format!("the archive unpacks to {unpacked} bytes, more than {most}"));
        }
    }
    Ok(most)
}

/// Numbers of a type that both formats name alike; `None` for integers.
fn floats(dtype: &str, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        "F32" => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        "F64" => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        "F16" => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        "BF16" => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelConfig, ModelKind};
    use burn::tensor::Device;

    #[test]
    fn every_model_round_trips_through_safetensors() {
        let device = Device::flex();
        let config = |seed| ModelConfig {
            width: 8,
            seed,
            modalities: vec![
                crate::ModalityKind::Id,
                crate::ModalityKind::Query,
                crate::ModalityKind::Text,
                crate::ModalityKind::Attribute,
            ],
            sub_vectors: 4,
            soft_search: crate::SoftSearch::MultiPq,
            ..ModelConfig::default()
        };
        for &kind in ModelKind::ALL {
            let [one, two] = [1, 2].map(|seed| kind.build(&config(seed), 100, &device).unwrap());
            let state = state_dict(&one);
            assert_ne!(state, state_dict(&two), "{kind:?}");
            let read = from_safetensors(&to_safetensors(&state).unwrap(), "memory").unwrap();
            let (two, unused) = load_state_dict(two, &read, "memory").unwrap();
            assert!(unused.is_empty());
            assert_eq!(state_dict(&two), state, "{kind:?}");
        }
    }

    #[test]
    fn missing_and_misshapen_weights_are_named() {
        let model = ModelKind::Twin.build(&ModelConfig::default(), 100, &Device::flex()).unwrap();
        let mut state = state_dict(&model);
        assert!(state.contains_key("wQ_list.3.weight") && state.contains_key("final_deep_layers.2.bias"));
        state.get_mut("wO.weight").unwrap().shape = vec![256, 64];
        let error = load_state_dict(model.clone(), &state, "f").unwrap_err().to_string();
        assert!(error.contains("`wO.weight`") && error.contains("[64, 256]"), "{error}");
        state.remove("wO.bias");
        assert!(load_state_dict(model, &state, "f").is_err());
    }
}
