//! SDIM ([arXiv 2205.10249](https://arxiv.org/abs/2205.10249)): no search and no scores. Events that fall into the target's hash buckets
//! are summed, which stands for attention over all of a long history.
//!
//! ```text
//! tables ─ gate or sum ─ pair fusion ─ signatures of R bits ─ events with the target's signature ─ mean of the unit sums ─ head
//! ```
//!
//! A user's buckets are filled once, so a candidate costs `G·D` additions however long the history is. With a tape the same numbers come
//! from tensors, as candidates in one pass see different events. Departures from the paper: the short-term tower takes the place of its
//! attention over the newest events.
//!
//! In formulas:
//!
//! ```text
//! signature_g(x) = bits g·R to g·R + R of the hash of x, g < G
//! sum_g          = Σ of the x_l with signature_g(x_l) = signature_g(t)
//! u              = 1/G · Σ_g sum_g / |sum_g|, 0 for an empty sum
//! logit          = head(u, t)
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents, host_bools, host_integers};
use crate::gsu::scan::host_rows;
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{HashBits, Head, PairEncoder, Pairs, ShortTerm};
use crate::pooling::presence;

/// Square of the length below which a sum counts as empty.
const LEAST: f32 = 1e-12;

/// Embedding → hash → sums of colliding events → head.
#[derive(Module, Debug)]
pub struct Sdim {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// The projection, never trained.
    pub hash: HashBits,
    /// The short-term tower, if any.
    pub short_term: Option<ShortTerm>,
    /// The output.
    pub head: Head,
    #[module(skip)]
    config: ModelConfig,
}

impl Sdim {
    /// Signatures of vectors `[U, D]`: `[U, G]`.
    fn signatures(&self, rows: &Tensor<2>) -> Vec<u32> {
        let bits = host_rows(&self.hash.bits(rows.clone()));
        let number = |bits: &[f32]| bits.iter().fold(0, |number, &bit| 2 * number + u32::from(bit > 0.0));
        bits.chunks_exact(self.config.signature_bits).map(number).collect()
    }

    /// 1 where an event that a candidate sees has its signature, `[B, C, G, L]`.
    fn matches(&self, pairs: &Pairs<'_>) -> Tensor<4> {
        let ([batch, length], [_, count]) = (pairs.history.dims(), pairs.candidates.dims());
        let groups = self.config.signatures;
        let (events, targets) = (self.signatures(&pairs.events), self.signatures(&pairs.targets));
        let (history, candidates) =
            (host_integers(&pairs.history.inverse), host_integers(&pairs.candidates.inverse));
        let mut equal = vec![0.0f32; batch * count * groups * length];
        equal.par_chunks_exact_mut(groups * length).zip(candidates).enumerate().for_each(
            |(at, (equal, target))| {
                let own = &targets[target as usize * groups..][..groups];
                for (l, &event) in history[at / count * length..][..length].iter().enumerate() {
                    let theirs = &events[event as usize * groups..][..groups];
                    for (group, _) in own.iter().zip(theirs).enumerate().filter(|(_, (a, b))| a == b) {
                        equal[group * length + l] = 1.0;
                    }
                }
            },
        );
        let (any, bias) = presence(pairs);
        let equal =
            Tensor::<4>::from_data(TensorData::new(equal, [batch, count, groups, length]), &any.device());
        equal * bias.equal_elem(0.0).float()
    }

    /// u with a tape, `[B, C, D]`.
    fn sums(&self, pairs: &Pairs<'_>) -> Tensor<3> {
        let matches = self.matches(pairs);
        let [batch, count, groups, length] = matches.dims();
        let events = pairs.history.place(pairs.events.clone());
        let sums = matches.reshape([batch, count * groups, length]).matmul(events);
        let squares = sums.clone().powf_scalar(2.0).sum_dim(2);
        let there = squares.clone().greater_equal_elem(LEAST).float();
        let units = sums / squares.clamp_min(LEAST).sqrt() * there;
        units.reshape([batch, count, groups, self.config.width]).mean_dim(2).squeeze_dim(2)
    }

    /// u without a tape, from buckets that are filled once a user.
    fn buckets(&self, pairs: &Pairs<'_>) -> Tensor<3> {
        let ([_, length], [batch, count]) = (pairs.history.dims(), pairs.candidates.dims());
        let (groups, width, sizes) =
            (self.config.signatures, self.config.width, 1 << self.config.signature_bits);
        let (events, targets) = (self.signatures(&pairs.events), self.signatures(&pairs.targets));
        let (history, candidates) =
            (host_integers(&pairs.history.inverse), host_integers(&pairs.candidates.inverse));
        let (mask, rows) = (host_bools(&pairs.history.mask), host_rows(&pairs.events));
        let mut all = vec![0.0f32; batch * count * width];
        let users = all.par_chunks_exact_mut(count * width).enumerate();
        users.for_each_init(Vec::new, |sums: &mut Vec<f32>, (user, out)| {
            sums.clear();
            sums.resize(groups * sizes * width, 0.0);
            for at in (user * length..(user + 1) * length).filter(|&at| mask[at]) {
                let event = history[at] as usize;
                let row = &rows[event * width..][..width];
                for (group, &signature) in events[event * groups..][..groups].iter().enumerate() {
                    let sum = &mut sums[(group * sizes + signature as usize) * width..][..width];
                    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
            }
            for sum in sums.chunks_exact_mut(width) {
                let square = sum.iter().map(|x| x * x).sum::<f32>();
                let scale = if square >= LEAST { 1.0 / (square.sqrt() * groups as f32) } else { 0.0 };
                sum.iter_mut().for_each(|x| *x *= scale);
            }
            let candidates = &candidates[user * count..][..count];
            for (&target, out) in candidates.iter().zip(out.chunks_exact_mut(width)) {
                let own = targets[target as usize * groups..][..groups].iter().enumerate();
                for (group, &signature) in own {
                    let sum = &sums[(group * sizes + signature as usize) * width..][..width];
                    out.iter_mut().zip(sum).for_each(|(out, x)| *out += x);
                }
            }
        });
        Tensor::from_data(TensorData::new(all, [batch, count, width]), &pairs.events.device())
    }
}

impl SequenceModel for Sdim {
    type Config = ModelConfig;

    fn init(config: &ModelConfig, device: &Device) -> Result<Self> {
        config.validate(usize::MAX)?;
        let init = &mut Init::new(config.seed, device);
        Ok(Self {
            pair: config.pair().draw(init),
            hash: config.signature_hash().draw(init),
            head: config.head().draw(init),
            short_term: config.short_term(init),
            config: config.clone(),
        })
    }

    shared_methods!(self, items => self.pair.recommended(self.pair.items(items)));

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.encode(history, candidates);
        let taped = pairs.events.device().is_autodiff() || candidates.sees.is_some();
        let user = if taped { self.sums(&pairs) } else { self.buckets(&pairs) };
        let states = ShortTerm::read(&self.short_term, &pairs);
        Scores {
            states: states.clone(),
            ..Scores::of_logits(self.head.answer(user, states.as_ref(), &pairs))
        }
    }
}
