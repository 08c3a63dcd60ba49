//! The switches between published and repaired behaviour.

use serde::{Deserialize, Serialize};

/// Which repairs of the published code are on. Each field names what `true` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Q, K and V of the attention are trained; published: they stay as drawn.
    pub train_attention: bool,
    /// Padding is never selected nor attended to; published: it competes, and enters as zero rows.
    pub mask_padding: bool,
    /// Relevance is InfoNCE; published: pos / neg is minimised, which pushes matching pairs apart.
    pub contrastive_relevance: bool,
    /// Alignment is symmetric InfoNCE over real rows; published: soft targets over all rows.
    pub contrastive_alignment: bool,
    /// SEMINAR's projections start at the identity, and all are used in pretraining; published: random ones, and
    /// text and image enter pretraining unprojected.
    pub identity_projections: bool,
    /// Search and attention start as a comparison of embeddings: identity added to the random Q, K, V, and a mean of
    /// heads to the output; published: random alone, which takes thousands of steps to see anything.
    pub identity_attention: bool,
    /// SIM's stage one is a softmax over real rows; published: raw scores over all rows.
    pub normalised_stage_one: bool,
    /// QIN attends over pairs and learns its stage one; published: ids only, a random stage one.
    pub pair_query_network: bool,
    /// Codebooks are trained and targets are not quantised; published: random codes, equal codes counted.
    pub trained_codebooks: bool,
    /// The head adds the inner product of user vector and target to its logit, which a layer of 64 units on their
    /// concatenation learns slowly; published: the layer alone.
    pub interaction: bool,
    /// Cross-entropy of logits; published: sigmoid first, logarithms clamped at −100.
    pub logits_loss: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self::all(true)
    }
}

impl Switches {
    /// The published code, bug for bug.
    pub fn reference() -> Self {
        Self::all(false)
    }

    fn all(on: bool) -> Self {
        Self {
            train_attention: on,
            mask_padding: on,
            contrastive_relevance: on,
            contrastive_alignment: on,
            identity_projections: on,
            identity_attention: on,
            normalised_stage_one: on,
            pair_query_network: on,
            trained_codebooks: on,
            interaction: on,
            logits_loss: on,
        }
    }
}
