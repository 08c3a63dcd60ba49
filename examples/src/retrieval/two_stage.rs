//! The published two-stage searches, and one graph over fused keys.

use std::time::Instant;

use rayon::prelude::*;
use seminar_ann_retrieval::*;

use super::Latency;
use super::data::UserData;
use super::histories::{Family, Results, Setting, fuse, modality, single};

/// How an index over one modality is built.
type BuildOne<'a> = &'a (dyn Fn(&Vectors) -> Result<Box<dyn AnnIndex>> + Sync);

/// Records each method with lists of K and of 4 K, beside what exact lists give.
pub(super) fn methods(
    setting: &Setting,
    user: &UserData,
    targets: &[&[f32]],
    exact: &ExactHistory,
    record: &mut impl FnMut(Results),
) -> anyhow::Result<()> {
    let Setting { modalities, dim, k, weights, families, .. } = setting.clone();
    let [lsh_too, graphs_too] = [Family::Lsh, Family::Graphs].map(|family| families.contains(&family));
    if !lsh_too && !graphs_too {
        return Ok(());
    }
    let parts: Vec<Vectors> = (0..modalities)
        .map(|which| modality(&user.history, modalities, dim, which))
        .collect::<Result<_>>()?;
    let metric = Metric::InnerProduct;
    let join = |build: BuildOne| -> Result<TwoStage> {
        TwoStage::new(parts.par_iter().map(build).collect::<Result<_>>()?, exact.clone(), k)
    };
    let search_all = |two: &TwoStage| -> Result<Vec<Vec<Neighbor>>> {
        targets.iter().map(|t| Ok(two.top_k(t, weights, k)?.best)).collect()
    };
    let lists = [(k, "K"), (4 * k, "4 K")];
    let mut flat = join(&|rows| Ok(Box::new(Flat::build(rows, metric)?)))?;
    let mut ceilings = Vec::new();
    for (list, _) in lists {
        flat = flat.with_list(list);
        ceilings.push(search_all(&flat)?);
    }
    let graph = HnswConfig { links: 64, ef_construction: 64, ef_search: 32, ..Default::default() };
    let bits = (4 * dim).next_multiple_of(64);
    let lsh = |bits: usize| {
        move |rows: &Vectors| -> Result<Box<dyn AnnIndex>> {
            Ok(Box::new(LshConfig { bits, seed: 0 }.build(rows)?))
        }
    };
    let (few, many) = (lsh(bits), lsh(4 * bits));
    let hnsw = |rows: &Vectors| -> Result<Box<dyn AnnIndex>> { Ok(Box::new(graph.build(rows, metric)?)) };
    let mut methods: Vec<(String, BuildOne)> = Vec::new();
    if graphs_too {
        methods.push(("HNSW 64/64/32".into(), &hnsw));
    }
    if lsh_too {
        methods.push((format!("LSH {bits} bit"), &few));
        methods.push((format!("LSH {} bit", 4 * bits), &many));
    }
    for (method, build) in methods {
        let start = Instant::now();
        let mut two = join(build)?;
        let build_seconds = start.elapsed().as_secs_f64();
        for ((list, name), ceiling) in lists.into_iter().zip(&ceilings) {
            two = two.with_list(list);
            let found = search_all(&two)?;
            let mut latency = Latency::default();
            latency.measure_at_least(
                targets.len(),
                if targets.len() == 1 { 5 } else { 200 },
                &mut |target| {
                    std::hint::black_box(
                        two.top_k(targets[target], weights, k).expect("it was searched before"),
                    );
                },
            );
            record(Results {
                method: format!("two-stage, {method}, lists of {name}"),
                found,
                latency,
                per_search: 1,
                build_seconds,
                bytes: two.bytes() as f64,
                append_us: None,
                ceiling: Some(ceiling.clone()),
            });
        }
    }
    if graphs_too {
        let start = Instant::now();
        let fused: Vec<f32> =
            user.history.chunks_exact(modalities * dim).flat_map(|e| fuse(setting, e)).collect();
        let config = HnswConfig { links: 32, ef_construction: 64, ef_search: 64, ..Default::default() };
        let index = config.build(&Vectors::new(dim, fused)?, metric)?;
        single(setting, "fused keys, HNSW 32/64/64", &index, targets, start, record)?;
    }
    Ok(())
}
