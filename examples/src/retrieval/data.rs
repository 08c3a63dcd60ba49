//! Vectors for the retrieval experiment: drawn, read from files, or taken from a trained model.

use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use seminar_dataset::Corpus;

/// A user's behaviours and the targets to search for.
#[derive(Clone, Debug)]
pub struct UserData {
    /// Behaviours, `[L, M, d]`.
    pub history: Vec<f32>,
    /// Targets, `[T, M, d]`.
    pub targets: Vec<f32>,
}

/// Distribution of drawn vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// Independent normal numbers, each modality scaled to length 1: the published draw.
    Random,
    /// The published variant with unequal lengths: not scaled, modality j shifted by 2^(j - 2).
    Norms,
    /// Normal noise around common topics, each modality scaled to length 1.
    Clustered,
    /// Normal noise around centres, not scaled: one modality as vector libraries are usually measured.
    Centres,
}

/// A normal number from two uniform ones (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

/// Standard deviation of the noise around a centre whose components have standard deviation 1.
const NOISE: f32 = 0.6;

/// Draws one user; the same seed gives the same numbers on any number of threads.
pub fn draw(
    shape: Shape,
    length: usize,
    modalities: usize,
    dim: usize,
    targets: usize,
    seed: u64,
) -> UserData {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let width = modalities * dim;
    let topics = match shape {
        Shape::Random | Shape::Norms => 0,
        Shape::Clustered | Shape::Centres => (length / 200).clamp(8, 1000),
    };
    let centres: Vec<f32> = (0..topics * width).map(|_| normal(&mut rng)).collect();
    let rows = |count: usize, stream: u64| {
        let mut numbers = vec![0.0f32; count * width];
        numbers.par_chunks_mut(4096 * width).enumerate().for_each(|(chunk, rows)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream + chunk as u64);
            for row in rows.chunks_exact_mut(width) {
                if topics > 0 {
                    let topic = rng.random_range(0..topics);
                    let centre = &centres[topic * width..][..width];
                    row.iter_mut().zip(centre).for_each(|(x, c)| *x = c + NOISE * normal(&mut rng));
                } else {
                    row.iter_mut().for_each(|x| *x = normal(&mut rng));
                }
                for (number, modality) in row.chunks_exact_mut(dim).enumerate() {
                    match shape {
                        Shape::Norms => modality.iter_mut().for_each(|x| *x += 0.25 * (1 << number) as f32),
                        Shape::Centres => {}
                        Shape::Random | Shape::Clustered => {
                            let norm = modality.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
                            modality.iter_mut().for_each(|x| *x /= norm);
                        }
                    }
                }
            }
        });
        numbers
    };
    UserData { history: rows(length, 1), targets: rows(targets, 1 << 40) }
}

/// Takes behaviours from a data set and their vectors from a trained model: two modalities, the query (the mean of its
/// keywords) and the item. Histories are users' events one after another, long enough for `length` behaviours; targets are
/// other events. Returns the embedding dimension and one user.
///
/// # Errors
/// If the weights hold no tables for this data set, or it has too few events.
pub fn learned(
    weights: &Path,
    data: &Path,
    length: usize,
    targets: usize,
) -> anyhow::Result<(usize, UserData)> {
    let corpus = Corpus::open(data)?;
    let state = seminar_models::weights::read(weights)?;
    let table = |name: &str, rows: usize| {
        let array = state.get(name).with_context(|| format!("{}: no `{name}`", weights.display()))?;
        ensure!(
            array.shape.len() == 2 && array.shape[0] > rows,
            "{}: `{name}` has shape {:?}; the data needs more than {rows} rows",
            weights.display(),
            array.shape
        );
        Ok((array.shape[1], &array.values))
    };
    let (dim, items) = table("item_embeddings.weight", corpus.item_count())?;
    let (other, words) = table("query_keywords_embeddings.weight", corpus.word_count())?;
    ensure!(dim == other, "tables of embedding dimension {dim} and {other}");
    ensure!(
        corpus.event_count() >= length + targets,
        "the corpus has {} events, fewer than {length} behaviours and {targets} targets need",
        corpus.event_count()
    );
    let mut vectors = Vec::with_capacity((length + targets) * 2 * dim);
    let events = (0..corpus.user_count()).flat_map(|user| {
        let history = corpus.history(user);
        history.items.iter().zip(history.queries)
    });
    for (&item, &query) in events.take(length + targets) {
        let mut mean = vec![0.0; dim];
        let keywords = corpus.query(query);
        for &word in keywords {
            let row = &words[word as usize * dim..][..dim];
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x / keywords.len() as f32);
        }
        vectors.extend(mean);
        vectors.extend_from_slice(&items[item as usize * dim..][..dim]);
    }
    let targets = vectors.split_off(length * 2 * dim);
    Ok((dim, UserData { history: vectors, targets }))
}

/// Reads vectors in the layout of the vector libraries' test sets (`.fvecs`): per row its dimension as an `i32`, then as
/// many `f32`. Returns the dimension and the rows.
///
/// # Errors
/// If the file is cut off, or its rows differ in dimension; says where.
pub fn read_fvecs(path: &Path) -> anyhow::Result<(usize, Vec<f32>)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let word = |at: usize| bytes.get(at..at + 4).map(|b| [b[0], b[1], b[2], b[3]]);
    let first = word(0).map(i32::from_le_bytes).unwrap_or(0);
    ensure!(
        (1..1 << 20).contains(&first),
        "{}: the first row gives its dimension as {first}",
        path.display()
    );
    let dim = first as usize;
    let stride = 4 + 4 * dim;
    ensure!(
        bytes.len().is_multiple_of(stride),
        "{}: {} bytes are not a whole number of rows of dimension {dim}",
        path.display(),
        bytes.len()
    );
    let mut rows = Vec::with_capacity(bytes.len() / stride * dim);
    for (number, row) in bytes.chunks_exact(stride).enumerate() {
        let (head, numbers) = row.split_at(4);
        ensure!(head == first.to_le_bytes(), "{}: row {number} has another dimension", path.display());
        rows.extend(numbers.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
    }
    Ok((dim, rows))
}

/// Columns of the published embedding file; its first line is a header.
const COLUMNS: usize = 15;
/// Its columns with the embeddings of the target: query, attribute, text, image.
const TARGET: std::ops::Range<usize> = 7..11;
/// Its columns with the embeddings of the behaviours, in the same order.
const HISTORY: std::ops::Range<usize> = 11..15;

/// Reads users in the published layout: tab-separated, a header, fifteen columns, of which the last eight hold the
/// embeddings of the target and of the behaviours (query, attribute, text, image). Numbers are separated by commas,
/// vectors by colons. Returns the embedding dimension of a modality and the users.
///
/// # Errors
/// Says the line and the column that cannot be read.
pub fn read_table(path: &Path) -> anyhow::Result<(usize, Vec<UserData>)> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut users = Vec::new();
    let mut width = None;
    for (number, line) in std::io::BufReader::new(file).lines().enumerate().skip(1) {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        let user =
            parse_line(&line, &mut width).with_context(|| format!("{}:{}", path.display(), number + 1))?;
        users.push(user);
    }
    ensure!(!users.is_empty(), "{}: no line after the header", path.display());
    Ok((width.unwrap_or_default(), users))
}

fn parse_line(line: &str, width: &mut Option<usize>) -> anyhow::Result<UserData> {
    let columns: Vec<&str> = line.split('\t').collect();
    ensure!(columns.len() == COLUMNS, "expected {COLUMNS} columns, found {}", columns.len());
    let mut vectors = |column: usize| -> anyhow::Result<Vec<Vec<f32>>> {
        let parse = |text: &str| -> anyhow::Result<Vec<f32>> {
            let numbers: Result<Vec<f32>, _> = text.split(',').map(|x| x.trim().parse()).collect();
            let numbers = numbers.with_context(|| format!("column {}: not numbers", column + 1))?;
            let expected = *width.get_or_insert(numbers.len());
            if numbers.len() != expected || numbers.iter().any(|x| !x.is_finite()) {
                bail!(
                    "column {}: a vector of {} numbers, not {expected} finite ones",
                    column + 1,
                    numbers.len()
                );
            }
            Ok(numbers)
        };
        columns[column].split(':').map(parse).collect()
    };
    let targets: Vec<Vec<f32>> = TARGET
        .map(|column| {
            let mut vectors = vectors(column)?;
            ensure!(vectors.len() == 1, "column {}: {} vectors for one target", column + 1, vectors.len());
            Ok(vectors.remove(0))
        })
        .collect::<anyhow::Result<_>>()?;
    let modalities: Vec<Vec<Vec<f32>>> = HISTORY.map(&mut vectors).collect::<anyhow::Result<_>>()?;
    let length = modalities[0].len();
    if let Some(other) = modalities.iter().find(|m| m.len() != length) {
        bail!("the modalities have histories of different lengths: {length} and {} behaviours", other.len());
    }
    let history = (0..length).flat_map(|l| modalities.iter().flat_map(move |m| m[l].clone())).collect();
    Ok(UserData { history, targets: targets.concat() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_vector_files_are_read_or_refused_with_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.tsv");
        let target = "1,2\t3,4\t5,6\t7,8";
        let history = "1,0:0,1\t2,0:0,2\t3,0:0,3\t4,0:0,4";
        let good = format!("header\nu\t1\ts\ts\t2\tq\ti\t{target}\t{history}\n");
        std::fs::write(&path, &good).unwrap();
        let (dim, users) = read_table(&path).unwrap();
        assert_eq!(
            (dim, users.len(), users[0].targets.clone()),
            (2, 1, vec![1., 2., 3., 4., 5., 6., 7., 8.])
        );
        assert_eq!(users[0].history[..8], [1., 0., 2., 0., 3., 0., 4., 0.]);
        for (bad, place) in
            [("1,2\t3,4", "x,2\t3,4"), ("0,4\n", "0,4:1,1\n"), ("u\t1", "u"), ("5,6", "5,6,7")]
                .map(|(from, to)| (good.replacen(from, to, 1), "users.tsv:2"))
        {
            std::fs::write(&path, bad).unwrap();
            let error = format!("{:#}", read_table(&path).unwrap_err());
            assert!(error.contains(place), "{error}");
        }
        let vectors = folder.path().join("v.fvecs");
        let row = |x: f32| [2i32.to_le_bytes(), x.to_le_bytes(), 1f32.to_le_bytes()].concat();
        std::fs::write(&vectors, [row(3.0), row(4.0)].concat()).unwrap();
        assert_eq!(read_fvecs(&vectors).unwrap(), (2, vec![3.0, 1.0, 4.0, 1.0]));
        std::fs::write(&vectors, &row(3.0)[..9]).unwrap();
        assert!(read_fvecs(&vectors).is_err());
    }

    #[test]
    fn draws_are_the_same_on_any_number_of_threads() {
        let draws = [1, 2].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| draw(Shape::Clustered, 9000, 2, 4, 3, 5))
        });
        assert_eq!(draws[0].history, draws[1].history);
        assert_ne!(draws[0].history[..8], draws[0].targets[..8]);
    }
}
