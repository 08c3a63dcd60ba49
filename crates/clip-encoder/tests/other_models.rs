//! Models of CLIP's architecture that are not OpenAI's: another activation, another number of heads, and what says so. And texts
//! that hold the end token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand_mt::Mt;
use safetensors::tensor::{Dtype, TensorView};
use seminar_clip_encoder::*;
use serde_json::{Value, json};

mod support;
use support::{close, device, golden};

type Arrays = BTreeMap<String, Array>;

/// Embeddings by another program, for the models that are made here.
fn expected(model: &str, which: &str) -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/other_models.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[model][which].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn tiny() -> Arrays {
    Weights::read(&golden("clip_tiny_state_dict.pt")).unwrap().arrays().clone()
}

/// The small model as one that was trained with GELU: inputs of its activations are spread tenfold.
fn gelu() -> Arrays {
    let mut arrays = tiny();
    for (_, array) in arrays.iter_mut().filter(|(name, _)| name.contains(".mlp.")) {
        array.values.iter_mut().for_each(|x| *x *= 10.0);
    }
    arrays
}

/// Normal numbers as `torch.manual_seed(1)` and `torch.randn` give them on a CPU.
struct Torch(Mt);

impl Torch {
    fn randn<const N: usize>(&mut self, shape: [usize; N], scale: f32) -> Array {
        let count: usize = shape.iter().product();
        assert!(count.is_multiple_of(16), "torch draws the last numbers otherwise");
        let mut values: Vec<f32> =
            (0..count).map(|_| (self.0.next_u32() & 0xFF_FFFF) as f32 / (1 << 24) as f32).collect();
        for sixteen in values.chunks_exact_mut(16) {
            for at in 0..8 {
                let radius = (-2.0 * (1.0 - sixteen[at]).ln()).sqrt();
                let angle = std::f32::consts::TAU * sixteen[at + 8];
                (sixteen[at], sixteen[at + 8]) = (radius * angle.cos(), radius * angle.sin());
            }
        }
        values.iter_mut().for_each(|x| *x *= scale);
        Array { shape: shape.to_vec(), values }
    }
}

/// The small model with an image tower 320 wide whose four heads are 80 wide each.
fn heads_of_80() -> Arrays {
    const WIDTH: usize = 320;
    let mut torch = Torch(Mt::new(1));
    let mut arrays = tiny();
    arrays.retain(|name, _| !name.starts_with("visual."));
    let constant = |count: usize, x: f32| Array { shape: vec![count], values: vec![x; count] };
    arrays.insert("visual.class_embedding".into(), torch.randn([WIDTH], 0.05));
    arrays.insert("visual.positional_embedding".into(), torch.randn([5, WIDTH], 0.05));
    arrays.insert("visual.proj".into(), torch.randn([WIDTH, 32], 0.05));
    arrays.insert("visual.conv1.weight".into(), torch.randn([WIDTH, 3, 16, 16], 0.05));
    let norm = |arrays: &mut Arrays, name: String| {
        arrays.insert(format!("{name}.weight"), constant(WIDTH, 1.0));
        arrays.insert(format!("{name}.bias"), constant(WIDTH, 0.0));
    };
    ["ln_pre", "ln_post"].iter().for_each(|name| norm(&mut arrays, format!("visual.{name}")));
    for layer in 0..2 {
        let at = format!("visual.transformer.resblocks.{layer}");
        ["ln_1", "ln_2"].iter().for_each(|name| norm(&mut arrays, format!("{at}.{name}")));
        for (weight, bias, out, width, scale) in [
            ("attn.in_proj_weight", "attn.in_proj_bias", 3 * WIDTH, WIDTH, 0.2),
            ("attn.out_proj.weight", "attn.out_proj.bias", WIDTH, WIDTH, 0.1),
            ("mlp.c_fc.weight", "mlp.c_fc.bias", 4 * WIDTH, WIDTH, 0.05),
            ("mlp.c_proj.weight", "mlp.c_proj.bias", WIDTH, 4 * WIDTH, 0.05),
        ] {
            arrays.insert(format!("{at}.{weight}"), torch.randn([out, width], scale));
            arrays.insert(format!("{at}.{bias}"), constant(out, 0.0));
        }
    }
    arrays
}

fn pixels() -> Vec<f32> {
    (0..3 * 32 * 32).map(|i: i32| ((i * 37 % 101) - 50) as f32 / 25.0).collect()
}

/// A folder with the arrays as `model.safetensors`.
fn folder(arrays: &Arrays) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let bytes: Vec<(&String, &Array, Vec<u8>)> = arrays
        .iter()
        .map(|(name, array)| (name, array, array.values.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, array, bytes)| (name, TensorView::new(Dtype::F32, array.shape.clone(), bytes).unwrap()));
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    (folder, path)
}

/// The model as it is opened with a file beside it.
fn open(path: &Path, beside: Option<(&str, &Value)>) -> Result<Clip> {
    let written = beside.map(|(name, value)| {
        let file = path.with_file_name(name);
        std::fs::write(&file, value.to_string()).unwrap();
        file
    });
    let clip = Weights::read(path).and_then(|weights| Clip::new(&weights, &device()));
    written.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    clip
}

#[test]
fn a_text_is_read_at_its_first_end_token() {
    let weights = Weights::read(&golden("clip_tiny_state_dict.pt")).unwrap();
    let clip = Clip::new(&weights, &device()).unwrap();
    let found = clip.encode_texts(&["a <|endoftext|> b", "a", "a <|EndOfText|>", "a b"]).unwrap();
    let rows: Vec<&[f32]> = found.chunks_exact(32).collect();
    close("first end token", rows[0], &expected("end_token", "first_end_token"), 1e-3);
    close("alone", rows[1], rows[0], 1e-5);
    close("in capitals", rows[2], rows[0], 1e-5);
    assert!(rows[0].iter().zip(rows[3]).any(|(a, b)| (a - b).abs() > 0.1), "other texts have other vectors");
}

#[test]
fn the_activation_is_assumed_aloud_or_set_or_read() {
    let (_folder, path) = folder(&gelu());
    let check = |clip: &Clip, activation: Activation| {
        assert_eq!(clip.config().activation, activation);
        let name = if activation == Activation::Gelu { "gelu" } else { "quick_gelu" };
        let text = clip.encode_texts(&["a photo of a cat"]).unwrap();
        close(name, &text, &expected("gelu", &format!("text_with_{name}")), 1e-4);
        let image = clip.encode_pixels(pixels()).unwrap();
        close(name, &image, &expected("gelu", &format!("image_with_{name}")), 1e-4);
    };
    let assumed = open(&path, None).unwrap();
    check(&assumed, Activation::QuickGelu);
    let words = assumed.assumption().unwrap();
    assert!(words.contains("QuickGELU is assumed") && words.contains("--clip-activation"), "{words}");
    let set = ClipSettings { activation: Some(Activation::Gelu), ..Default::default() };
    let set = Clip::with_settings(&Weights::read(&path).unwrap(), set, &device()).unwrap();
    check(&set, Activation::Gelu);
    assert_eq!(set.assumption(), None);

    let (text, image) = (json!({ "width": 64, "heads": 1 }), json!({ "width": 64, "layers": 2 }));
    let open_clip = json!({ "embed_dim": 32, "text_cfg": text, "vision_cfg": image });
    let quick = json!({ "text_cfg": text, "vision_cfg": image, "quick_gelu": true });
    let tower =
        |activation: &str| json!({ "hidden_act": activation, "hidden_size": 64, "num_attention_heads": 1 });
    let hugging_face = |activation: &str| json!({ "model_type": "clip", "text_config": tower(activation), "vision_config": tower(activation) });
    for (name, value, activation) in [
        ("config.json", hugging_face("gelu"), Activation::Gelu),
        ("config.json", hugging_face("quick_gelu"), Activation::QuickGelu),
        ("config.json", json!({ "text_config": { "hidden_act": "gelu" } }), Activation::Gelu),
        ("open_clip_config.json", json!({ "model_cfg": open_clip, "preprocess_cfg": {} }), Activation::Gelu),
        ("open_clip_config.json", json!({ "model_cfg": quick }), Activation::QuickGelu),
        ("model.json", open_clip, Activation::Gelu),
    ] {
        let clip = open(&path, Some((name, &value))).unwrap();
        check(&clip, activation);
        assert_eq!(clip.assumption(), None, "{name}");
    }
    // What is set goes before what is read; a file of something else says nothing.
    std::fs::write(path.with_file_name("config.json"), hugging_face("gelu").to_string()).unwrap();
    let set = ClipSettings { activation: Some(Activation::QuickGelu), ..Default::default() };
    check(
        &Clip::with_settings(&Weights::read(&path).unwrap(), set, &device()).unwrap(),
        Activation::QuickGelu,
    );
    let other = json!({ "model_type": "bert", "hidden_act": "gelu", "hidden_size": 768 });
    assert!(open(&path, Some(("config.json", &other))).unwrap().assumption().is_some());
}

#[test]
fn heads_are_set_or_read_or_the_model_is_refused() {
    let (_folder, path) = folder(&heads_of_80());
    let error = open(&path, None).unwrap_err().to_string();
    assert!(error.contains("320 wide") && error.contains("--clip-image-heads"), "{error}");
    let check = |clip: &Clip, heads: usize| {
        assert_eq!(clip.config().image_heads, heads);
        let name = format!("image_with_heads_of_{}", 320 / heads);
        close(&name, &clip.encode_pixels(pixels()).unwrap(), &expected("heads_of_80", &name), 1e-3);
    };
    for heads in [4, 5] {
        let set = ClipSettings { image_heads: Some(heads), ..Default::default() };
        check(&Clip::with_settings(&Weights::read(&path).unwrap(), set, &device()).unwrap(), heads);
    }
    let text = json!({ "width": 64, "heads": 1 });
    let open_clip = |head: usize| json!({ "quick_gelu": true, "text_cfg": text, "vision_cfg": { "width": 320, "layers": 2, "head_width": head } });
    let hugging_face = json!({ "vision_config": { "hidden_size": 320, "num_attention_heads": 4 } });
    check(&open(&path, Some(("config.json", &hugging_face))).unwrap(), 4);
    check(&open(&path, Some(("open_clip_config.json", &json!({ "model_cfg": open_clip(80) })))).unwrap(), 4);
    check(&open(&path, Some(("model.json", &open_clip(64)))).unwrap(), 5);
}

#[test]
fn configurations_that_do_not_fit_are_refused_by_name() {
    let (_folder, path) = folder(&tiny());
    let tower = |key: &str, value: Value| json!({ "text_config": { key: value } });
    let open_clip = |section: &str, key: &str, value: Value| {
        let mut config = json!({ "text_cfg": { "width": 64, "heads": 1 }, "vision_cfg": { "width": 64 } });
        config[section][key] = value;
        config
    };
    let preparation = |key: &str, value: Value| json!({ "model_cfg": open_clip("text_cfg", "heads", json!(1)), "preprocess_cfg": { key: value } });
    for (value, word) in [
        (tower("hidden_act", json!("gelu_new")), "`gelu_new`"),
        (tower("hidden_size", json!(512)), "512"),
        (tower("num_attention_heads", json!(3)), "3 heads"),
        (tower("num_attention_heads", json!("many")), "num_attention_heads"),
        (tower("layer_norm_eps", json!(1e-6)), "layer_norm_eps"),
        (open_clip("vision_cfg", "width", json!(768)), "768"),
        (open_clip("vision_cfg", "timm_model_name", json!("resnet50")), "timm_model_name"),
        (open_clip("vision_cfg", "pool_type", json!("avg")), "pool_type"),
        (open_clip("text_cfg", "no_causal_mask", json!(true)), "no_causal_mask"),
        (preparation("mean", json!([0.5, 0.5, 0.5])), "mean"),
        (preparation("interpolation", json!("bilinear")), "interpolation"),
    ] {
        let error = open(&path, Some(("config.json", &value))).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
    std::fs::write(path.with_file_name("config.json"), "{").unwrap();
    let error = Weights::read(&path).unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("JSON"), "{error}");
}
