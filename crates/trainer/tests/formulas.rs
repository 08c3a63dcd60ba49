//! The formulas of `docs/tensors.md`, computed number by number from an exported state dict, give the models' scores.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use proptest::prelude::*;
use seminar_dataset::{
    Batch, BatchConfig, BlockTimes, Corpus, EmbeddingTable, Embeddings, Numbered, Precision,
};
use seminar_models::parts::ShortTermConfig;
use seminar_models::weights::StateDict;
use seminar_models::{FusionKind, GateKind, ModalityKind, ModelConfig, ModelKind, SequenceModel, SoftSearch};
use seminar_trainer::{Modalities, Tables, TrainConfig, Trainer};

const D: usize = 6;
const ITEMS: u32 = 20;
const WORDS: u32 = 12;
const ATTRIBUTES: u32 = 7;
/// Length of histories.
const L: usize = 9;

type Row = Vec<f64>;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn plus(a: &[f64], b: &[f64]) -> Row {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn times(a: &[f64], scale: f64) -> Row {
    a.iter().map(|a| a * scale).collect()
}

fn softmax(scores: &[f64]) -> Row {
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let powers: Row = scores.iter().map(|score| (score - most).exp()).collect();
    times(&powers, 1.0 / powers.iter().sum::<f64>())
}

/// The K places of largest relevance, of equal ones the more recent.
fn top(relevance: &[f64], among: &[usize], k: usize) -> Vec<usize> {
    let mut places = among.to_vec();
    places.sort_by(|&a, &b| relevance[b].total_cmp(&relevance[a]).then(b.cmp(&a)));
    places.truncate(k);
    places
}

/// An item and the words of the query beside it.
type Event = (u32, Vec<u32>);

struct Naive<'a> {
    kind: ModelKind,
    config: &'a ModelConfig,
    state: &'a StateDict,
    corpus: &'a Corpus,
    text: &'a Embeddings,
    image: &'a Embeddings,
    /// When each event was, and the request.
    times: &'a [i64],
    request: i64,
}

impl Naive<'_> {
    fn row(&self, table: &str, row: usize) -> Row {
        let array = &self.state[&format!("{table}.weight")];
        let width = array.shape[1];
        array.values[row * width..][..width].iter().map(|&x| f64::from(x)).collect()
    }

    fn layer(&self, name: &str, x: &[f64]) -> Row {
        let outputs = self.state[&format!("{name}.weight")].shape[0];
        let bias = self.state.get(&format!("{name}.bias"));
        let bias = |at: usize| bias.map_or(0.0, |bias| f64::from(bias.values[at]));
        (0..outputs).map(|at| dot(&self.row(name, at), x) + bias(at)).collect()
    }

    fn mean(&self, table: &str, ids: &[u32]) -> Row {
        let sum = ids.iter().fold(vec![0.0; D], |sum, &id| plus(&sum, &self.row(table, id as usize)));
        times(&sum, 1.0 / ids.len().max(1) as f64)
    }

    /// The item modalities of an item with their presence.
    fn modalities(&self, item: u32) -> Vec<(ModalityKind, Row, bool)> {
        let frozen = |file: &Embeddings, layer: &str| {
            let mut values = vec![0.0; file.dim()];
            let present = file.read(item, &mut values);
            let values: Row = values.iter().map(|&x| f64::from(x)).collect();
            (if present { self.layer(layer, &values) } else { vec![0.0; D] }, present)
        };
        let order = [ModalityKind::Id, ModalityKind::Image, ModalityKind::Text, ModalityKind::Attribute];
        let of = |kind: ModalityKind| {
            let (row, present) = match kind {
                ModalityKind::Text => frozen(self.text, "text_emb_proj"),
                ModalityKind::Image => frozen(self.image, "image_emb_proj"),
                ModalityKind::Attribute => {
                    let list = self.corpus.attributes(item).unwrap_or_default();
                    let mean = self.mean("attribute_embeddings", list);
                    let count = if self.config.gate == GateKind::Sum { list.len() } else { 1 };
                    (times(&mean, count as f64), !list.is_empty())
                }
                ModalityKind::Id | ModalityKind::Query => (self.row("item_embeddings", item as usize), true),
            };
            (kind, row, present)
        };
        let all = order.into_iter().filter(|&kind| self.config.has(kind)).map(of);
        if self.kind != ModelKind::Seminar {
            return all.collect();
        }
        let projection = |kind| match kind {
            ModalityKind::Text => "G_item_text",
            ModalityKind::Image => "G_item_img",
            ModalityKind::Attribute => "G_item_attribute",
            ModalityKind::Id | ModalityKind::Query => "G_item_id",
        };
        all.map(|(kind, row, present)| (kind, self.layer(projection(kind), &row), present)).collect()
    }

    fn query(&self, words: &[u32]) -> Row {
        let mean = self.mean("query_keywords_embeddings", words);
        if self.kind == ModelKind::Seminar { self.layer("G_query", &mean) } else { mean }
    }

    fn gate(&self, modalities: &[(ModalityKind, Row, bool)]) -> Row {
        if modalities.len() == 1 && self.config.gate != GateKind::Sum {
            return modalities[0].1.clone();
        }
        if self.config.gate == GateKind::Sum {
            let weights = &self.state["modality_sum"].values;
            let parts = modalities.iter().zip(weights);
            return parts.fold(vec![0.0; D], |sum, ((_, row, _), &w)| plus(&sum, &times(row, f64::from(w))));
        }
        let context = match self.config.gate {
            GateKind::Sum => unreachable!("returned above"),
            GateKind::Global => {
                self.state["multi_modal_fusion_channel_emb"].values.iter().map(|&x| f64::from(x)).collect()
            }
            GateKind::PerEvent => {
                let sum = modalities.iter().fold(vec![0.0; D], |sum, (_, row, _)| plus(&sum, row));
                times(&sum, 1.0 / modalities.len() as f64)
            }
        };
        let logits = self.layer("multi_modal_fusion_gating_projection", &context);
        let there: Vec<usize> = (0..modalities.len()).filter(|&m| modalities[m].2).collect();
        let weights = softmax(&there.iter().map(|&m| logits[m]).collect::<Row>());
        there
            .iter()
            .zip(weights)
            .fold(vec![0.0; D], |sum, (&m, weight)| plus(&sum, &times(&modalities[m].1, weight)))
    }

    fn fusion(&self, query: &[f64], item: &[f64]) -> Row {
        if !self.config.has(ModalityKind::Query) {
            return item.to_vec();
        }
        let a = self.config.query_weight;
        match self.config.fusion {
            FusionKind::WeightedAverage => plus(&times(query, a), &times(item, 1.0 - a)),
            FusionKind::Add => plus(query, item),
            FusionKind::SoftmaxGate | FusionKind::GumbelGate => {
                let gates = softmax(&self.layer("pair_fusion_gate", item));
                plus(&times(query, gates[0]), &times(item, gates[1]))
            }
        }
    }

    fn pair(&self, (item, words): &Event) -> Row {
        self.fusion(&self.query(words), &self.gate(&self.modalities(*item)))
    }

    fn bits(&self, x: &[f64]) -> Vec<bool> {
        self.layer("hash_proj_matrix", x).into_iter().map(|x| x > 0.0).collect()
    }

    /// Each sub-vector replaced by its nearest centroid.
    fn decoded(&self, book: usize, x: &[f64]) -> Row {
        let array = &self.state["codebook_emb"];
        let &[_, parts, centroids, width] = &array.shape[..] else { panic!("four dimensions") };
        let centroid = |part: usize, at: usize| -> Row {
            let start = ((book * parts + part) * centroids + at) * width;
            array.values[start..][..width].iter().map(|&x| f64::from(x)).collect()
        };
        let nearest = |part: usize| {
            let own = &x[part * width..][..width];
            let distance =
                |at: &usize| plus(own, &times(&centroid(part, *at), -1.0)).iter().map(|x| x * x).sum::<f64>();
            (0..centroids).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
        };
        (0..parts).flat_map(|part| centroid(part, nearest(part))).collect()
    }

    /// An event's pair vector as SEMINAR's quantiser sees it.
    fn decoded_pair(&self, (item, words): &Event) -> Row {
        let mut modalities = self.modalities(*item);
        for (index, modality) in modalities.iter_mut().enumerate() {
            modality.1 = self.decoded(1 + index, &modality.1);
        }
        self.fusion(&self.decoded(0, &self.query(words)), &self.gate(&modalities))
    }

    /// The relevance of each event for each head, or once for all of them.
    fn relevance(&self, events: &[Event], x: &[Row], target: &Event, t: &[f64]) -> Vec<Row> {
        let heads = || -> Vec<Row> {
            let of = |h: usize| (0..x.len()).map(|l| self.score(h, x, l, t)).collect();
            (0..self.config.heads).map(of).collect()
        };
        let equal = || {
            let own = self.bits(t);
            let count = |x: &Row| self.bits(x).iter().zip(&own).filter(|(a, b)| a == b).count() as f64;
            vec![x.iter().map(count).collect()]
        };
        match self.kind {
            ModelKind::SasRec | ModelKind::Sdim => unreachable!("they do not search"),
            ModelKind::Muse => vec![self.cosines(events, x, target, t)],
            ModelKind::Base => vec![(0..events.len()).map(|at| at as f64).collect()],
            ModelKind::Sim => {
                let query = self.layer("wQ", t);
                vec![x.iter().map(|x| dot(&self.layer("wK", x), &query)).collect()]
            }
            ModelKind::Eta => equal(),
            ModelKind::Twin => heads(),
            ModelKind::Qin => vec![self.keyed(events, &self.gate(&self.modalities(target.0)))],
            ModelKind::Seminar => match self.config.soft_search {
                SoftSearch::Mhta => heads(),
                SoftSearch::Lsh => equal(),
                SoftSearch::MultiPq => {
                    vec![events.iter().map(|event| dot(t, &self.decoded_pair(event))).collect()]
                }
            },
        }
    }

    /// The attention's score of event `l` in a head.
    fn score(&self, h: usize, x: &[Row], l: usize, t: &[f64]) -> f64 {
        let query = self.layer(&format!("wQ_list.{h}"), t);
        let score = dot(&query, &self.layer(&format!("wK_list.{h}"), &self.seen(x, l)));
        let bias = |name: &str, column: usize| {
            let Some(bias) = self.state.get(name) else { return 0.0 };
            let width = bias.shape[1];
            f64::from(bias.values[h * width + column.min(width - 1)])
        };
        score
            + bias("attention_distance", (x.len() - 1 - l).min(self.config.distance_bias))
            + bias("attention_elapsed", self.bucket(l))
    }

    fn bucket(&self, l: usize) -> usize {
        let bucket = (((self.request - self.times[l]).max(1) as f64).ln() / 0.301).floor();
        (bucket as usize).min(63)
    }

    /// Event `l` with the rows of its distance and time.
    fn seen(&self, x: &[Row], l: usize) -> Row {
        let row = |name: &str, at: usize| match self.state.get(name) {
            Some(table) => table.values[at * D..][..D].iter().map(|&x| f64::from(x)).collect(),
            None => vec![0.0; D],
        };
        let distance = (x.len() - 1 - l).min(self.config.distance_rows);
        let distance = times(&row("attention_distance_rows", distance), 0.02);
        plus(&plus(&x[l], &distance), &row("attention_elapsed_rows", self.bucket(l)))
    }

    /// MUSE: cosines of frozen vectors, or of pair vectors where there are none.
    fn cosines(&self, events: &[Event], x: &[Row], target: &Event, t: &[f64]) -> Row {
        let unit = |x: &[f64]| times(x, 1.0 / dot(x, x).sqrt().max(1e-12));
        let files = [(ModalityKind::Text, self.text), (ModalityKind::Image, self.image)];
        let frozen = |item: u32, own: &[f64]| {
            let parts = files.iter().filter(|(kind, _)| self.config.has(*kind)).map(|(_, file)| {
                let mut values = vec![0.0; file.dim()];
                file.read(item, &mut values);
                unit(&values.into_iter().map(f64::from).collect::<Row>())
            });
            let parts: Vec<Row> = parts.collect();
            unit(&if parts.is_empty() { own.to_vec() } else { parts.concat() })
        };
        let own = frozen(target.0, t);
        events.iter().zip(x).map(|(event, x)| dot(&frozen(event.0, x), &own)).collect()
    }

    /// SDIM: the mean of the unit sums of events that share a signature with the target.
    fn collisions(&self, x: &[Row], t: &[f64]) -> Row {
        let (groups, bits) = (self.config.signatures, self.config.signature_bits);
        let signatures = |x: &[f64]| self.bits(x).chunks(bits).map(<[bool]>::to_vec).collect::<Vec<_>>();
        let own = signatures(t);
        (0..groups).fold(vec![0.0; D], |mean, g| {
            let equal = x.iter().filter(|x| signatures(x)[g] == own[g]);
            let sum = equal.fold(vec![0.0; D], |sum, x| plus(&sum, x));
            let length = dot(&sum, &sum).sqrt();
            plus(&mean, &times(&sum, if length > 1e-6 { 1.0 / (length * groups as f64) } else { 0.0 }))
        })
    }

    /// MUSE: what the histogram of the kept cosines adds.
    fn tiers(&self, cosines: &[f64], kept: &[usize]) -> f64 {
        let mut tiers = vec![0.0f64; 21];
        kept.iter().for_each(|&l| tiers[((10.0 * (cosines[l] - 1e-5)).ceil() as i32 + 10) as usize] += 1.0);
        let tiers: Row = tiers.into_iter().map(f64::ln_1p).collect();
        let hidden: Row = self.layer("tier_layers.0", &tiers).into_iter().map(|x| x.max(0.0)).collect();
        self.layer("tier_layers.2", &hidden)[0]
    }

    /// QIN: `wK(i_l) · wQ(row)`.
    fn keyed(&self, events: &[Event], row: &[f64]) -> Row {
        let query = self.layer("wQ", row);
        let key = |event: &Event| self.layer("wK", &self.gate(&self.modalities(event.0)));
        events.iter().map(|event| dot(&key(event), &query)).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Row {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let values = |part: &str| &self.state[&format!("{name}.{part}")].values;
        let scaled = x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
        let parts = scaled.zip(values("gamma")).zip(values("beta"));
        parts.map(|((x, &gamma), &beta)| x * f64::from(gamma) + f64::from(beta)).collect()
    }

    /// The state of the short-term tower at the newest event.
    fn tower(&self, x: &[Row], tower: &ShortTermConfig) -> Row {
        let newest = &x[x.len().saturating_sub(tower.events)..];
        let mut x: Vec<Row> = newest.iter().map(|x| self.norm("short_term.before", x)).collect();
        let size = D / tower.heads;
        for layer in 0..tower.layers {
            let name = |part: &str| format!("short_term.layers.{layer}.{part}");
            let normed: Vec<Row> = x.iter().map(|x| self.norm(&name("before_attention"), x)).collect();
            let all =
                |part: &str| -> Vec<Row> { normed.iter().map(|n| self.layer(&name(part), n)).collect() };
            let (queries, keys, values) = (all("query"), all("key"), all("value"));
            let distances = &self.state[&name("distance")];
            for i in 0..x.len() {
                let mut joined = Vec::new();
                for head in 0..tower.heads {
                    let own = head * size..(head + 1) * size;
                    let bias = |j: usize| f64::from(distances.values[head * distances.shape[1] + i - j]);
                    let score = |j: usize| {
                        dot(&queries[i][own.clone()], &keys[j][own.clone()]) / (size as f64).sqrt() + bias(j)
                    };
                    let weights = softmax(&(0..=i).map(score).collect::<Row>());
                    joined.extend(weights.iter().enumerate().fold(vec![0.0; size], |sum, (j, &weight)| {
                        plus(&sum, &times(&values[j][own.clone()], weight))
                    }));
                }
                x[i] = plus(&x[i], &self.layer(&name("output"), &joined));
                let hidden = self.layer(&name("expand"), &self.norm(&name("before_expansion"), &x[i]));
                let hidden: Row = hidden.into_iter().map(|x| x.max(0.0)).collect();
                x[i] = plus(&x[i], &self.layer(&name("contract"), &hidden));
            }
        }
        x.last().map_or_else(|| vec![0.0; D], |x| self.norm("short_term.norm", x))
    }

    fn logit(&self, events: &[Event], target: &Event) -> f64 {
        let x: Vec<Row> = events.iter().map(|event| self.pair(event)).collect();
        let t = self.pair(target);
        let state = match (&self.config.short_term, self.kind) {
            (Some(tower), _) => Some(self.tower(&x, tower)),
            (None, ModelKind::SasRec) => Some(self.tower(&x, &ShortTermConfig::default())),
            (None, _) => None,
        };
        if self.kind == ModelKind::SasRec {
            return dot(&state.unwrap(), &t);
        }
        let mut among: Vec<usize> = (0..events.len()).collect();
        if self.kind == ModelKind::Qin && !target.1.is_empty() {
            let first = self.keyed(events, &self.query(&target.1));
            among = top(&first, &among, self.config.stage_one_top_k);
        }
        if self.kind == ModelKind::Sdim {
            return self.head(&self.collisions(&x, &t), &t, state.as_deref());
        }
        let relevance = self.relevance(events, &x, target, &t);
        let mut heads = Vec::new();
        let mut tiers = 0.0;
        for h in 0..self.config.heads {
            let kept = top(&relevance[h % relevance.len()], &among, self.config.top_k);
            let mut score = |&l: &usize| self.score(h, &x, l, &t) / (D as f64).sqrt();
            let mixed = |&l: &usize| {
                let mix: Row = self.state["score_mix"].values.iter().map(|&x| f64::from(x)).collect();
                let (trained, cosine) = (self.score(h, &x, l, &t) / (D as f64).sqrt(), relevance[0][l] / 0.1);
                mix[0] * trained + mix[1] * cosine + mix[2] * trained * cosine
            };
            let mut score: &mut dyn FnMut(&usize) -> f64 = &mut score;
            let mut mixed = mixed;
            if self.kind == ModelKind::Muse {
                tiers = self.tiers(&relevance[0], &kept);
                score = &mut mixed;
            }
            let weights = softmax(&kept.iter().map(score).collect::<Row>());
            let value = |l: usize| self.layer(&format!("wV_list.{h}"), &self.seen(&x, l));
            heads.extend(
                kept.iter().zip(weights).fold(vec![0.0; D], |sum, (&l, w)| plus(&sum, &times(&value(l), w))),
            );
        }
        let u = if events.is_empty() { vec![0.0; D] } else { self.layer("wO", &heads) };
        self.head(&u, &t, state.as_deref()) + tiers
    }

    fn head(&self, u: &[f64], t: &[f64], state: Option<&[f64]>) -> f64 {
        let mut inputs = [u, t].concat();
        let mut product = dot(u, t);
        if let Some(state) = state {
            inputs.extend(state.iter().copied().chain(state.iter().zip(t).map(|(s, t)| s * t)));
            product += dot(state, t);
        }
        let hidden = self.layer("final_deep_layers.0", &inputs);
        let hidden: Row = hidden.into_iter().map(|x| x.max(0.0)).collect();
        self.layer("final_deep_layers.2", &hidden)[0] + product
    }
}

/// A corpus of all items, words and attributes; of the last item nothing is known.
fn corpus(folder: &Path) -> Corpus {
    let items: Vec<String> = (1..=ITEMS).map(|item| format!("item {item}")).collect();
    let words = (0..ITEMS).map(|at| format!("w{} w{}", at % WORDS, (at * 5 + 1) % WORDS));
    let mut data = Numbered::from_sequences([&items]).with_queries([words]).unwrap();
    data.attribute_items = (1..ITEMS).collect();
    let attributes = |item: u32| vec![1 + item % ATTRIBUTES, 1 + (item * 3 + 1) % ATTRIBUTES];
    data.item_attributes = (1..ITEMS).map(attributes).collect();
    Corpus::write(&data, folder).unwrap();
    Corpus::open(folder).unwrap()
}

fn embeddings(path: &Path, dim: usize, every: u32) -> Embeddings {
    let mut table = EmbeddingTable::new(ITEMS as usize, dim).unwrap();
    for item in (1..ITEMS).filter(|item| item % every != 0) {
        let value = |at: usize| ((item as usize * 31 + at * 17) % 23) as f32 / 23.0 - 0.5;
        table.set(item, &(0..dim).map(value).collect::<Vec<f32>>()).unwrap();
    }
    table.write(path, Precision::F32).unwrap();
    Embeddings::open(path).unwrap()
}

fn configs() -> impl Strategy<Value = ModelConfig> {
    let extra = prop::sample::subsequence(
        vec![ModalityKind::Query, ModalityKind::Text, ModalityKind::Image, ModalityKind::Attribute],
        0..=4,
    );
    let fusion =
        prop::sample::select(vec![FusionKind::WeightedAverage, FusionKind::Add, FusionKind::SoftmaxGate]);
    let gate = prop::sample::select(vec![GateKind::Global, GateKind::PerEvent, GateKind::Sum]);
    let tower = ShortTermConfig { events: 5, layers: 2, heads: 2, dropout: 0.0 };
    let short_term = prop::sample::select(vec![None, Some(tower)]);
    (
        extra,
        fusion,
        gate,
        short_term,
        1usize..4,
        1usize..4,
        (0usize..4, any::<bool>(), 0usize..4, any::<bool>()),
        0u64..1000,
    )
        .prop_map(
            |(
                extra,
                fusion,
                gate,
                short_term,
                heads,
                top_k,
                (distance_bias, time_bias, distance_rows, time_rows),
                seed,
            )| {
                let modalities = std::iter::once(ModalityKind::Id).chain(extra).collect();
                ModelConfig {
                    width: D,
                    heads,
                    top_k,
                    stage_one_top_k: top_k + 2,
                    text_width: 5,
                    image_width: 4,
                    hash_bits: 13,
                    signatures: 3,
                    signature_bits: 2,
                    distance_bias,
                    time_bias,
                    distance_rows,
                    time_rows,
                    sub_vectors: 2,
                    centroids: 5,
                    query_weight: 0.3,
                    modalities,
                    fusion,
                    gate,
                    short_term,
                    seed,
                    ..ModelConfig::default()
                }
            },
        )
}

fn events(least: usize) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((1..=ITEMS, prop::collection::vec(1..=WORDS, 0..3)), least..L)
}

fn borrowed(events: &[Event]) -> Vec<(u32, &[u32])> {
    events.iter().map(|(item, words)| (*item, &words[..])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn the_formulas_give_the_scores(
        config in configs(),
        history in events(0),
        candidates in events(1),
        times in prop::collection::vec(0i64..50_000_000, L),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Arc::new(corpus(folder.path()));
        let open = |name: &str, dim, every| embeddings(&folder.path().join(name), dim, every);
        let (text, image) = (open("text.emb", 5, 4), open("image.emb", 4, 3));
        let train = TrainConfig {
            width: D,
            initial_deviation: 1.0,
            batches: BatchConfig { history_length: L, ..BatchConfig::default() },
            ..TrainConfig::default()
        };
        let searches = |kind| match kind {
            ModelKind::Seminar => vec![SoftSearch::Mhta, SoftSearch::Lsh, SoftSearch::MultiPq],
            _ => vec![SoftSearch::Mhta],
        };
        for (kind, soft_search) in ModelKind::ALL.iter().flat_map(|&kind| searches(kind).into_iter().map(move |s| (kind, s))) {
            let config = ModelConfig { soft_search, ..config.clone() };
            let device = Device::flex().autodiff();
            let model = kind.build(&config, L, &device).unwrap();
            let files = Modalities {
                attributes: true,
                text: Some(Embeddings::open(&folder.path().join("text.emb")).unwrap()),
                image: Some(Embeddings::open(&folder.path().join("image.emb")).unwrap()),
            };
            let tables = Tables::new(&train, &corpus, files).unwrap();
            let mut trainer = Trainer::new(model, tables, train.clone(), corpus.clone(), device).unwrap();
            // What starts at zero is to count.
            let mut state = trainer.export();
            let starts = ["attention_distance", "attention_elapsed", "attention_elapsed_rows", "score_mix", "tier_layers.2.weight"];
            for name in starts {
                let values = state.get_mut(name).map(|array| &mut array.values).into_iter().flatten();
                values.enumerate().for_each(|(at, x)| *x = ((at * 7 + 3) % 11) as f32 / 11.0 - 0.4);
            }
            trainer.import(&state, "changed").unwrap();
            let mut batch = Batch::of(&[borrowed(&history)], &[borrowed(&candidates)], L, 3);
            let request = 50_000_000;
            let mut block = BlockTimes { requests: vec![request], ..BlockTimes::unknown(1, L) };
            block.events[L - history.len()..].copy_from_slice(&times[..history.len()]);
            batch.history.times = Some(block);
            let embedded = trainer.embed(&batch).unwrap();
            let scores = trainer.model().score(&embedded.history, &embedded.candidates).logits;
            let scores = scores.into_data_as::<f32>().try_into_vec::<f32>().unwrap();
            let state = trainer.export();
            let naive = Naive { kind, config: &config, state: &state, corpus: &corpus, text: &text, image: &image, times: &times, request };
            for (target, &score) in candidates.iter().zip(&scores) {
                let expected = naive.logit(&history, target);
                prop_assert!(
                    (f64::from(score) - expected).abs() < 1e-4 * expected.abs().max(1.0),
                    "{:?} {:?}: {} where the formulas give {}", kind, soft_search, score, expected
                );
            }
        }
    }
}
