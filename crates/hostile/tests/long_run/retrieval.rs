//! Indexes and histories over trained vectors, beside plain lists of what they hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use seminar_ann_retrieval::*;
use seminar_dataset::rng::Stream;

const K: usize = 10;

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The right answers to a search are those of a plain list, up to the order of sums.
fn check(found: &[Neighbor], held: impl Iterator<Item = (u64, f32)>) {
    let mut scores: Vec<(u64, f32)> = held.collect();
    assert_eq!(found.len(), K.min(scores.len()));
    for neighbor in found {
        let (_, score) = scores.iter().find(|(id, _)| *id == neighbor.id).expect("nothing that was removed");
        assert!((score - neighbor.score).abs() < 1e-4, "{score} is not {}", neighbor.score);
    }
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    if let (Some(last), Some(least)) = (found.last(), scores.get(found.len().saturating_sub(1))) {
        assert!(last.score >= least.1 - 1e-4, "a nearer vector was missed");
    }
}

fn codebook(items: &Vectors) -> ProductQuantizer {
    PqConfig { sub_vectors: 4, centroids: 16, iterations: 3, ..Default::default() }.train(items).unwrap()
}

/// An exact index and one of codes.
pub struct Indexes {
    items: Vectors,
    folder: PathBuf,
    book: ProductQuantizer,
    flat: Flat,
    codes: Pq,
    held: Vec<(u64, usize)>,
    next: u64,
}

impl Indexes {
    pub fn new(items: Vectors, folder: &Path) -> Self {
        let book = codebook(&items);
        let codes = Pq::empty(ByteCodes::new(book.clone()).unwrap(), Metric::InnerProduct);
        let flat =
            Flat::build(&Vectors::new(items.dim(), Vec::new()).unwrap(), Metric::InnerProduct).unwrap();
        Self { items, folder: folder.to_owned(), book, flat, codes, held: Vec::new(), next: 0 }
    }

    pub fn step(&mut self, stream: &mut Stream) -> &'static str {
        let any = |stream: &mut Stream, bound: usize| stream.below(bound as u64) as usize;
        let step = match stream.below(20) {
            0 => {
                let [flat, codes] = ["flat", "codes"].map(|name| self.folder.join(name));
                self.flat.save(&flat).unwrap();
                self.codes.save(&codes).unwrap();
                (self.flat, self.codes) = (Flat::open(&flat).unwrap(), Pq::open(&codes).unwrap());
                "index saved"
            }
            1..9 if !self.held.is_empty() => {
                let (id, _) = self.held.swap_remove(any(stream, self.held.len()));
                assert!(self.flat.remove(id) && self.codes.remove(id));
                "vector removed"
            }
            _ => {
                let row = any(stream, self.items.len());
                self.flat.add(self.next, self.items.row(row)).unwrap();
                self.codes.add(self.next, self.items.row(row)).unwrap();
                self.held.push((self.next, row));
                self.next += 1;
                "vector added"
            }
        };
        assert_eq!((self.flat.len(), self.codes.len()), (self.held.len(), self.held.len()));
        let query = self.items.row(any(stream, self.items.len()));
        let scores = self.held.iter().map(|&(id, row)| (id, dot(query, self.items.row(row))));
        check(&self.flat.search(query, K).unwrap(), scores);
        let mut rebuilt = Pq::empty(ByteCodes::new(self.book.clone()).unwrap(), Metric::InnerProduct);
        self.held.iter().for_each(|&(id, row)| rebuilt.add(id, self.items.row(row)).unwrap());
        assert_eq!(self.codes.search(query, K).unwrap(), rebuilt.search(query, K).unwrap());
        step
    }
}

/// M of the histories: an item and the one before it.
const M: usize = 2;

/// A user's exact history and the same in codes.
pub struct Histories {
    items: Vectors,
    folder: PathBuf,
    codec: Arc<ByteCodes>,
    exact: ExactHistory,
    codes: PqHistory,
    held: Vec<(u64, [usize; M])>,
}

impl Histories {
    pub fn new(items: Vectors, folder: &Path) -> Self {
        let book = codebook(&items);
        let codec = PqHistory::codec(&[&book; M]).unwrap();
        let exact = ExactHistory::exact(M, items.dim()).unwrap();
        let codes = PqHistory::new(codec.clone(), M).unwrap();
        Self { items, folder: folder.to_owned(), codec, exact, codes, held: Vec::new() }
    }

    fn event(&self, rows: [usize; M]) -> Vec<f32> {
        rows.iter().flat_map(|&row| self.items.row(row).to_vec()).collect()
    }

    pub fn step(&mut self, stream: &mut Stream) -> &'static str {
        let any = |stream: &mut Stream, bound: usize| stream.below(bound as u64) as usize;
        let step = match stream.below(20) {
            0 => {
                let [exact, codes] =
                    ["exact", "codes"].map(|name| self.folder.join(format!("{name}.history")));
                self.exact.save(&exact).unwrap();
                self.codes.save(&codes).unwrap();
                (self.exact, self.codes) =
                    (ExactHistory::open(&exact).unwrap(), PqHistory::open(&codes).unwrap());
                "history saved"
            }
            1..9 if !self.held.is_empty() => {
                let (event, _) = self.held.remove(any(stream, self.held.len()));
                self.exact.delete(event).unwrap();
                self.codes.delete(event).unwrap();
                assert!(self.exact.delete(event).is_err(), "it is gone");
                "behaviour deleted"
            }
            _ => {
                let rows = [(); M].map(|()| any(stream, self.items.len()));
                let event = self.event(rows);
                let number = self.exact.append(&event).unwrap();
                assert_eq!(self.codes.append(&event).unwrap(), number);
                assert!(
                    self.held.last().is_none_or(|(last, _)| number > *last),
                    "a number is never given twice"
                );
                self.held.push((number, rows));
                "behaviour appended"
            }
        };
        assert_eq!((self.exact.len(), self.codes.len()), (self.held.len(), self.held.len()));
        let target = self.event([(); M].map(|()| any(stream, self.items.len())));
        let weights = [stream.unit() as f32, stream.unit() as f32];
        let found = self.exact.top_k(&self.exact.prepare(&target, &weights).unwrap(), K).unwrap();
        // Σ_i Σ_j w_i w_j ⟨q_i, k_j⟩
        let score = |rows: [usize; M]| {
            let mut sum = 0.0;
            for (part, weight) in target.chunks_exact(self.items.dim()).zip(weights) {
                sum += rows
                    .iter()
                    .zip(weights)
                    .map(|(&row, w)| weight * w * dot(part, self.items.row(row)))
                    .sum::<f32>();
            }
            sum
        };
        check(&found, self.held.iter().map(|&(id, rows)| (id, score(rows))));
        let mut rebuilt = PqHistory::new(self.codec.clone(), M).unwrap();
        for &(_, rows) in &self.held {
            rebuilt.append(&self.event(rows)).unwrap();
        }
        let answer =
            |history: &PqHistory| history.top_k(&history.prepare(&target, &weights).unwrap(), K).unwrap();
        let renamed = answer(&rebuilt).into_iter().map(|n| Neighbor { id: self.held[n.id as usize].0, ..n });
        assert_eq!(answer(&self.codes), renamed.collect::<Vec<_>>());
        step
    }
}
