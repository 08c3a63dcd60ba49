//! A golden file: inputs, weights and what the published code made of them.

use std::path::PathBuf;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use safetensors::SafeTensors;
use seminar_models::weights::{Array, StateDict, from_safetensors, load_state_dict, state_dict};
use seminar_models::{
    Events, Modality, ModalityKind, ModelConfig, ModelKind, PretrainBatch, SequenceModel, Switches,
    UniqueEvents, integers,
};

/// Where the golden files are: the folder in `SEMINAR_GOLDEN_DIR`, else the copy in the repository.
pub fn folder() -> PathBuf {
    std::env::var_os("SEMINAR_GOLDEN_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden/models")),
        PathBuf::from,
    )
}

/// Pure Rust on the CPU; LibTorch where the tests are built with it.
#[allow(deprecated, reason = "burn steers new users to its own kernels; LibTorch is for those who have it")]
fn device() -> Device {
    #[cfg(feature = "tch")]
    return Device::libtorch();
    #[cfg(not(feature = "tch"))]
    Device::flex()
}

pub struct Golden {
    pub name: String,
    bytes: Vec<u8>,
    floats: StateDict,
    pub device: Device,
    /// Trained tables as leaves, so that their gradients can be read.
    pub items: Tensor<2>,
    pub keywords: Tensor<2>,
}

impl Golden {
    /// All golden files of a model; at least one.
    pub fn all(kind: ModelKind) -> Vec<Self> {
        let mut names: Vec<PathBuf> = std::fs::read_dir(folder())
            .expect("the folder of golden files")
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                name.starts_with(&format!("{}_", kind.name())) && name.ends_with(".safetensors")
            })
            .collect();
        names.sort();
        assert!(!names.is_empty(), "no golden file of {kind:?} in {}", folder().display());
        names.iter().map(Self::open).collect()
    }

    fn open(path: &PathBuf) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let floats = from_safetensors(&bytes, &name).unwrap();
        let device = device().autodiff();
        let leaf = |name: &str| tensor::<2>(&floats[name], &device).require_grad();
        let (items, keywords) =
            (leaf("weight.item_embeddings.weight"), leaf("weight.query_keywords_embeddings.weight"));
        Self { name, bytes, floats, device, items, keywords }
    }

    /// The same on a device that records no gradients.
    pub fn without_tape(&self) -> Self {
        Self {
            name: self.name.clone(),
            bytes: self.bytes.clone(),
            floats: self.floats.clone(),
            device: self.device.clone().inner(),
            items: self.items.clone().inner(),
            keywords: self.keywords.clone().inner(),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.floats.contains_key(name)
    }

    pub fn array(&self, name: &str) -> &Array {
        self.floats.get(name).unwrap_or_else(|| panic!("{}: no `{name}`", self.name))
    }

    pub fn integers(&self, name: &str) -> (Vec<usize>, Vec<u32>) {
        let all = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = all.tensor(name).unwrap_or_else(|_| panic!("{}: no `{name}`", self.name));
        let values = view.data().as_chunks().0.iter().map(|&b| u32::try_from(i64::from_le_bytes(b)).unwrap());
        (view.shape().to_vec(), values.collect())
    }

    pub fn number(&self, name: &str) -> usize {
        self.integers(name).1[0] as usize
    }

    pub fn multimodal(&self) -> bool {
        self.has("weight.item_image_embedding_layer.weight")
    }

    /// The published configuration, sizes read from the file. The heads are trainable here, because the golden
    /// files hold their gradients.
    pub fn config(&self) -> ModelConfig {
        let mut modalities = vec![ModalityKind::Id, ModalityKind::Query];
        let mut config = ModelConfig::reference();
        if self.multimodal() {
            modalities.extend([ModalityKind::Text, ModalityKind::Image]);
            config.text_width = self.array("weight.item_text_embedding_layer.weight").shape[1];
            config.image_width = self.array("weight.item_image_embedding_layer.weight").shape[1];
        }
        let heads = (0..).take_while(|h| self.has(&format!("weight.wQ_list.{h}.weight"))).count();
        let bits = self.floats.get("weight.hash_proj_matrix.weight").map_or(16, |a| a.shape[0]);
        ModelConfig {
            width: self.items.dims()[1],
            heads,
            top_k: self.number("in.topk"),
            stage_one_top_k: self.number("in.stage1_topk"),
            hash_bits: bits,
            modalities,
            switches: Switches { train_attention: true, ..Switches::reference() },
            ..config
        }
    }

    /// Puts the file's weights into a model.
    pub fn load<M: Module>(&self, model: M) -> M {
        let named = self
            .floats
            .iter()
            .filter_map(|(name, array)| Some((name.strip_prefix("weight.")?.to_owned(), array.clone())));
        let mut state: StateDict = named.collect();
        // What this model has and the published one lacks for this file keeps its initial value.
        for (name, array) in state_dict(&model) {
            state.entry(name).or_insert(array);
        }
        load_state_dict(model, &state, &self.name).unwrap().0
    }

    pub fn history(&self) -> Events {
        self.events(&["in.input_ids"], &["in.input_queries"])
    }

    /// The positive in column 0, then the negatives.
    pub fn candidates(&self) -> Events {
        self.events(&["in.target_pos", "in.target_neg"], &["in.target_queries_pos", "in.target_queries_neg"])
    }

    fn events(&self, ids: &[&str], queries: &[&str]) -> Events {
        let join = |names: &[&str]| {
            let parts: Vec<_> = names.iter().map(|name| self.integers(name)).collect();
            let batch = parts[0].0[0];
            let slots = parts[0].0.get(2).copied().unwrap_or(1);
            let width: usize = parts.iter().map(|(shape, _)| shape[1]).sum();
            let rows = (0..batch).flat_map(|b| {
                parts.iter().flat_map(move |(shape, values)| {
                    let row = shape[1] * slots;
                    values[b * row..(b + 1) * row].to_vec()
                })
            });
            (batch, width, slots, rows.collect::<Vec<u32>>())
        };
        let (batch, width, _, ids) = join(ids);
        let (_, _, slots, queries) = join(queries);
        let device = &self.device;
        let flat = integers([ids.len()], &ids, device);
        let real: Vec<bool> = queries.iter().map(|&q| q != 0).collect();
        let has_query: Vec<f32> =
            real.chunks(slots).map(|bag| f32::from(u8::from(bag.contains(&true)))).collect();
        let frozen = |name: &str| {
            self.multimodal().then(|| {
                let rows = tensor::<2>(self.array(name), device).select(0, flat.clone());
                Modality::new(rows, Tensor::ones([ids.len(), 1], device))
            })
        };
        let unique = UniqueEvents {
            item: self.items.clone().select(0, flat.clone()),
            // As published: the mean over all slots, padding included.
            query: self
                .keywords
                .clone()
                .select(0, integers([queries.len()], &queries, device))
                .reshape([ids.len() as i32, slots as i32, -1])
                .mean_dim(1)
                .squeeze_dim(1),
            has_query: Tensor::from_data(TensorData::new(has_query, [ids.len(), 1]), device),
            text: frozen("weight.item_text_embedding_layer.weight"),
            image: frozen("weight.item_image_embedding_layer.weight"),
            attribute: None,
        };
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        let mask: Vec<bool> = ids.iter().map(|&id| id != 0).collect();
        Events {
            unique,
            inverse: integers([batch, width], &positions, device),
            mask: Tensor::<2, Bool>::from_data(TensorData::new(mask, [batch, width]), device),
            sees: None,
            times: None,
        }
    }

    pub fn labels(&self) -> (Tensor<2>, Tensor<2, Bool>) {
        let (shape, _) = self.integers("in.target_neg");
        let (batch, count) = (shape[0], 1 + shape[1]);
        let labels: Vec<f32> = (0..batch * count).map(|at| f32::from(u8::from(at % count == 0))).collect();
        let real = Tensor::<2>::ones([batch, count], &self.device).greater_elem(0.0);
        (Tensor::from_data(TensorData::new(labels, [batch, count]), &self.device), real)
    }

    pub fn pretrain_batch(&self) -> PretrainBatch {
        let (shape, drawn) = self.integers("in.relevance_negatives");
        PretrainBatch {
            history: self.history(),
            candidates: self.candidates(),
            labels: self.labels().0,
            negatives: drawn.chunks(shape[1]).map(<[u32]>::to_vec).collect(),
        }
    }

    /// Compares with a recorded tensor, absolutely below 1 and relatively above.
    pub fn check<const D: usize>(&self, name: &str, ours: Tensor<D>, tolerance: f32) {
        let theirs = self.array(name);
        let ours = values(ours);
        assert_eq!(ours.len(), theirs.values.len(), "{}: size of `{name}`", self.name);
        for (at, (&a, &b)) in ours.iter().zip(&theirs.values).enumerate() {
            let bound = tolerance * b.abs().max(1.0);
            assert!((a - b).abs() <= bound, "{}: `{name}` at {at}: {a}, recorded {b}", self.name);
        }
    }

    /// Compares gradients of every weight and table that has one recorded under `prefix`.
    pub fn check_gradients(&self, model: &impl SequenceModel, grads: &Gradients, prefix: &str) {
        let mut ours = gradients(model, grads);
        for (name, table) in
            [("item_embeddings.weight", &self.items), ("query_keywords_embeddings.weight", &self.keywords)]
        {
            let Some(gradient) = table.grad(grads) else { continue };
            let [rows, width] = gradient.dims();
            let mut gradient = values(gradient);
            // The padding row never moves.
            gradient[..width].fill(0.0);
            ours.insert(name.into(), Array { shape: vec![rows, width], values: gradient });
        }
        let mut compared = 0;
        for (name, theirs) in self.floats.iter().filter_map(|(n, a)| Some((n.strip_prefix(prefix)?, a))) {
            let zero = Array { shape: theirs.shape.clone(), values: vec![0.0; theirs.values.len()] };
            let ours = ours.get(name).unwrap_or(&zero);
            let largest = theirs.values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            // Zero in exact arithmetic: a softmax ignores a shift. What is recorded is rounding.
            let bound = if name.starts_with("wK_list") && name.ends_with("bias") {
                1e-6
            } else {
                1e-3 * largest + 1e-9
            };
            for (at, (a, b)) in ours.values.iter().zip(&theirs.values).enumerate() {
                assert!((a - b).abs() <= bound, "{}: `{prefix}{name}` at {at}: {a}, recorded {b}", self.name);
            }
            compared += 1;
        }
        assert!(compared >= 8, "{}: only {compared} gradients recorded under {prefix}", self.name);
    }
}

pub fn tensor<const D: usize>(array: &Array, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(array.values.clone(), array.shape.clone()), device)
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data_as::<f32>().try_into_vec().unwrap()
}

/// The gradient of every parameter that has one, under published names.
pub fn gradients(model: &impl SequenceModel, grads: &Gradients) -> StateDict {
    struct Replace<'a>(&'a Gradients);
    impl burn::module::ModuleMapper for Replace<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let value = param.val();
            let gradient = value.grad(self.0).unwrap_or_else(|| value.zeros_like().inner());
            Param::initialized(param.id, gradient)
        }
    }
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.0 += 1;
        }
    }
    let mut count = Count(0);
    model.visit(&mut count);
    let state = state_dict(&model.clone().map(&mut Replace(grads)));
    assert_eq!(state.len(), count.0, "every parameter has a name of its own");
    state
}
