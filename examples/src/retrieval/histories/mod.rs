//! Users' histories with several modalities: the published methods, and methods that they leave out.

mod methods;

use std::time::Instant;

use anyhow::ensure;
use indicatif::ProgressBar;
use seminar_ann_retrieval::*;

use super::data::UserData;
use super::{Latency, Quality, Row, two_stage};

/// A family of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Family {
    /// Product quantisation and residual codes.
    Codes,
    /// Two stages with hash bits.
    Lsh,
    /// Two stages with graphs, and one graph over fused keys.
    Graphs,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 3] = [Self::Codes, Self::Lsh, Self::Graphs];
}

/// What is searched for, and how.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Name of the data.
    pub data: &'a str,
    /// M: modalities.
    pub modalities: usize,
    /// d: embedding dimension of a modality.
    pub dim: usize,
    /// K: behaviours that a search returns.
    pub k: usize,
    /// Weights of the modalities.
    pub weights: &'a [f32],
    /// Families of methods to measure beside the exact scans.
    pub families: &'a [Family],
    /// Length of the shortlists that are rescored exactly, in multiples of K.
    pub rescore: usize,
    /// Train codebooks on this sample `[n, M, d]` of other users' behaviours instead of each user's own.
    pub shared: Option<&'a [f32]>,
}

/// The rows of all methods, filled user by user.
pub struct Experiment<'a> {
    setting: Setting<'a>,
    methods: Vec<(Row, Quality, Latency)>,
    users: usize,
    codebooks: Vec<(usize, usize, Vec<ProductQuantizer>)>,
    length: usize,
}

/// One result per target, with the time of each search.
pub(super) struct Results {
    pub method: String,
    pub found: Vec<Vec<Neighbor>>,
    pub latency: Latency,
    pub per_search: usize,
    pub build_seconds: f64,
    pub bytes: f64,
    pub append_us: Option<f64>,
    /// Results with exact lists, for two-stage methods.
    pub ceiling: Option<Vec<Vec<Neighbor>>>,
}

impl<'a> Experiment<'a> {
    /// Trains shared codebooks, if there is a sample.
    ///
    /// # Errors
    /// If the sample does not fit.
    pub fn new(setting: Setting<'a>) -> anyhow::Result<Self> {
        ensure!(
            setting.weights.len() == setting.modalities,
            "a weight for each of {} modalities",
            setting.modalities
        );
        let mut codebooks = Vec::new();
        if let Some(sample) = setting.shared {
            for (sub_vectors, centroids) in shared_shapes(setting.dim) {
                codebooks.push((sub_vectors, centroids, train(&setting, sample, sub_vectors, centroids)?));
            }
        }
        Ok(Self { setting, methods: Vec::new(), users: 0, codebooks, length: 0 })
    }

    /// Searches one user's history with every method.
    ///
    /// # Errors
    /// If the data does not fit the setting.
    pub fn add(&mut self, user: &UserData, bar: &ProgressBar) -> anyhow::Result<()> {
        let Setting { modalities, dim, weights, k, .. } = self.setting.clone();
        let width = modalities * dim;
        let targets: Vec<&[f32]> = user.targets.chunks_exact(width).collect();
        let length = user.history.len() / width;
        let mut exact = ExactHistory::exact(modalities, dim)?;
        exact.extend(&user.history)?;
        let prepared: Vec<HistoryTarget<Whole>> =
            targets.iter().map(|t| exact.prepare(t, weights)).collect::<Result<_>>()?;
        let truth: Vec<Vec<Neighbor>> =
            prepared.iter().map(|t| exact.top_k(t, k.max(100))).collect::<Result<_>>()?;
        let scores: Vec<Vec<f32>> = prepared
            .iter()
            .take(20)
            .map(|t| {
                (0..length as u64)
                    .filter_map(|event| exact.score(t, event).transpose())
                    .collect::<Result<Vec<f32>>>()
            })
            .collect::<Result<_>>()?;
        let mut number = 0;
        let mut record = |results: Results| {
            bar.set_message(results.method.clone());
            if self.methods.len() == number {
                let row = Row { method: results.method.clone(), ..Row::default() };
                self.methods.push((row, Quality::default(), Latency::default()));
            }
            let (row, quality, latency) = &mut self.methods[number];
            for (target, (found, truth)) in results.found.iter().zip(&truth).enumerate() {
                let scores = scores.get(target).map(|s| (s.as_slice(), dim));
                quality.add(k, found, truth, scores);
            }
            latency.microseconds.extend(results.latency.microseconds);
            row.targets_per_search = results.per_search;
            row.build_seconds += results.build_seconds;
            row.bytes_per_item += results.bytes / length.max(1) as f64;
            row.append_us = results.append_us.map(|us| us + row.append_us.unwrap_or_default());
            if let Some(ceiling) = results.ceiling {
                let recalls = ceiling.iter().zip(&truth).map(|(found, truth)| recall_at(k, found, truth));
                row.ceiling = Some(row.ceiling.unwrap_or_default() + recalls.sum::<f64>());
            }
            number += 1;
        };
        methods::exact_methods(&self.setting, user, &targets, &mut record)?;
        if self.setting.families.contains(&Family::Codes) {
            methods::code_methods(&self.setting, &self.codebooks, user, &targets, &mut record)?;
        }
        two_stage::methods(&self.setting, user, &targets, &exact, &mut record)?;
        self.users += 1;
        self.length += length;
        Ok(())
    }

    /// The rows, as means over users.
    pub fn rows(self) -> Vec<Row> {
        let users = self.users.max(1) as f64;
        let finish = |(mut row, quality, mut latency): (Row, Quality, Latency)| {
            quality.fill(&mut row);
            latency.fill(&mut row);
            row.data = self.setting.data.to_owned();
            row.length = self.length / self.users.max(1);
            (row.dim, row.modalities, row.k) = (self.setting.dim, self.setting.modalities, self.setting.k);
            row.build_seconds /= users;
            row.bytes_per_item /= users;
            row.append_us = row.append_us.map(|us| us / users);
            row.ceiling = row.ceiling.map(|sum| sum / row.targets.max(1) as f64);
            row
        };
        self.methods.into_iter().map(finish).collect()
    }
}

/// Sub-vectors per modality and centroids of the codebooks that users share.
fn shared_shapes(dim: usize) -> Vec<(usize, usize)> {
    let shapes = [(dim / 8, 256), (dim / 4, 256), (dim / 4, 16), (dim / 2, 16)];
    shapes.into_iter().filter(|&(s, _)| s > 0 && dim.is_multiple_of(s)).collect()
}

/// One modality of rows `[n, M, d]`.
pub(super) fn modality(rows: &[f32], modalities: usize, dim: usize, which: usize) -> Result<Vectors> {
    let own = rows.chunks_exact(modalities * dim).flat_map(|row| &row[which * dim..][..dim]);
    Vectors::new(dim, own.copied().collect())
}

/// One quantiser per modality.
fn train(
    setting: &Setting,
    rows: &[f32],
    sub_vectors: usize,
    centroids: usize,
) -> Result<Vec<ProductQuantizer>> {
    let config = PqConfig { sub_vectors, centroids, ..Default::default() };
    (0..setting.modalities)
        .map(|which| config.train(&modality(rows, setting.modalities, setting.dim, which)?))
        .collect()
}

/// Times one search per target, and all targets at once if there are many.
fn search<H: HistoryIndex>(
    setting: &Setting,
    name: &str,
    history: &mut H,
    targets: &[&[f32]],
    build_seconds: f64,
    own_bytes: usize,
    record: &mut impl FnMut(Results),
) -> anyhow::Result<()> {
    let prepare = |t: &&[f32]| history.prepare(t, setting.weights);
    let found = targets.iter().map(|t| history.top_k(&prepare(t)?, setting.k)).collect::<Result<Vec<_>>>()?;
    let mut latency = Latency::default();
    let least = if targets.len() == 1 { 5 } else { 1000 };
    latency.measure_at_least(targets.len(), least, &mut |target| {
        // The lookup tables are a part of each search, so they are timed.
        let prepared = history.prepare(targets[target], setting.weights).expect("it was searched before");
        let _ = std::hint::black_box(history.top_k(&prepared, setting.k));
    });
    let mut many = Latency::default();
    if targets.len() >= 100 {
        many.measure_at_least(1, 20, &mut |_| {
            let prepared: Result<Vec<H::Target>> =
                targets[..100].iter().map(|t| history.prepare(t, setting.weights)).collect();
            let _ = std::hint::black_box(
                history.top_k_many(&prepared.expect("they were searched before"), setting.k),
            );
        });
    }
    let bytes = (history.bytes() + own_bytes) as f64;
    let start = Instant::now();
    let event: Vec<f32> = targets[0].to_vec();
    const APPENDED: usize = 100;
    for _ in 0..APPENDED {
        history.append(&event)?;
    }
    let append_us = Some(start.elapsed().as_secs_f64() * 1e6 / APPENDED as f64);
    let results = |method, found, latency, per_search| Results {
        method,
        found,
        latency,
        per_search,
        build_seconds,
        bytes,
        append_us,
        ceiling: None,
    };
    let hundred = found[..targets.len().min(100)].to_vec();
    record(results(name.to_owned(), found, latency, 1));
    if targets.len() >= 100 {
        record(results(format!("{name}, 100 targets at once"), hundred, many, 100));
    }
    Ok(())
}

/// `Σ w_j x_j`.
pub(super) fn fuse(setting: &Setting, event: &[f32]) -> Vec<f32> {
    let mut fused = vec![0.0; setting.dim];
    for (modality, weight) in event.chunks_exact(setting.dim).zip(setting.weights) {
        fused.iter_mut().zip(modality).for_each(|(sum, x)| *sum += weight * x);
    }
    fused
}

/// Records an index over fused keys.
pub(super) fn single(
    setting: &Setting,
    name: &str,
    index: &dyn AnnIndex,
    targets: &[&[f32]],
    start: Instant,
    record: &mut impl FnMut(Results),
) -> anyhow::Result<()> {
    let build_seconds = start.elapsed().as_secs_f64();
    let found =
        targets.iter().map(|t| index.search(&fuse(setting, t), setting.k)).collect::<Result<Vec<_>>>()?;
    let mut latency = Latency::default();
    latency.measure_at_least(targets.len(), if targets.len() == 1 { 5 } else { 1000 }, &mut |target| {
        std::hint::black_box(
            index.search(&fuse(setting, targets[target]), setting.k).expect("it was searched before"),
        );
    });
    record(Results {
        method: name.to_owned(),
        found,
        latency,
        per_search: 1,
        build_seconds,
        bytes: index.bytes() as f64,
        append_us: None,
        ceiling: None,
    });
    Ok(())
}
