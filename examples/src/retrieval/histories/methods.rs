//! The methods that search in one stage: exact scans and codes.

use std::sync::Arc;
use std::time::Instant;

use seminar_ann_retrieval::*;

use super::{Results, Setting, UserData, fuse, search, single, train};

/// The exact scans.
pub(super) fn exact_methods(
    setting: &Setting,
    user: &UserData,
    targets: &[&[f32]],
    record: &mut impl FnMut(Results),
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut fused = FusedHistory::exact(setting.weights, setting.dim)?;
    for event in user.history.chunks_exact(setting.modalities * setting.dim) {
        fused.append(event)?;
    }
    let built = start.elapsed().as_secs_f64();
    search(setting, "exact, fused keys", &mut fused, targets, built, 0, record)?;
    let start = Instant::now();
    let mut exact = ExactHistory::exact(setting.modalities, setting.dim)?;
    exact.extend(&user.history)?;
    let built = start.elapsed().as_secs_f64();
    search(setting, "exact, keys not fused", &mut exact, targets, built, 0, record)
}

/// Product quantisation with shared codebooks, or with codebooks of the user alone, and residual codes.
pub(super) fn code_methods(
    setting: &Setting,
    shared: &[(usize, usize, Vec<ProductQuantizer>)],
    user: &UserData,
    targets: &[&[f32]],
    record: &mut impl FnMut(Results),
) -> anyhow::Result<()> {
    for (sub_vectors, centroids, books) in shared {
        let refs: Vec<&ProductQuantizer> = books.iter().collect();
        let bits = if *centroids > 16 { 8 } else { 4 };
        let name = format!("multi-modal PQ {sub_vectors} x {bits}, shared books");
        if *centroids > 16 {
            coded(setting, PqHistory::codec(&refs)?, &name, user, targets, record)?;
        } else if sub_vectors.is_multiple_of(2) {
            coded(setting, NibbleHistory::codec(&refs)?, &name, user, targets, record)?;
        }
    }
    if setting.shared.is_none() {
        own_codebooks(setting, user, targets, record)?;
    }
    Ok(())
}

/// Shared codes, without and with rescoring.
fn coded<C: Codec>(
    setting: &Setting,
    codec: Arc<C>,
    name: &str,
    user: &UserData,
    targets: &[&[f32]],
    record: &mut impl FnMut(Results),
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut history = History::new(codec.clone(), setting.modalities)?;
    history.extend(&user.history)?;
    search(setting, name, &mut history, targets, start.elapsed().as_secs_f64(), 0, record)?;
    let start = Instant::now();
    let mut rescored = RescoredHistory::new(codec, setting.modalities, setting.rescore)?;
    rescored.extend(&user.history)?;
    let built = start.elapsed().as_secs_f64();
    let name = format!("{name}, {} K rescored", setting.rescore);
    search(setting, &name, &mut rescored, targets, built, 0, record)
}

/// Codebooks of one user alone, as published.
fn own_codebooks(
    setting: &Setting,
    user: &UserData,
    targets: &[&[f32]],
    record: &mut impl FnMut(Results),
) -> anyhow::Result<()> {
    let share =
        |books: &[ProductQuantizer]| 4 * books.iter().map(|book| book.centroids().count()).sum::<usize>();
    let sizes = [16, 8, 4].into_iter().filter(|s| setting.dim.is_multiple_of(*s));
    for sub_vectors in sizes {
        // Symmetric: the target is quantised as well, and was in the training rows.
        let start = Instant::now();
        let mut rows = user.history.clone();
        rows.extend_from_slice(targets[0]);
        let books = train(setting, &rows, sub_vectors, 256)?;
        let mut history =
            PqHistory::new(PqHistory::codec(&books.iter().collect::<Vec<_>>())?, setting.modalities)?;
        history.extend(&user.history)?;
        let built = start.elapsed().as_secs_f64();
        let quantised: Vec<Vec<f32>> = targets
            .iter()
            .map(|target| {
                let parts = target.chunks_exact(setting.dim).zip(&books);
                let parts = parts.map(|(part, book)| {
                    Ok(book.decode(&book.encode(&Vectors::new(setting.dim, part.to_vec())?)?))
                });
                Ok(parts.collect::<Result<Vec<_>>>()?.concat())
            })
            .collect::<Result<_>>()?;
        let refs: Vec<&[f32]> = quantised.iter().map(Vec::as_slice).collect();
        let name = format!("multi-modal PQ {sub_vectors} x 8, symmetric, target in training");
        search(setting, &name, &mut history, &refs, built, share(&books), record)?;
        let start = Instant::now();
        let books = train(setting, &user.history, sub_vectors, 256)?;
        let mut history =
            PqHistory::new(PqHistory::codec(&books.iter().collect::<Vec<_>>())?, setting.modalities)?;
        history.extend(&user.history)?;
        let built = start.elapsed().as_secs_f64();
        let name = format!("multi-modal PQ {sub_vectors} x 8, asymmetric");
        search(setting, &name, &mut history, targets, built, share(&books), record)?;
    }
    // Residual codes of the fused keys.
    let start = Instant::now();
    let fused: Vec<f32> =
        user.history.chunks_exact(setting.modalities * setting.dim).flat_map(|e| fuse(setting, e)).collect();
    let rows = Vectors::new(setting.dim, fused)?;
    let config = ResidualConfig::default();
    let index = config.build(&rows, Metric::InnerProduct)?;
    single(setting, &format!("fused keys, residual {} x 8", config.stages), &index, targets, start, record)
}
