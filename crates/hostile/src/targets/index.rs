//! Saved indexes and histories. Half of the mutants carry a checksum that fits.

use std::path::Path;

use seminar_ann_retrieval::*;

use super::{Loader, Target, both, unpack};

pub(super) const TARGETS: &[Target] = &[Target { name: "index", records: 1, seeds: files, loader: open }];

const DIM: usize = 8;
const KINDS: u8 = 10;

fn rows(count: usize) -> Result<Vectors> {
    Vectors::new(DIM, (0..count * DIM).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect())
}

fn pq() -> PqConfig {
    PqConfig { sub_vectors: 4, centroids: 16, iterations: 2, ..Default::default() }
}

fn save(kind: u8, path: &Path) -> Result<()> {
    let (rows, metric) = (rows(40)?, Metric::L2);
    match kind {
        0 => {
            let mut flat = Flat::build(&rows, metric)?;
            flat.remove(3);
            flat.save(path)
        }
        1 => pq().build(&rows, metric)?.save(path),
        2 => pq().build_fast_scan(&rows, metric)?.save(path),
        3 => LshConfig { bits: 64, seed: 0 }.build(&rows)?.save(path),
        4 => ResidualConfig { stages: 2, centroids: 8, iterations: 2, ..Default::default() }
            .build(&rows, metric)?
            .save(path),
        5 => HnswConfig { links: 4, ef_construction: 20, ef_search: 10, ..Default::default() }
            .build(&rows, metric)?
            .save(path),
        6 => IvfConfig { lists: 5, probes: 2, ..Default::default() }
            .build(&rows, Whole::new(DIM), metric)?
            .save(path),
        7 => Refined::new(pq().build(&rows, metric)?, Flat::build(&rows, metric)?, 3)?.save(path),
        8 => RaBitQConfig::default().build(&rows, metric)?.save(path),
        _ => {
            let half = |which: usize| {
                let own = (0..40).flat_map(|row| rows.row(row)[which * 4..][..4].to_vec()).collect();
                PqConfig { sub_vectors: 2, centroids: 8, iterations: 2, ..Default::default() }
                    .train(&Vectors::new(4, own)?)
            };
            let mut history = PqHistory::new(PqHistory::codec(&[&half(0)?, &half(1)?])?, 2)?;
            history.extend(rows.as_slice())?;
            history.save(path)
        }
    }
}

fn files() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("index");
    let mut seeds = Vec::new();
    for kind in 0..KINDS {
        save(kind, &path)?;
        seeds.extend(both(kind, &std::fs::read(&path)?));
    }
    Ok(seeds)
}

fn searched<I: AnnIndex + Persist>(path: &Path) -> bool {
    let Ok(index) = I::open(path) else { return false };
    // A forged file may hold another width: then an error is the right answer.
    let _ = index.search(&[0.5; DIM], 7);
    true
}

fn answered(path: &Path) -> bool {
    let Ok(history) = PqHistory::open(path) else { return false };
    let (modalities, width) = (history.modalities(), history.modalities() * history.dim());
    if width <= 1 << 16
        && let Ok(target) = history.prepare(&vec![0.5; width], &vec![0.5; modalities])
    {
        // A forged codebook may give scores that are not finite: then an error is the right answer.
        let _ = std::hint::black_box(history.top_k(&target, 7));
    }
    true
}

fn open(folder: &Path) -> anyhow::Result<Loader> {
    let path = folder.join("index");
    Ok(Box::new(move |input| {
        let (which, file) = unpack(input);
        std::fs::write(&path, file)?;
        let opened = match which % KINDS {
            0 => searched::<Flat>(&path),
            1 => searched::<Pq>(&path),
            2 => searched::<FastScan>(&path),
            3 => searched::<Lsh>(&path),
            4 => searched::<Residual>(&path),
            5 => searched::<Hnsw>(&path),
            6 => searched::<Ivf<Whole>>(&path),
            7 => searched::<Refined<Pq>>(&path),
            8 => searched::<RaBitQ>(&path),
            _ => answered(&path),
        };
        // The next file must not be written into one that is mapped.
        std::fs::remove_file(&path)?;
        Ok(opened)
    }))
}
