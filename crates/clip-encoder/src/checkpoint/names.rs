//! Hugging Face's names become OpenAI's.

use std::collections::BTreeMap;

use super::Array;

type Arrays = BTreeMap<String, Array>;

/// Renames arrays; those that have OpenAI's names already are left alone.
pub(super) fn openai(mut arrays: Arrays) -> Result<Arrays, String> {
    if !arrays.keys().any(|name| name.starts_with("vision_model.") || name.starts_with("text_model.")) {
        return Ok(arrays);
    }
    let mut renamed = Arrays::new();
    let mut names: Vec<String> = arrays.keys().cloned().collect();
    // Queries come first: they take keys and values along.
    names.sort_by_key(|name| !name.contains(".self_attn.q_proj."));
    for name in names {
        let Some(array) = arrays.remove(&name) else { continue };
        // Both projections are stored transposed, for a layer instead of a product.
        let projection = match name.as_str() {
            "visual_projection.weight" => Some("visual.proj"),
            "text_projection.weight" => Some("text_projection"),
            _ => None,
        };
        if let Some(own) = projection {
            renamed.insert(own.into(), transposed(&array, &name)?);
            continue;
        }
        // Query, key and value are three layers there and one here.
        if let Some((layer, rest)) = name.split_once(".self_attn.q_proj.") {
            let mut joined = array;
            for part in ["k_proj", "v_proj"] {
                let other = format!("{layer}.self_attn.{part}.{rest}");
                let other = arrays.remove(&other).ok_or_else(|| format!("no `{other}`"))?;
                if other.shape != joined_shape(&joined, &other) {
                    return Err(format!("`{name}` and its `{part}` differ in shape"));
                }
                joined.values.extend(other.values);
            }
            joined.shape[0] *= 3;
            renamed.insert(format!("{}.attn.in_proj_{rest}", rename(layer)), joined);
            continue;
        }
        renamed.insert(rename(&name), array);
    }
    Ok(renamed)
}

/// The shape that a part must have to be joined: that of one of the three parts.
fn joined_shape(joined: &Array, part: &Array) -> Vec<usize> {
    let mut shape = joined.shape.clone();
    if let (Some(first), Some(&rows)) = (shape.first_mut(), part.shape.first()) {
        *first = rows;
    }
    shape
}

fn rename(name: &str) -> String {
    let replaced = [
        ("text_model.embeddings.token_embedding", "token_embedding"),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        ("text_model.final_layer_norm", "ln_final"),
        ("text_model.encoder.layers", "transformer.resblocks"),
        ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
        ("vision_model.embeddings.patch_embedding", "visual.conv1"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        ("vision_model.pre_layrnorm", "visual.ln_pre"),
        ("vision_model.post_layernorm", "visual.ln_post"),
        ("vision_model.encoder.layers", "visual.transformer.resblocks"),
        (".self_attn.out_proj", ".attn.out_proj"),
        (".layer_norm1", ".ln_1"),
        (".layer_norm2", ".ln_2"),
        (".mlp.fc1", ".mlp.c_fc"),
        (".mlp.fc2", ".mlp.c_proj"),
    ];
    replaced.iter().fold(name.to_owned(), |name, (theirs, ours)| name.replace(theirs, ours))
}

fn transposed(array: &Array, name: &str) -> Result<Array, String> {
    let [rows, columns] = array.shape[..] else {
        return Err(format!("`{name}` has shape {:?}, not two sides", array.shape));
    };
    let values = (0..columns).flat_map(|c| (0..rows).map(move |r| array.values[r * columns + c])).collect();
    Ok(Array { shape: vec![columns, rows], values })
}
