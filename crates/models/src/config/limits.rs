//! Which settings can work, and with which others.

use super::ModelConfig;
use crate::error::{Error, Result};
use crate::kinds::{ModalityKind, SoftSearch};

/// Weights of a model at most, its tables apart: a gigabyte.
const MOST_WEIGHTS: usize = 1 << 28;

impl ModelConfig {
    /// Checks that pretraining has a loss to minimise.
    ///
    /// # Errors
    /// If all weights are 0, or alignment alone is left and there are no two modalities to align.
    pub fn validate_pretraining(&self) -> Result<()> {
        let fail = |message: &str| Err(Error::Config { field: "pretrain_weights", message: message.into() });
        let [next, align, relate] = self.pretrain_weights;
        match (next > 0.0 || relate > 0.0, align > 0.0) {
            (false, false) => {
                fail("all three are 0, so pretraining has no loss: set one, or pretrain for 0 epochs")
            }
            (false, true) if self.item_modalities() < 2 => {
                fail("nothing to align: alignment compares the modalities of an item, and there is one only")
            }
            _ => Ok(()),
        }
    }

    /// The largest values: far beyond what is of use, so that a wrong or forged setting is an error and no lack of memory.
    fn bounds(&self) -> [(&'static str, usize, usize); 14] {
        [
            ("width", self.width, 1 << 13),
            ("heads", self.heads, 1 << 8),
            ("distance_bias", self.distance_bias, 1 << 16),
            ("distance_rows", self.distance_rows, 1 << 16),
            ("top_k", self.top_k, 1 << 24),
            ("stage_one_top_k", self.stage_one_top_k, 1 << 24),
            ("hash_bits", self.hash_bits, 1 << 16),
            ("signatures", self.signatures, 1 << 10),
            ("signature_bits", self.signature_bits, 1 << 3),
            ("text_width", self.text_width, 1 << 16),
            ("image_width", self.image_width, 1 << 16),
            ("sub_vectors", self.sub_vectors, 1 << 13),
            ("centroids", self.centroids, 1 << 16),
            ("alignment_rows", self.alignment_rows, 1 << 14),
        ]
    }

    /// How many weights a model of these settings has at most, its tables apart. Each factor is within its bound.
    fn most_weights(&self) -> usize {
        let width = self.width;
        let attention = self.heads * (4 * width * width + self.distance_bias + 66);
        let frozen = [(ModalityKind::Text, self.text_width), (ModalityKind::Image, self.image_width)];
        let inputs = frozen.iter().filter(|(kind, _)| self.has(*kind)).map(|(_, width)| width).sum::<usize>();
        let codes = match self.soft_search {
            SoftSearch::MultiPq => self.centroids * (1 + self.modalities.len()),
            SoftSearch::Mhta | SoftSearch::Lsh => 0,
        };
        let tower = self
            .short_term
            .as_ref()
            .map_or(0, |tower| tower.layers * (12 * width + tower.heads * tower.events));
        // Projections and heads: a dozen layers of D×D.
        attention
            + width
                * (inputs
                    + self.hash_bits
                    + self.signatures * self.signature_bits
                    + codes
                    + self.distance_rows
                    + 66
                    + tower
                    + 14 * width)
    }

    /// Checks the settings against each other and against the history's length L.
    ///
    /// # Errors
    /// Names the field that cannot work.
    pub fn validate(&self, history_length: usize) -> Result<()> {
        let fail = |field, message: String| Err(Error::Config { field, message });
        let positive = [
            ("width", self.width),
            ("heads", self.heads),
            ("top_k", self.top_k),
            ("stage_one_top_k", self.stage_one_top_k),
            ("hash_bits", self.hash_bits),
            ("signatures", self.signatures),
            ("signature_bits", self.signature_bits),
            ("text_width", self.text_width),
            ("image_width", self.image_width),
            ("centroids", self.centroids),
            ("alignment_rows", self.alignment_rows),
        ];
        if let Some((field, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return fail(field, "must be at least 1".into());
        }
        for (field, value, most) in self.bounds() {
            if value > most {
                return fail(field, format!("{value} is over {most}"));
            }
        }
        if let Some(tower) = &self.short_term {
            tower.validate(self.width)?;
        }
        let weights = self.most_weights();
        if weights > MOST_WEIGHTS {
            let message = format!(
                "{} with {} heads asks for a model of {weights} weights; {MOST_WEIGHTS} are the most",
                self.width, self.heads
            );
            return fail("width", message);
        }
        if self.top_k > history_length {
            return fail(
                "top_k",
                format!("{} is more than the history's {history_length} events", self.top_k),
            );
        }
        if self.stage_one_top_k < self.top_k {
            let (first, second) = (self.stage_one_top_k, self.top_k);
            return fail(
                "stage_one_top_k",
                format!("{first} is fewer than the {second} that stage two keeps"),
            );
        }
        if self.modalities.iter().all(|&m| m == ModalityKind::Query) {
            return fail("modalities", "one of id, text, image and attribute is needed".into());
        }
        if (1..self.modalities.len()).any(|i| self.modalities[..i].contains(&self.modalities[i])) {
            return fail("modalities", "one is named twice".into());
        }
        if !(0.0..=1.0).contains(&self.query_weight) {
            return fail("query_weight", format!("{} is not between 0 and 1", self.query_weight));
        }
        if !self.switches.mask_padding && (self.distance_rows > 0 || self.time_rows) {
            return fail("distance_rows", "rows by distance or time need the switch mask_padding".into());
        }
        let quantised = self.soft_search == SoftSearch::MultiPq;
        if quantised && (self.sub_vectors == 0 || !self.width.is_multiple_of(self.sub_vectors)) {
            return fail(
                "sub_vectors",
                format!("{} does not divide the width {}", self.sub_vectors, self.width),
            );
        }
        for (field, share) in [("dropout", self.dropout), ("id_dropout", self.id_dropout)] {
            if !(0.0..1.0).contains(&share) {
                return fail(field, format!("{share} is not between 0 and 1"));
            }
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return fail("temperature", format!("{} is not above 0 and finite", self.temperature));
        }
        if !(self.tower_weight.is_finite() && self.tower_weight >= 0.0) {
            return fail("tower_weight", format!("{} is negative or not finite", self.tower_weight));
        }
        if self.pretrain_weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) {
            return fail("pretrain_weights", "weights are finite and not negative".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretraining_needs_a_loss() {
        use ModalityKind::{Id, Query, Text};
        let check = |pretrain_weights, modalities: &[ModalityKind]| {
            let modalities = modalities.to_vec();
            ModelConfig { pretrain_weights, modalities, ..ModelConfig::default() }.validate_pretraining()
        };
        for weights in [[1.0; 3], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]] {
            check(weights, &[Id, Query]).unwrap();
        }
        check([0.0, 1.0, 0.0], &[Id, Query, Text]).unwrap();
        let nothing = check([0.0, 1.0, 0.0], &[Id, Query]).unwrap_err().to_string();
        assert!(nothing.contains("nothing to align"), "{nothing}");
        assert!(check([0.0; 3], &[Id, Text]).is_err());
    }

    #[test]
    fn errors_name_their_field() {
        let field_of = |change: fn(&mut ModelConfig)| {
            let mut config = ModelConfig::default();
            change(&mut config);
            match config.validate(100) {
                Err(Error::Config { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert!(ModelConfig::default().validate(100).is_ok());
        assert_eq!(field_of(|c| c.top_k = 101), "top_k");
        assert_eq!(field_of(|c| c.heads = 0), "heads");
        assert_eq!(field_of(|c| c.modalities = vec![ModalityKind::Query]), "modalities");
        assert_eq!(field_of(|c| c.stage_one_top_k = 3), "stage_one_top_k");
        assert_eq!(field_of(|c| c.query_weight = 1.5), "query_weight");
        assert_eq!(field_of(|c| c.heads = 1 << 40), "heads");
        assert_eq!(field_of(|c| c.text_width = usize::MAX), "text_width");
        assert_eq!(field_of(|c| c.hash_bits = 1 << 30), "hash_bits");
        assert_eq!(field_of(|c| c.centroids = 1 << 20), "centroids");
        assert_eq!(field_of(|c| c.alignment_rows = usize::MAX), "alignment_rows");
        for width in [1 << 20, usize::MAX] {
            let wide = ModelConfig { width, ..ModelConfig::default() };
            assert!(wide.validate(100).unwrap_err().to_string().contains(&width.to_string()));
        }
        // Each within its bound, but not together.
        let large = ModelConfig { width: 8192, heads: 200, ..ModelConfig::default() };
        let error = large.validate(100).unwrap_err().to_string();
        assert!(error.contains("weights") && error.contains("8192") && error.contains("200"), "{error}");
        let large = ModelConfig { width: 1024, heads: 16, text_width: 4096, ..ModelConfig::default() };
        large.validate(100).unwrap();
        let uneven = |c: &mut ModelConfig| {
            c.soft_search = SoftSearch::MultiPq;
            c.sub_vectors = 7;
        };
        assert_eq!(field_of(uneven), "sub_vectors");
        assert_eq!(field_of(|c| c.temperature = f64::INFINITY), "temperature");
    }
}
