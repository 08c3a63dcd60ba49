//! Weights in and out, under the names of the published code: safetensors both ways, PyTorch's `.pt` in.
//!
//! A layer's weight is stored out × in, as PyTorch has it, and turned on the way. The tables of items and keywords
//! do not belong to a model here: whoever holds them adds or takes them under `item_embeddings.weight` and
//! `query_keywords_embeddings.weight`.

mod files;
mod names;

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

pub use files::{Placed, from_safetensors, places, read, to_safetensors, write_safetensors};
use names::Place;

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
            // Turned here and not as a view: products with a turned matrix add in another order than those of training.
            let values = match (turned, &array.shape[..]) {
                (true, &[rows, columns]) => transposed(&array.values, rows, columns),
                _ => array.values.clone(),
            };
            let tensor = Tensor::<D>::from_data(TensorData::new(values, current.dims()), &current.device());
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

/// `[rows, columns]` to `[columns, rows]`.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
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
