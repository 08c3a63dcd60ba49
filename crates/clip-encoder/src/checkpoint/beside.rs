//! The configuration beside a file of weights: what its publisher says about the model and shapes do not show.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::Weights;
use crate::clip::{Activation, ClipSettings};
use crate::error::{Error, Result};
use crate::preprocess::{DEVIATION, MEAN};

/// What is read from a configuration, or what is wrong with it.
type Read<T> = std::result::Result<T, String>;

/// Fields of `open_clip` with which a model is computed otherwise, and the value with which it is not. Neither is it where they
/// are absent, `null` or `false`.
const OTHERWISE: [(&str, &str, &str); 19] = [
    ("text_cfg", "hf_model_name", ""),
    ("text_cfg", "no_causal_mask", ""),
    ("text_cfg", "embed_cls", ""),
    ("text_cfg", "ls_init_value", ""),
    ("text_cfg", "act_kwargs", ""),
    ("text_cfg", "norm_kwargs", ""),
    ("text_cfg", "pool_type", "argmax"),
    ("text_cfg", "proj_type", "linear"),
    ("vision_cfg", "timm_model_name", ""),
    ("vision_cfg", "attentional_pool", ""),
    ("vision_cfg", "no_ln_pre", ""),
    ("vision_cfg", "final_ln_after_pool", ""),
    ("vision_cfg", "global_average_pool", ""),
    ("vision_cfg", "ls_init_value", ""),
    ("vision_cfg", "act_kwargs", ""),
    ("vision_cfg", "norm_kwargs", ""),
    ("vision_cfg", "pool_type", "tok"),
    ("preprocess_cfg", "interpolation", "bicubic"),
    ("preprocess_cfg", "resize_mode", "shortest"),
];

/// The settings in the first configuration of a CLIP in the folder of the weights; none if there is none.
pub(super) fn settings(weights_path: &Path, weights: &Weights) -> Result<ClipSettings> {
    let own = weights_path.with_extension("json");
    let shared = ["open_clip_config.json", "config.json"].map(|name| weights_path.with_file_name(name));
    for path in std::iter::once(own).chain(shared).filter(|path| path != weights_path) {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => continue,
            Err(error) => return Err(Error::io(&path, "cannot read")(error)),
        };
        let fail = |message: String| Error::Checkpoint { file: path.display().to_string(), message };
        let value: Value = serde_json::from_str(&text)
            .map_err(|e| fail(format!("the configuration beside the weights is no JSON: {e}")))?;
        if let Some(settings) = of_clip(&value, weights).map_err(fail)? {
            return Ok(settings);
        }
    }
    Ok(ClipSettings::default())
}

/// The settings in a configuration; `None` if it describes something else than a CLIP.
fn of_clip(value: &Value, weights: &Weights) -> Read<Option<ClipSettings>> {
    let model = value.get("model_cfg").unwrap_or(value);
    if model["text_cfg"].is_object() && model["vision_cfg"].is_object() {
        return open_clip(model, &value["preprocess_cfg"], weights).map(Some);
    }
    let of_clip = value["model_type"].as_str().is_none_or(|kind| kind.starts_with("clip"));
    let sections = ["text_config", "vision_config"].map(|name| &value[name]);
    if !of_clip || !sections.iter().any(|section| section.is_object()) {
        return Ok(None);
    }
    hugging_face(sections, weights).map(Some)
}

/// `open_clip`'s form. Its defaults count: GELU, eight heads in the text tower, heads of 64 in the image tower.
fn open_clip(model: &Value, preparation: &Value, weights: &Weights) -> Read<ClipSettings> {
    let (text, image) = (&model["text_cfg"], &model["vision_cfg"]);
    for (section, name, harmless) in OTHERWISE {
        let field = if section == "preprocess_cfg" { &preparation[name] } else { &model[section][name] };
        if !matches!(field, Value::Null | Value::Bool(false)) && field != harmless {
            return Err(format!("`{section}.{name}` is {field}: such models are not supported"));
        }
    }
    for (name, ours) in [("mean", MEAN), ("std", DEVIATION)] {
        let Some(theirs) = preparation[name].as_array() else { continue };
        let near = |(theirs, ours): (&Value, f32)| {
            theirs.as_f64().is_some_and(|theirs| (theirs - f64::from(ours)).abs() < 1e-3)
        };
        if theirs.len() != 3 || !theirs.iter().zip(ours).all(near) {
            return Err(format!(
                "`preprocess_cfg.{name}` is {}: only CLIP's own, {ours:?}, is supported",
                preparation[name]
            ));
        }
    }
    let text_heads = number(text, "heads")?.unwrap_or(8);
    same("text_cfg.width", number(text, "width")?.unwrap_or(512), text_width(weights))?;
    let head = number(image, "head_width")?.unwrap_or(64).max(1);
    let residual = image["layers"].is_array();
    let width = number(image, "width")?.unwrap_or(if residual { 64 } else { 768 });
    same("vision_cfg.width", width, image_width(weights))?;
    // A ResNet's last layer is 32 times as wide as its first.
    let width = if residual { width * 32 } else { width };
    let activation = if model["quick_gelu"] == true { Activation::QuickGelu } else { Activation::Gelu };
    Ok(ClipSettings {
        activation: Some(activation),
        text_heads: Some(text_heads),
        image_heads: Some(width / head),
    })
}

/// Hugging Face's form. Only what is written counts.
fn hugging_face([text, image]: [&Value; 2], weights: &Weights) -> Read<ClipSettings> {
    let mut activation = None;
    for (section, tower) in [("text_config", text), ("vision_config", image)] {
        if let Some(name) = tower["hidden_act"].as_str() {
            let own: Activation = name.parse().map_err(|e| format!("`{section}.hidden_act`: {e}"))?;
            if activation.is_some_and(|other| other != own) {
                return Err("the towers have different activations: such models are not supported".into());
            }
            activation = Some(own);
        }
        if tower["layer_norm_eps"].as_f64().is_some_and(|epsilon| (epsilon - 1e-5).abs() > 1e-9) {
            return Err(format!(
                "`{section}.layer_norm_eps` is {}: only 1e-5 is supported",
                tower["layer_norm_eps"]
            ));
        }
    }
    let told = |tower: &Value| number(tower, "hidden_size");
    told(text)?.map_or(Ok(()), |width| same("text_config.hidden_size", width, text_width(weights)))?;
    told(image)?.map_or(Ok(()), |width| same("vision_config.hidden_size", width, image_width(weights)))?;
    Ok(ClipSettings {
        activation,
        text_heads: number(text, "num_attention_heads")?,
        image_heads: number(image, "num_attention_heads")?,
    })
}

/// A whole number; `None` if it is absent or `null`.
fn number(section: &Value, name: &str) -> Read<Option<usize>> {
    match &section[name] {
        Value::Null => Ok(None),
        value => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Ok(Some(number as usize)),
            None => Err(format!("`{name}` is {value}, not a whole number")),
        },
    }
}

/// The width of the text tower in the weights, if they have one.
fn text_width(weights: &Weights) -> Option<usize> {
    weights.get("token_embedding.weight", 2).ok().map(|array| array.shape[1])
}

/// The width of the image tower in the weights; of its first layer if it is a ResNet.
fn image_width(weights: &Weights) -> Option<usize> {
    let name =
        if weights.has("visual.proj") { "visual.conv1.weight" } else { "visual.layer1.0.conv1.weight" };
    weights.get(name, 4).ok().map(|array| array.shape[0])
}

fn same(name: &str, told: usize, found: Option<usize>) -> Read<()> {
    match found {
        Some(found) if found != told => Err(format!(
            "`{name}` is {told}, the weights beside it have {found}: the configuration is of another model. Move it away, or put \
             the right one beside the weights, under their name: NAME.json"
        )),
        _ => Ok(()),
    }
}
