//! MUSE ([arXiv 2512.07216](https://arxiv.org/abs/2512.07216)): frozen multi-modal vectors search a long history and enter the attention
//! beside trained ones.
//!
//! ```text
//! frozen text, image ─ cosine ─ GSU: top K ─┬─ histogram of the K cosines (SimTier) ─ layers ─┐
//! tables ─ gate or sum ─ pair fusion ───────┴─ ESU: scores of both kinds ─ head ──────────────┴─ + ─ logit
//! ```
//!
//! Departures from the paper: a short-term tower takes the place of its attention over the newest events, and the histogram adds to the
//! logit through layers of its own; it has no 22nd bin for cosines that rounding puts above 1. Data without frozen vectors is compared by the item vectors as they are trained. Cost per
//! candidate: `L·(text + image width)` multiply-adds for the search, `H·L·D` twice for the attention.
//!
//! In formulas:
//!
//! ```text
//! f     = the unit vectors of text and image, one behind the other, again of length 1
//! c_l   = f(x_l) · f(t)
//! S     = the K events of largest c_l, of equal ones the more recent
//! s_hl  = score_mix₀ · q_hl + score_mix₁ · c_l / τ + score_mix₂ · q_hl · c_l / τ, q_hl the attention's own score over √D, τ = 0.1
//! tiers = log(1 + how many of the c_l − 10⁻⁵ in S lie in (j/10 − 1.1, j/10 − 1]), j from 0 to 20
//! logit = head(Σ of values by softmax(s_hl) over S, t) + tier_layers.2(relu(tier_layers.0(tiers)))
//! ```

use std::ops::Range;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::gsu::{Product, scan::host_rows};
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{Retrieval, Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{
    Head, PairEncoder, Pairs, Projected, Selection, ShortTerm, TargetAttention, attention_weights,
    select_top_k,
};

/// Bins of the histogram.
const TIERS: usize = 21;
/// τ: cosines lie close together, so they are spread.
const TEMPERATURE: f64 = 0.1;
/// Taken from cosines before they are put into bins: those of equal vectors are 1 but for rounding.
const ROUNDING: f32 = 1e-5;
/// Without a tape so many scores are computed at once, a few users at a time.
const MOST_SCORES: usize = 1 << 23;

/// Embedding → cosine of frozen vectors, top K → attention by both kinds of scores → head, and the histogram's layers.
#[derive(Module, Debug)]
pub struct Muse {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// The exact search unit.
    pub attention: TargetAttention,
    /// Weights of trained scores, of cosines and of their product, `[3]`.
    pub mix: Param<Tensor<1>>,
    /// Histogram to D.
    pub tier_hidden: Linear,
    /// D to 1.
    pub tier_output: Linear,
    /// The short-term tower, if any.
    pub short_term: Option<ShortTerm>,
    /// The output.
    pub head: Head,
    #[module(skip)]
    config: ModelConfig,
}

/// What the search finds.
struct Found {
    projected: Projected,
    /// Cosines, `[B, C, 1, L]`.
    cosines: Tensor<4>,
    selection: Selection,
    /// Scores of the attention before its own scale, `[B, C, H, L]`.
    scores: Tensor<4>,
    /// As for [`TargetAttention::attend`].
    any: Tensor<3>,
}

impl Muse {
    /// f of unique events, `[U, X]`; `plain` are their pair vectors.
    fn frozen(&self, unique: &UniqueEvents, plain: &Tensor<2>) -> Tensor<2> {
        let modalities = [(ModalityKind::Text, &unique.text), (ModalityKind::Image, &unique.image)];
        let seen = modalities.into_iter().filter(|(kind, _)| self.config.has(*kind));
        let parts: Vec<_> =
            seen.filter_map(|(_, modality)| Some(unit(modality.as_ref()?.rows.clone()))).collect();
        match parts.is_empty() {
            true => unit(plain.clone().detach()),
            false => unit(Tensor::cat(parts, 1)),
        }
    }

    /// Search, and the scores of the events.
    fn find(&self, pairs: &Pairs<'_>) -> Found {
        let Pairs { history, candidates, .. } = pairs;
        let search = Product::new(
            self.frozen(&candidates.unique, &pairs.targets),
            self.frozen(&history.unique, &pairs.plain),
        );
        let seen = pairs.seen();
        let cosines = search.relevance(history, candidates);
        let selection =
            select_top_k(&cosines, history, self.config.top_k, self.attention.masks_padding(), seen.as_ref());
        let projected =
            self.attention.project(history, pairs.events.clone(), candidates, pairs.targets.clone());
        let mix = |at: usize| self.mix.val().narrow(0, at, 1).reshape([1, 1, 1, 1]);
        // The attention divides its scores by √D; cosines are not to be.
        let (trained, scale) = (projected.relevance(), (self.config.width as f64).sqrt());
        let spread = cosines.clone() / TEMPERATURE;
        let scores = trained.clone() * mix(0) + spread.clone() * mix(1) * scale + trained * spread * mix(2);
        Found { projected, cosines, selection, scores, any: pairs.any(seen.as_ref()) }
    }

    /// What the histogram adds to logits, `[B, C]`.
    fn tiers(&self, found: &Found) -> Tensor<2> {
        let [batch, count, _, length] = found.cosines.dims();
        let cosines = host_rows(&found.cosines.clone().detach().reshape([batch * count, length]));
        let [users, sets, _, _] = found.selection.bias.dims();
        let kept = host_rows(&found.selection.bias.clone().reshape([users * sets, length]));
        let mut tiers = vec![0.0f32; batch * count * TIERS];
        for (at, (cosines, tiers)) in
            cosines.chunks_exact(length).zip(tiers.chunks_exact_mut(TIERS)).enumerate()
        {
            // A selection may be one for all candidates of a user.
            let set = if sets == 1 { at / count } else { at };
            let kept = &kept[set * length..][..length];
            for (&cosine, _) in cosines.iter().zip(kept).filter(|(_, bias)| **bias == 0.0) {
                let tier = (10.0 * (cosine - ROUNDING)).ceil() as i32 + 10;
                tiers[tier.clamp(0, TIERS as i32 - 1) as usize] += 1.0;
            }
            tiers.iter_mut().for_each(|count| *count = count.ln_1p());
        }
        let tiers =
            Tensor::<2>::from_data(TensorData::new(tiers, [batch * count, TIERS]), &found.cosines.device());
        self.tier_output.forward(relu(self.tier_hidden.forward(tiers))).reshape([batch, count])
    }

    /// The attended vectors and the histogram's part of the logits; with a tape also what was found.
    fn attend(&self, pairs: &Pairs<'_>, taped: bool) -> (Tensor<2>, Retrieval) {
        let found = self.find(pairs);
        let tiers = self.tiers(&found);
        let Found { projected, cosines, selection, scores, any } = found;
        let attended = self.attention.attend(projected, Some(scores), &selection, any);
        let (relevance, selection) = if taped { (Some(cosines), Some(selection)) } else { (None, None) };
        (tiers, Retrieval { attended, relevance, selection })
    }

    /// Users whose scores, `most` of them or those of one user, are computed at once.
    fn chunks(&self, pairs: &Pairs<'_>, most: usize) -> Vec<Range<usize>> {
        let ([batch, length], [_, count]) = (pairs.history.dims(), pairs.candidates.dims());
        let each = (most / (count * length * self.config.heads).max(1)).max(1);
        (0..batch).step_by(each).map(|first| first..batch.min(first.saturating_add(each))).collect()
    }
}

/// Rows of length 1; zero rows stay.
fn unit(rows: Tensor<2>) -> Tensor<2> {
    let lengths = rows.clone().powf_scalar(2.0).sum_dim(1).sqrt().clamp_min(1e-12);
    rows / lengths
}

impl SequenceModel for Muse {
    type Config = ModelConfig;

    fn init(config: &ModelConfig, device: &Device) -> Result<Self> {
        config.validate(usize::MAX)?;
        let init = &mut Init::new(config.seed, device);
        Ok(Self {
            pair: config.pair().draw(init),
            attention: config.attention().draw(init),
            mix: Param::from_data(TensorData::new(vec![1.0f32, 1.0, 0.0], [3]), device),
            tier_hidden: init.uniform(TIERS, config.width, true),
            tier_output: init.zero(config.width, 1),
            head: config.head().draw(init),
            short_term: config.short_term(init),
            config: config.clone(),
        })
    }

    shared_methods!(self, items => self.pair.recommended(self.pair.items(items)), frozen as they are);

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.encode(history, candidates);
        let taped = pairs.events.device().is_autodiff();
        let most = if taped { usize::MAX } else { MOST_SCORES };
        let chunks = self.chunks(&pairs, most);
        let parts = chunks.into_iter().map(|users| {
            let (history, candidates) = (history.of_users(users.clone()), candidates.of_users(users));
            let part = Pairs {
                history: &history,
                candidates: &candidates,
                events: pairs.events.clone(),
                plain: pairs.plain.clone(),
                targets: pairs.targets.clone(),
            };
            self.attend(&part, taped)
        });
        let (tiers, retrievals): (Vec<_>, Vec<_>) = parts.unzip();
        let attended = Tensor::cat(retrievals.iter().map(|part| part.attended.clone()).collect(), 0);
        let whole = retrievals.into_iter().next().filter(|_| taped);
        let retrieval =
            whole.unwrap_or(Retrieval { attended: attended.clone(), relevance: None, selection: None });
        let states = ShortTerm::read(&self.short_term, &pairs);
        let logits = self.head.answer(attended, states.as_ref(), &pairs) + Tensor::cat(tiers, 0);
        Scores { logits, gsu_logits: None, retrieval: Some(retrieval), states }
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let pairs = self.pair.encode(history, candidates);
        let Found { selection, scores, any, .. } = self.find(&pairs);
        let weights =
            attention_weights(scores, self.config.width, &selection).mean_dim(2).squeeze_dim::<3>(2);
        Some(if self.attention.masks_padding() { weights * any } else { weights })
    }
}
