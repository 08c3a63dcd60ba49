//! The published code's numbers, reproduced in reference mode: inputs, every stage, losses and gradients.

mod support;

use std::collections::BTreeSet;

use burn::tensor::{Tensor, TensorData};
use seminar_models::parts::Selection;
use seminar_models::{
    Base, Eta, Events, ModelConfig, ModelKind, Qin, Retrieval, Seminar, SequenceModel, Sim, SoftSearch, Twin,
};
use support::{Golden, values};

const STAGE: f32 = 1e-4;

/// Fused embeddings of history and positive.
fn check_fused(golden: &Golden, history: Tensor<2>, candidates: Tensor<2>, events: [&Events; 2]) {
    golden.check("mid.base_fused_seq", events[0].place(history), STAGE);
    golden.check("mid.base_fused_pos", events[1].place(candidates).narrow(1, 0, 1), STAGE);
}

fn check_attended(golden: &Golden, attended: &Tensor<3>) {
    let [_, count, _] = attended.dims();
    golden.check("mid.pos.esu_out", attended.clone().narrow(1, 0, 1), STAGE);
    golden.check("mid.neg.esu_out", attended.clone().narrow(1, 1, count - 1), STAGE);
}

/// Scoring without a tape is another implementation: it has to find the same numbers.
fn check_scan<M: SequenceModel>(golden: &Golden, model: &M) {
    let plain = golden.without_tape();
    let scores = model.valid().score(&plain.history(), &plain.candidates());
    let search = scores.retrieval.unwrap();
    assert!(search.relevance.is_none(), "this is the pass without a tape");
    check_attended(golden, &search.attended);
    let count = scores.logits.dims()[1];
    golden.check("out.logits_pos", scores.logits.clone().narrow(1, 0, 1), STAGE);
    golden.check("out.logits_neg", scores.logits.narrow(1, 1, count - 1), STAGE);
}

/// Scores of the positive, a head at a time.
fn check_relevance(golden: &Golden, search: &Retrieval) {
    let relevance = search.relevance.as_ref().unwrap();
    for head in 0..relevance.dims()[2] {
        let scores = relevance.clone().narrow(2, head, 1).narrow(1, 0, 1);
        let name = format!("mid.pos.gsu_scores.{head}");
        if golden.has(&name) {
            golden.check(&name, scores, STAGE);
        } else {
            let recorded = golden.integers(&name).1;
            assert_eq!(values(scores).iter().map(|&s| s as u32).collect::<Vec<_>>(), recorded, "{name}");
        }
    }
}

/// Recorded positions of candidate `c` (0 is the positive) and stage or head `i`, a row a user.
fn recorded(golden: &Golden, c: usize, i: usize) -> Vec<Vec<u32>> {
    let name =
        if c == 0 { format!("mid.pos.topk_idx.{i}") } else { format!("mid.neg.{}.topk_idx.{i}", c - 1) };
    let (shape, positions) = golden.integers(&name);
    positions.chunks(shape[1]).map(<[u32]>::to_vec).collect()
}

/// Our choice has the recorded scores, and the recorded events: only among padding, which ties, it may differ.
fn check_positions(golden: &Golden, search: &Retrieval, ties: bool) {
    let relevance = search.relevance.clone().unwrap();
    let [_, count, heads, length] = relevance.dims();
    let scores = values(relevance);
    let ids = golden.integers("in.input_ids").1;
    let ours = search.selection.as_ref().unwrap().positions();
    for c in 0..count {
        for h in 0..heads {
            for (b, theirs) in recorded(golden, c, h).iter().enumerate() {
                let row = (b * count + c) * heads + h;
                let score = |l: usize| scores[row * length + l];
                let sorted = |mut s: Vec<f32>| {
                    s.sort_by(f32::total_cmp);
                    s
                };
                let (a, z) = (
                    sorted(ours[row].iter().map(|&l| score(l)).collect()),
                    sorted(theirs.iter().map(|&l| score(l as usize)).collect()),
                );
                assert_eq!(a.len(), z.len(), "{}: user {b}, candidate {c}, head {h}", golden.name);
                for (x, y) in a.iter().zip(&z) {
                    assert!(
                        (x - y).abs() <= STAGE * y.abs().max(1.0),
                        "{}: user {b}, candidate {c}, head {h}: {x} {y}",
                        golden.name
                    );
                }
                let real = |l: usize| ids[b * length + l] != 0;
                let mine: BTreeSet<usize> = ours[row].iter().copied().filter(|&l| real(l)).collect();
                let recorded: BTreeSet<usize> =
                    theirs.iter().map(|&l| l as usize).filter(|&l| real(l)).collect();
                assert!(ties || mine == recorded, "{}: user {b}, candidate {c}, head {h}", golden.name);
            }
        }
    }
}

/// Logits, loss and gradients.
fn check_outputs<M: SequenceModel>(golden: &Golden, model: &M, logits: Tensor<2>, loss: Tensor<1>) {
    let count = logits.dims()[1];
    golden.check("out.logits_pos", logits.clone().narrow(1, 0, 1), STAGE);
    golden.check("out.logits_neg", logits.narrow(1, 1, count - 1), STAGE);
    golden.check("out.loss", loss.clone(), STAGE);
    golden.check_gradients(model, &loss.backward(), "grad.");
}

fn check_model<M: SequenceModel>(golden: &Golden, model: &M, ties: bool) {
    let scores = model.score(&golden.history(), &golden.candidates());
    let (labels, real) = golden.labels();
    let search = scores.retrieval.clone().unwrap();
    check_relevance(golden, &search);
    check_positions(golden, &search, ties);
    check_attended(golden, &search.attended);
    let loss = model.loss(&scores, &labels, &real);
    check_outputs(golden, model, scores.logits, loss);
    if !ties {
        check_scan(golden, model);
    }
}

#[test]
fn base() {
    for golden in Golden::all(ModelKind::Base) {
        let model = golden.load(Base::init(&golden.config(), &golden.device).unwrap());
        let (history, candidates) = (golden.history(), golden.candidates());
        let [h, c] = [&history, &candidates].map(|events| model.pair.pairs(&events.unique));
        check_fused(&golden, h, c, [&history, &candidates]);
        let scores = model.score(&history, &candidates);
        check_attended(&golden, &scores.retrieval.as_ref().unwrap().attended);
        let (labels, real) = golden.labels();
        let loss = model.loss(&scores, &labels, &real);
        check_outputs(&golden, &model, scores.logits, loss);
        check_scan(&golden, &model);
    }
}

#[test]
fn sim() {
    for golden in Golden::all(ModelKind::Sim) {
        let model = golden.load(Sim::init(&golden.config(), &golden.device).unwrap());
        let (history, candidates) = (golden.history(), golden.candidates());
        let [h, c] = [&history, &candidates].map(|events| model.pair.pairs(&events.unique));
        check_fused(&golden, h, c, [&history, &candidates]);
        let stage_one = model.score(&history, &candidates).gsu_logits.unwrap();
        let count = stage_one.dims()[1];
        golden.check("out.stage1_logits_pos", stage_one.clone().narrow(1, 0, 1), STAGE);
        golden.check("out.stage1_logits_neg", stage_one.narrow(1, 1, count - 1), STAGE);
        check_model(&golden, &model, false);
    }
}

#[test]
fn eta() {
    for golden in Golden::all(ModelKind::Eta) {
        let model = golden.load(Eta::init(&golden.config(), &golden.device).unwrap());
        let (history, candidates) = (golden.history(), golden.candidates());
        let [pairs, targets] = [&history, &candidates].map(|events| model.pair.pairs(&events.unique));
        check_fused(&golden, pairs.clone(), targets.clone(), [&history, &candidates]);

        let array = golden.array("in.hash_input");
        let input: Tensor<3> = support::tensor(array, &golden.device);
        let bits: Vec<u32> = values(model.hash.bits(input.flatten(0, 1))).iter().map(|&b| b as u32).collect();
        assert_eq!(bits, golden.integers("out.hash_bits").1);

        // Whole numbers tie among events: our choice is a valid one, and the recorded one gives what follows.
        let search = model.score(&history, &candidates).retrieval.unwrap();
        check_relevance(&golden, &search);
        check_positions(&golden, &search, true);
        let [batch, count, _, length] = search.relevance.as_ref().unwrap().dims();
        let mut bias = vec![-1e9f32; batch * count * length];
        for c in 0..count {
            for (b, positions) in recorded(&golden, c, 0).iter().enumerate() {
                positions.iter().for_each(|&l| bias[(b * count + c) * length + l as usize] = 0.0);
            }
        }
        let bias = Tensor::from_data(TensorData::new(bias, [batch, count, 1, length]), &golden.device);
        let projected = model.attention.project(&history, pairs, &candidates, targets.clone());
        let projected = projected.with_zero_rows(&history);
        let any = history.float_mask().max_dim(1).unsqueeze_dim(2);
        let attended = model.attention.attend(projected, None, &Selection { bias }, any);
        let logits = model.head.forward(attended.clone(), candidates.place(targets));
        check_attended(&golden, &attended);
        let (labels, real) = golden.labels();
        let scores = seminar_models::Scores::of_logits(logits.clone());
        let loss = model.loss(&scores, &labels, &real);
        check_outputs(&golden, &model, logits, loss);
    }
}

#[test]
fn qin() {
    for golden in Golden::all(ModelKind::Qin) {
        let model = golden.load(Qin::init(&golden.config(), &golden.device).unwrap());
        let (history, candidates) = (golden.history(), golden.candidates());
        golden.check("mid.seq_id_emb", history.place(history.unique.item.clone()), STAGE);
        golden.check("mid.seq_query_emb", history.place(history.unique.query.clone()), STAGE);

        let gsu = model.gsu(&history.unique, &candidates.unique);
        let by_query = gsu.by_query.relevance(&history, &candidates);
        let by_item = gsu.by_item.relevance(&history, &candidates);
        let first = gsu.query_stage(&history, &candidates, false, None);
        golden.check("mid.pos.gsu_scores.0", by_query.clone().narrow(1, 0, 1), STAGE);
        let [_, count, _, length] = by_item.dims();
        let ids = golden.integers("in.input_ids").1;
        let first = first.positions();
        let search = model.score(&history, &candidates).retrieval.unwrap();
        let second = search.selection.as_ref().unwrap().positions();
        let item_scores = values(by_item);
        for c in 0..count {
            let (stage_one, stage_two) = (recorded(&golden, c, 0), recorded(&golden, c, 1));
            for b in 0..stage_one.len() {
                // The model sees ids alone: two events of one item tie, so ids are compared, each as often as chosen.
                let set = |positions: &mut dyn Iterator<Item = usize>| {
                    let mut items: Vec<u32> =
                        positions.map(|l| ids[b * length + l]).filter(|&id| id != 0).collect();
                    items.sort_unstable();
                    items
                };
                let row = b * count + c;
                assert_eq!(
                    set(&mut first[row].iter().copied()),
                    set(&mut stage_one[b].iter().map(|&l| l as usize))
                );
                // Stage two indexes into stage one's choice; padding was zeroed there, and ties.
                let chosen = stage_two[b].iter().map(|&k| stage_one[b][k as usize] as usize);
                assert_eq!(set(&mut second[row].iter().copied()), set(&mut chosen.clone()));
                if c == 0 {
                    let scores = golden.array("mid.pos.gsu_scores.1");
                    let width = scores.shape[1];
                    for (k, &l) in stage_one[b].iter().enumerate() {
                        let (ours, theirs) =
                            (item_scores[row * length + l as usize], scores.values[b * width + k]);
                        assert!(
                            (ours - theirs).abs() <= STAGE * theirs.abs().max(1.0),
                            "stage two: {ours} {theirs}"
                        );
                    }
                }
            }
        }
        check_attended(&golden, &search.attended);
        let scores = model.score(&history, &candidates);
        let (labels, real) = golden.labels();
        let loss = model.loss(&scores, &labels, &real);
        check_outputs(&golden, &model, scores.logits, loss);
        check_scan(&golden, &model);
    }
}

#[test]
fn twin() {
    for golden in Golden::all(ModelKind::Twin) {
        let model = golden.load(Twin::init(&golden.config(), &golden.device).unwrap());
        let (history, candidates) = (golden.history(), golden.candidates());
        let [h, c] = [&history, &candidates].map(|events| model.pair.pairs(&events.unique));
        check_fused(&golden, h, c, [&history, &candidates]);
        check_model(&golden, &model, false);
    }
}

#[test]
fn seminar() {
    for golden in Golden::all(ModelKind::Seminar) {
        let model = golden.load(Seminar::init(&golden.config(), &golden.device).unwrap());
        let (history, candidates) = (golden.history(), golden.candidates());
        let [h, c] = [&history, &candidates].map(|events| model.encode_early(events));
        check_fused(&golden, h, c, [&history, &candidates]);
        golden.check("mid.projected_fused_seq", history.place(model.encode_pairs(&history)), STAGE);
        check_model(&golden, &model, false);
    }
}

#[test]
fn seminar_pretraining() {
    for golden in Golden::all(ModelKind::Seminar) {
        let model = golden.load(Seminar::init(&golden.config(), &golden.device).unwrap());
        let losses =
            model.pretraining_in_chunks(&golden.pretrain_batch(), golden.number("in.alignment_chunks"));
        golden.check("out.pretrain_loss_next_pair", losses.next_pair, STAGE);
        if golden.multimodal() {
            golden.check("out.pretrain_loss_alignment", losses.alignment, STAGE);
        } else {
            assert_eq!(values(losses.alignment), [0.0]);
        }
        golden.check("out.pretrain_loss_relevance", losses.relevance, STAGE);
        golden.check("out.pretrain_loss", losses.joint.clone(), STAGE);
        golden.check_gradients(&model, &losses.joint.backward(), "pretrain_grad.");
    }
}

#[test]
fn seminar_codes() {
    for golden in Golden::all(ModelKind::Seminar) {
        let books = golden.array("weight.codebook_emb").shape.clone();
        let config = ModelConfig {
            soft_search: SoftSearch::MultiPq,
            sub_vectors: books[1],
            centroids: books[2],
            ..golden.config()
        };
        let mut model = Seminar::init(&config, &golden.device).unwrap();
        let codebooks = model.codebooks.as_mut().unwrap();
        codebooks.centroids = burn::module::Param::from_tensor(support::tensor(
            golden.array("weight.codebook_emb"),
            &golden.device,
        ));
        let input = golden.array("in.pq_input");
        let per_modality = input.values.len() / input.shape[0];
        let ours = (0..input.shape[0]).flat_map(|modality| {
            let rows = input.values[modality * per_modality..][..per_modality].to_vec();
            let rows = TensorData::new(rows, [per_modality / config.width, config.width]);
            codebooks.codes(modality, &Tensor::from_data(rows, &golden.device), true).unwrap()
        });
        let ours: Vec<u32> = ours.map(u32::from).collect();
        assert_eq!(ours, golden.integers("out.pq_codes").1);
    }
}
