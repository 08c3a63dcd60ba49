//! Weights in and out, under the names of the published code: safetensors both ways, PyTorch's `.pt` in.
//!
//! A layer's weight is stored out × in, as PyTorch has it, and turned on the way. The tables of items and keywords
//! do not belong to a model here: whoever holds them adds or takes them under `item_embeddings.weight` and
//! `query_keywords_embeddings.weight`.

mod files;
mod misfits;
mod names;
mod state;
mod wrappers;

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

pub use files::{Placed, from_safetensors, places, read, to_safetensors, write_safetensors};
pub use misfits::{Misfits, Misshapen};
use names::Place;
pub use state::{Array, StateDict};
pub use wrappers::{Unwrapped, unwrap};

use crate::error::{Error, Result};

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

/// A model with its weights replaced. Also returns the names in `state` that the model has no place for, such as tables.
///
/// Prefixes and wrappers are taken off, see [`unwrap`].
///
/// # Errors
/// If weights of the model are missing, have another shape, or are NaN or infinite: names all of them; `file` names the source
/// in the message.
pub fn load_state_dict<M: Module>(model: M, state: &StateDict, file: &str) -> Result<(M, Vec<String>)> {
    let unwrapped = unwrap(state, &names(&model), file)?;
    let (model, mut misfits) = load_matching(model, &unwrapped.state);
    let unknown = std::mem::take(&mut misfits.unknown);
    match misfits.is_empty() {
        true => Ok((model, unknown)),
        false => Err(Error::Weights { file: file.to_owned(), message: misfits.to_string() }),
    }
}

/// The names of a model's weights.
pub fn names(model: &impl Module) -> BTreeSet<String> {
    #[derive(Default)]
    struct Names {
        path: Place,
        names: BTreeSet<String>,
    }
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, kind: &str) {
            self.path.enter(name, kind);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.names.insert(self.path.name().0);
        }
    }
    let mut names = Names::default();
    model.visit(&mut names);
    names.names
}

/// A model with those weights replaced that `state` holds in the right shape and as finite numbers, and what does not fit. Names
/// are taken as they are.
pub fn load_matching<M: Module>(model: M, state: &StateDict) -> (M, Misfits) {
    struct Load<'a> {
        path: Place,
        state: &'a StateDict,
        met: BTreeSet<String>,
        misfits: Misfits,
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
            let mut expected = current.dims().to_vec();
            if turned {
                expected.swap(0, 1);
            }
            self.met.insert(name.clone());
            let Some(array) = self.state.get(&name) else {
                self.misfits.missing.push(name);
                return param;
            };
            let found = array.true_shape();
            if found != expected {
                self.misfits.misshapen.push(Misshapen { name, found, expected });
                return param;
            }
            let not_finite = array.not_finite();
            if not_finite > 0 {
                self.misfits.not_finite.push((name, not_finite));
                return param;
            }
            // Turned here and not as a view: products with a turned matrix add in another order than those of training.
            let values = match (turned, &array.shape[..]) {
                (true, &[rows, columns]) => transposed(&array.values, rows, columns),
                _ => array.values.clone(),
            };
            let tensor = Tensor::<D>::from_data(TensorData::new(values, current.dims()), &current.device());
            let trained = current.is_require_grad();
            Param::initialized(param.id, tensor.set_require_grad(trained)).set_require_grad(trained)
        }
    }
    let mut load = Load { path: Place::default(), state, met: BTreeSet::new(), misfits: Misfits::default() };
    let model = model.map(&mut load);
    load.misfits.unknown = state.keys().filter(|name| !load.met.contains(*name)).cloned().collect();
    (model, load.misfits)
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
    fn all_that_does_not_fit_is_named_in_one_error() {
        let model = ModelKind::Twin.build(&ModelConfig::default(), 100, &Device::flex()).unwrap();
        let mut state = state_dict(&model);
        assert!(state.contains_key("wQ_list.3.weight") && state.contains_key("final_deep_layers.2.bias"));
        assert!(names(&model).iter().eq(state.keys()));
        state.get_mut("wO.weight").unwrap().shape = vec![256, 64];
        state.remove("wO.bias");
        state.remove("wK_list.2.weight");
        state.get_mut("wV_list.0.bias").unwrap().values[3..5].fill(f32::NAN);
        state.get_mut("final_deep_layers.2.bias").unwrap().values[0] = f32::INFINITY;
        let extra = Array { shape: vec![1], values: vec![0.0] };
        state.insert("extra".into(), extra);
        let error = load_state_dict(model.clone(), &state, "f").unwrap_err().to_string();
        for part in [
            "f: missing: `wK_list.2.weight`, `wO.bias`",
            "`wO.weight` has shape [256, 64] where [64, 256] is expected",
            "`wV_list.0.bias` holds 2 numbers that are NaN or infinite",
            "`final_deep_layers.2.bias` holds 1 number that is NaN or infinite",
        ] {
            assert!(error.contains(part), "`{error}` does not say `{part}`");
        }
        // What fits is taken; the rest stays as it was and is named.
        let (loaded, misfits) = load_matching(model.clone(), &state);
        assert_eq!(misfits.unknown, ["extra"]);
        assert_eq!(misfits.missing.len() + misfits.misshapen.len() + misfits.not_finite.len(), 5);
        assert_eq!(state_dict(&loaded), state_dict(&model));
    }
}
