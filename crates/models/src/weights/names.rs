//! Published names of our parameters.

/// Our path to a part, and the published name of the same part.
const NAMES: [(&str, &str); 23] = [
    ("pair.text.", "text_emb_proj."),
    ("pair.image.", "image_emb_proj."),
    ("pair.gate.channel", "multi_modal_fusion_channel_emb"),
    ("pair.gate.gating.", "multi_modal_fusion_gating_projection."),
    ("pair.sum.weight", "modality_sum"),
    ("pair.fusion.gate.", "pair_fusion_gate."),
    ("attention.query.", "wQ_list."),
    ("attention.key.", "wK_list."),
    ("attention.value.", "wV_list."),
    ("attention.output.", "wO."),
    ("attention.recency.distance", "attention_distance"),
    ("attention.recency.elapsed", "attention_elapsed"),
    ("search_query.", "wQ."),
    ("search_key.", "wK."),
    ("search_head.hidden.", "gsu_deep_layers.0."),
    ("search_head.output.", "gsu_deep_layers.2."),
    ("head.hidden.", "final_deep_layers.0."),
    ("head.output.", "final_deep_layers.2."),
    ("hash.projection.", "hash_proj_matrix."),
    ("mix", "score_mix"),
    ("tier_hidden.", "tier_layers.0."),
    ("tier_output.", "tier_layers.2."),
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
pub(super) struct Place {
    names: Vec<String>,
    kinds: Vec<String>,
}

impl Place {
    pub fn enter(&mut self, name: &str, kind: &str) {
        self.names.push(name.to_owned());
        self.kinds.push(kind.to_owned());
    }

    pub fn exit(&mut self) {
        self.names.pop();
        self.kinds.pop();
    }

    /// The published name, and whether the tensor is a layer's weight, which is stored turned.
    pub fn name(&self) -> (String, bool) {
        // The variant of an enum of models is no part of a published name.
        let skip = self.kinds.iter().position(|kind| kind.starts_with("Enum:")).map_or(0, |_| 1);
        let names = &self.names[skip.min(self.names.len())..];
        let turned = self.kinds.last().is_some_and(|kind| kind == "Struct:Linear")
            && names.last().is_some_and(|name| name == "weight");
        (published_name(&names.join(".")), turned)
    }
}
