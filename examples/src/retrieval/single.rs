//! One vector per item: the single-vector indexes.

use std::time::Instant;

use indicatif::ProgressBar;
use seminar_ann_retrieval::*;

use super::histories::Family;
use super::{Latency, Quality, Row};

/// Vectors, queries and what to search for.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Name of the data.
    pub data: &'a str,
    /// The vectors.
    pub rows: &'a Vectors,
    /// `[Q, d]`.
    pub queries: &'a [f32],
    /// Similarity or distance.
    pub metric: Metric,
    /// K: vectors that a search returns.
    pub k: usize,
    /// Families of indexes that are measured beside the exact scan.
    pub families: &'a [Family],
}

type Build<'a> = Box<dyn Fn() -> Result<Box<dyn AnnIndex>> + 'a>;

/// Builds each index, measures it and drops it again.
///
/// # Errors
/// If a setting does not fit the vectors.
pub fn run(setting: &Setting, bar: &ProgressBar) -> anyhow::Result<Vec<Row>> {
    let exact = Flat::build(setting.rows, setting.metric)?;
    let queries: Vec<&[f32]> = setting.queries.chunks_exact(setting.rows.dim()).collect();
    let truth = exact.search_many(setting.queries, setting.k.max(100))?;
    let mut rows = Vec::new();
    for (method, build) in methods(setting) {
        bar.set_message(method.clone());
        let start = Instant::now();
        let index = build()?;
        let mut row = Row {
            method,
            data: setting.data.to_owned(),
            length: setting.rows.len(),
            dim: setting.rows.dim(),
            modalities: 1,
            k: setting.k,
            build_seconds: start.elapsed().as_secs_f64(),
            bytes_per_item: index.bytes_per_item(),
            ..Row::default()
        };
        measure(&*index, &exact, &queries, &truth, setting, &mut row)?;
        rows.push(row);
    }
    // A graph is built once and searched with several `ef`.
    if setting.families.contains(&Family::Graphs) {
        bar.set_message("HNSW");
        let config = HnswConfig { links: 16, ef_construction: 100, ef_search: 32, ..Default::default() };
        let start = Instant::now();
        let mut graph = config.build(setting.rows, setting.metric)?;
        let built = start.elapsed().as_secs_f64();
        for ef in [16, 32, 40, 64, 128] {
            graph = graph.with_ef_search(ef);
            let k = setting.k.min(10);
            let mut row = Row {
                method: format!("HNSW 16 links, efC 100, ef {ef}, first {k}"),
                data: setting.data.to_owned(),
                length: setting.rows.len(),
                dim: setting.rows.dim(),
                modalities: 1,
                k,
                build_seconds: built,
                bytes_per_item: graph.bytes_per_item(),
                ..Row::default()
            };
            measure(&graph, &exact, &queries, &truth, &Setting { k, ..setting.clone() }, &mut row)?;
            rows.push(row);
        }
    }
    Ok(rows)
}

fn measure(
    index: &dyn AnnIndex,
    exact: &Flat,
    queries: &[&[f32]],
    truth: &[Vec<Neighbor>],
    setting: &Setting,
    row: &mut Row,
) -> anyhow::Result<()> {
    let mut quality = Quality::default();
    for (number, (query, truth)) in queries.iter().zip(truth).enumerate() {
        let found = index.search(query, setting.k)?;
        // Weighing attention needs all scores; a part of the queries is enough for a mean.
        let scores = (number < 50).then(|| scores(exact, query)).transpose()?;
        quality.add(setting.k, &found, truth, scores.as_deref().map(|s| (s, setting.rows.dim())));
    }
    quality.fill(row);
    let mut latency = Latency::default();
    let mut out = Vec::new();
    latency.measure(queries.len(), |query| {
        index.search_into(queries[query], setting.k, None, &mut out).expect("it was searched before");
        std::hint::black_box(&out);
    });
    latency.fill(row);
    let start = Instant::now();
    std::hint::black_box(index.search_many(setting.queries, setting.k)?);
    row.queries_per_second_all_threads = Some(queries.len() as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

fn scores(exact: &Flat, query: &[f32]) -> Result<Vec<f32>> {
    let query = exact.prepare(query)?;
    Ok((0..exact.len() as u64).filter_map(|id| exact.score(&query, id)).collect())
}

/// All but the graphs, by name.
fn methods<'a>(setting: &'a Setting) -> Vec<(String, Build<'a>)> {
    let flat: Build = Box::new(|| Ok(Box::new(Flat::build(setting.rows, setting.metric)?)));
    let mut all = vec![("flat, exact".to_owned(), flat)];
    if setting.families.contains(&Family::Codes) {
        all.extend(codes(setting));
    }
    if setting.families.contains(&Family::Lsh) {
        all.push(lsh(setting));
    }
    all
}

fn lsh<'a>(setting: &'a Setting) -> (String, Build<'a>) {
    let bits = (4 * setting.rows.dim()).next_multiple_of(64);
    (
        format!("LSH {bits} bit"),
        Box::new(move || Ok(Box::new(LshConfig { bits, seed: 0 }.build(setting.rows)?))),
    )
}

fn codes<'a>(setting: &'a Setting) -> Vec<(String, Build<'a>)> {
    let (rows, metric, dim) = (setting.rows, setting.metric, setting.rows.dim());
    let mut all: Vec<(String, Build)> = Vec::new();
    let halves = dim.is_multiple_of(4);
    for sub_vectors in [dim / 8, dim / 4].into_iter().filter(|s| halves && *s > 0 && dim.is_multiple_of(*s)) {
        let config = PqConfig { sub_vectors, ..Default::default() };
        let own = config.clone();
        all.push((
            format!("PQ {sub_vectors} x 8 bit"),
            Box::new(move || Ok(Box::new(own.build(rows, metric)?))),
        ));
        let own = config.clone();
        all.push((
            format!("PQ {sub_vectors} x 8 bit, 10 K rescored"),
            Box::new(move || {
                Ok(Box::new(Refined::new(own.build(rows, metric)?, Flat::build(rows, metric)?, 10)?))
            }),
        ));
    }
    let config = PqConfig { sub_vectors: dim / 4, sample: 20_000, ..Default::default() };
    if halves && dim <= 256 {
        let own = config.clone();
        all.push((
            format!("OPQ {} x 8 bit", dim / 4),
            Box::new(move || Ok(Box::new(Rotated::build_pq(rows, &own, metric, 8)?))),
        ));
    }
    for sub_vectors in [dim / 2, dim].into_iter().filter(|s| s.is_multiple_of(2) && *s <= 512) {
        let config = PqConfig { sub_vectors, ..Default::default() };
        let own = config.clone();
        all.push((
            format!("PQ {sub_vectors} x 4 bit, fast scan"),
            Box::new(move || Ok(Box::new(own.build_fast_scan(rows, metric)?))),
        ));
        all.push((
            format!("PQ {sub_vectors} x 4 bit, fast scan, 10 K rescored"),
            Box::new(move || {
                Ok(Box::new(Refined::new(
                    config.build_fast_scan(rows, metric)?,
                    Flat::build(rows, metric)?,
                    10,
                )?))
            }),
        ));
    }
    all.push((
        format!("RaBitQ {} bit", dim.next_multiple_of(64)),
        Box::new(move || Ok(Box::new(RaBitQConfig::default().build(rows, metric)?))),
    ));
    let stages = (dim / 4).clamp(1, 16);
    all.push((
        format!("residual {stages} x 8 bit"),
        Box::new(move || Ok(Box::new(ResidualConfig { stages, ..Default::default() }.build(rows, metric)?))),
    ));
    let lists = ((rows.len() as f64).sqrt() as usize).clamp(1, 4096);
    let ivf = IvfConfig { lists, probes: (lists / 32).max(1), ..Default::default() };
    let probes = ivf.probes;
    let own = ivf.clone();
    all.push((
        format!("IVF {lists} lists, {probes} visited, exact"),
        Box::new(move || Ok(Box::new(own.build(rows, Whole::new(rows.dim()), metric)?))),
    ));
    if halves {
        all.push((
            format!("IVF {lists} lists, {probes} visited, PQ {} x 8 bit", dim / 4),
            Box::new(move || {
                let scaled = PqConfig { sub_vectors: dim / 4, ..Default::default() };
                Ok(Box::new(ivf.build(rows, ByteCodes::new(scaled.train(rows)?)?, metric)?))
            }),
        ));
    }
    all
}
