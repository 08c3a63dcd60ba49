//! A small CLIP with random weights against the values of the published code: tokens, pixels, both towers, all file
//! formats.

use std::collections::{BTreeMap, HashMap};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use seminar_clip_encoder::*;

mod support;
use support::{close, device, golden};

/// In the order of the golden embeddings.
const IMAGES: [&str; 5] =
    ["landscape_120x80.png", "portrait_40x90.png", "gray_64x64.png", "rgba_50x70.png", "small_20x20.png"];

/// Arrays of a golden file as numbers; integers are cast.
fn arrays(name: &str) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(golden(name)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |view: &TensorView| match view.dtype() {
        Dtype::I64 => view.data().as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f32).collect(),
        _ => view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
    };
    file.iter().map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), read(&view)))).collect()
}

fn texts() -> Vec<String> {
    serde_json::from_slice(&std::fs::read(golden("clip_tiny_texts.json")).unwrap()).unwrap()
}

#[test]
fn tokens_are_exact() {
    let (shape, expected) = &arrays("clip_tiny_io.safetensors")["tokens"];
    for (text, expected) in texts().iter().zip(expected.chunks_exact(shape[1])) {
        let mut tokens = Tokenizer::published().encode(text, shape[1]);
        tokens.resize(shape[1], 0);
        let expected: Vec<u32> = expected.iter().map(|&token| token as u32).collect();
        assert_eq!(tokens, expected, "{text:?}");
    }
}

#[test]
fn pixels_are_pillows() {
    let io = arrays("clip_tiny_io.safetensors");
    for name in IMAGES {
        let image = open_image(&golden("images").join(name)).unwrap();
        for size in [32, 224] {
            let (_, expected) = &io[&format!("preprocess_{size}.{name}")];
            let found = preprocess(&image, size).unwrap();
            // Two of 255 levels, in units of the smallest deviation.
            close(&format!("{name} at {size}"), &found, expected, 2.001 / 255.0 / 0.261_302_6);
        }
    }
}

fn embeddings(clip: &Clip) -> [Vec<f32>; 2] {
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let pixels = arrays("clip_tiny_io.safetensors")["pixels_32"].1.clone();
    [clip.encode_texts(&texts).unwrap(), clip.encode_pixels(pixels).unwrap()]
}

/// The weights as a safetensors file, renamed.
fn export(weights: &Weights, rename: impl Fn(&str, &Array) -> Vec<(String, Array)>) -> Weights {
    let named: Vec<(String, Array)> =
        weights.arrays().iter().flat_map(|(name, array)| rename(name, array)).collect();
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = named
        .into_iter()
        .map(|(name, array)| (name, array.shape, array.values.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), safetensors::serialize(views, None).unwrap()).unwrap();
    Weights::read(file.path()).unwrap()
}

/// OpenAI's names as Hugging Face has them.
fn hugging_face(name: &str, array: &Array) -> Vec<(String, Array)> {
    let layer = |name: &str, tower: &str, rest: &str| {
        let (number, part) = rest.split_once('.').unwrap();
        let at = format!("{tower}.encoder.layers.{number}");
        if let Some(kind) = part.strip_prefix("attn.in_proj_") {
            let rows = array.shape[0] / 3;
            let step = array.values.len() / 3;
            return ["q_proj", "k_proj", "v_proj"]
                .iter()
                .enumerate()
                .map(|(n, which)| {
                    let mut shape = array.shape.clone();
                    shape[0] = rows;
                    let values = array.values[n * step..][..step].to_vec();
                    (format!("{at}.self_attn.{which}.{kind}"), Array { shape, values })
                })
                .collect();
        }
        let part = part
            .replace("attn.out_proj", "self_attn.out_proj")
            .replace("ln_", "layer_norm")
            .replace("mlp.c_fc", "mlp.fc1")
            .replace("mlp.c_proj", "mlp.fc2");
        assert!(!name.is_empty());
        vec![(format!("{at}.{part}"), array.clone())]
    };
    let transposed = || {
        let (rows, columns) = (array.shape[0], array.shape[1]);
        let values =
            (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c)).map(|at| array.values[at]);
        Array { shape: vec![columns, rows], values: values.collect() }
    };
    if let Some(rest) = name.strip_prefix("visual.transformer.resblocks.") {
        return layer(name, "vision_model", rest);
    }
    if let Some(rest) = name.strip_prefix("transformer.resblocks.") {
        return layer(name, "text_model", rest);
    }
    let (own, array) = match name {
        "visual.proj" => ("visual_projection.weight".into(), transposed()),
        "text_projection" => ("text_projection.weight".into(), transposed()),
        "token_embedding.weight" => ("text_model.embeddings.token_embedding.weight".into(), array.clone()),
        "positional_embedding" => ("text_model.embeddings.position_embedding.weight".into(), array.clone()),
        "visual.positional_embedding" => {
            ("vision_model.embeddings.position_embedding.weight".into(), array.clone())
        }
        "visual.class_embedding" => ("vision_model.embeddings.class_embedding".into(), array.clone()),
        "visual.conv1.weight" => ("vision_model.embeddings.patch_embedding.weight".into(), array.clone()),
        name => {
            let own = name
                .replace("visual.ln_pre", "vision_model.pre_layrnorm")
                .replace("visual.ln_post", "vision_model.post_layernorm")
                .replace("ln_final", "text_model.final_layer_norm");
            (own, array.clone())
        }
    };
    vec![(own, array)]
}

#[test]
fn every_format_gives_the_same_weights_and_the_known_embeddings() {
    let archive = Weights::read(&golden("clip_tiny_torchscript.pt")).unwrap();
    let dict = Weights::read(&golden("clip_tiny_state_dict.pt")).unwrap();
    let same = export(&archive, |name, array| vec![(name.to_owned(), array.clone())]);
    let renamed = export(&archive, hugging_face);
    assert!(renamed.arrays().keys().eq(archive.arrays().keys()));
    for other in [&dict, &same, &renamed] {
        assert!(archive.arrays() == other.arrays(), "identical weights from each file");
    }
    let io = arrays("clip_tiny_io.safetensors");
    let clip = Clip::new(&archive, &device()).unwrap();
    assert_eq!((clip.dim(), clip.config().resolution(), clip.config().context), (32, 32, 77));
    let [texts, images] = embeddings(&clip);
    close("texts", &texts, &io["text_embedding"].1, 1e-3);
    close("images", &images, &io["image_embedding"].1, 1e-3);
    let opened: Vec<_> =
        IMAGES.iter().map(|name| open_image(&golden("images").join(name)).unwrap()).collect();
    // From the files themselves, a level of difference in a pixel moves an embedding a little.
    close("image files", &clip.encode_images(&opened).unwrap(), &io["image_embedding"].1, 2e-2);
    assert_eq!(embeddings(&Clip::new(&renamed, &device()).unwrap()), [texts, images]);
}

#[test]
fn the_resnet_tower_gives_the_known_embeddings() {
    let file = arrays("clip_resnet_tiny.safetensors");
    // The file holds an image tower alone; the text tower is that of the other model, which has the same width.
    let mut all: BTreeMap<String, Array> =
        Weights::read(&golden("clip_tiny_torchscript.pt")).unwrap().arrays().clone();
    all.retain(|name, _| !name.starts_with("visual."));
    for (name, (shape, values)) in &file {
        if let Some(name) = name.strip_prefix("weight.").filter(|name| !name.ends_with("num_batches_tracked"))
        {
            all.insert(name.to_owned(), Array { shape: shape.clone(), values: values.clone() });
        }
    }
    let clip = Clip::new(&Weights::new(all, "golden").unwrap(), &device()).unwrap();
    assert_eq!(clip.config().vision, VisionConfig::ResNet { resolution: 64, width: 8, layers: [1, 2, 1, 1] });
    let found = clip.encode_pixels(file["in.pixels"].1.clone()).unwrap();
    close("ResNet", &found, &file["out.image_embedding"].1, 1e-3);
}

#[test]
fn wrong_and_damaged_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pt");
    let whole = std::fs::read(golden("clip_tiny_state_dict.pt")).unwrap();
    for length in [0, 3, 4, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Weights::read(&path).unwrap_err().to_string();
        assert!(error.contains("weights.pt"), "{error}");
    }
    std::fs::write(&path, b"not weights at all").unwrap();
    assert!(Weights::read(&path).is_err());
    let mut arrays = Weights::read(&golden("clip_tiny_state_dict.pt")).unwrap().arrays().clone();
    let layer = "transformer.resblocks.1.mlp.c_fc.weight";
    let removed = arrays.remove(layer).unwrap();
    let build =
        |arrays| Clip::new(&Weights::new(arrays, "test").unwrap(), &device()).unwrap_err().to_string();
    assert!(build(arrays.clone()).contains(layer));
    arrays.insert(layer.into(), Array { shape: vec![removed.shape[1], removed.shape[0]], ..removed });
    assert!(build(arrays).contains(layer));
    assert!(Weights::new(BTreeMap::new(), "empty").is_err());
}

#[test]
fn damaged_and_oversized_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.png");
    let whole = std::fs::read(golden("images").join("rgba_50x70.png")).unwrap();
    for length in (0..whole.len()).step_by(97) {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(open_image(&path).is_err(), "cut off at {length}");
    }
    // A header that claims 60,000 x 60,000 pixels, with its checksum right.
    let mut huge = whole.clone();
    huge[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let checksum = crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.to_be_bytes());
    std::fs::write(&path, &huge).unwrap();
    let error = open_image(&path).unwrap_err().to_string();
    assert!(error.contains("60000 x 60000"), "{error}");
}

#[test]
fn a_missing_file_is_told_by_the_source_of_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for error in [Weights::read(&missing).unwrap_err(), open_image(&missing).unwrap_err()] {
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        let message = error.to_string();
        assert!(message.contains("missing") && !message.contains(&source.to_string()), "{message}");
    }
}

/// PNG's checksum.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}
