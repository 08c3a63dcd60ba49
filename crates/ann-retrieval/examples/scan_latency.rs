//! Times scans of codes in turn with faiss, on one thread, one query at a time.
//!
//! ```text
//! pip install faiss-cpu
//! python3 benches/peers/faiss_single.py FOLDER
//! cargo run --release -p seminar-ann-retrieval --example scan_latency -- FOLDER benches/peers/faiss_scans.py OUT.json
//! ```
//! `FOLDER` holds `vectors.fvecs` and `queries.fvecs`. A pass is all queries once by one program, then by the other: what else the
//! machine does falls on both. The figures are medians over the passes.

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use seminar_ann_retrieval::*;

const K: usize = 100;
const PASSES: usize = 15;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, script, out] = &arguments[..] else {
        return Err("expected: FOLDER benches/peers/faiss_scans.py OUT.json".into());
    };
    let read = |name: &str| read_fvecs(&Path::new(folder).join(name));
    let (rows, queries) = (read("vectors.fvecs")?, read("queries.fvecs")?);
    let (metric, dim) = (Metric::InnerProduct, rows.dim());
    let truth = Flat::build(&rows, metric)?.search_many(queries.as_slice(), K)?;
    let pq = |sub_vectors| PqConfig { sub_vectors, ..Default::default() };
    let mut entries = Vec::new();
    for (name, kind, size) in [
        (format!("PQ {} x 4 bit", dim / 2), "pq4", dim / 2),
        (format!("PQ {dim} x 4 bit"), "pq4", dim),
        (format!("PQ {} x 8 bit", dim / 4), "pq8", dim / 4),
        (format!("RaBitQ {dim} bit"), "rabitq", dim),
    ] {
        let index: Box<dyn AnnIndex> = match kind {
            "pq4" => Box::new(pq(size).build_fast_scan(&rows, metric)?),
            "pq8" => Box::new(pq(size).build(&rows, metric)?),
            _ => Box::new(RaBitQConfig::default().build(&rows, metric)?),
        };
        let mut peer = Peer::start(script, folder, kind, size)?;
        let found = index.search_many(queries.as_slice(), K)?;
        let mean =
            |k| found.iter().zip(&truth).map(|(f, t)| recall_at(k, f, t)).sum::<f64>() / truth.len() as f64;
        let peer_recall = peer.ask("recall")?;
        peer.ask("pass")?;
        pass(&*index, &queries)?;
        let mut times = Vec::new();
        for _ in 0..PASSES {
            times.push((peer.ask("pass")?[0], pass(&*index, &queries)?));
        }
        let count = queries.len() as f64;
        let entry = format!(
            "{{\"method\": \"{name}\", \"queries_per_second\": {:.1}, \"recall_at\": {{\"10\": {:.4}, \"100\": {:.4}}}, \
             \"faiss_queries_per_second\": {:.1}, \"faiss_recall_at\": {{\"10\": {:.4}, \"100\": {:.4}}}, \"ratio\": {:.3}}}",
            count / median(times.iter().map(|time| time.1)),
            mean(10),
            mean(100),
            count / median(times.iter().map(|time| time.0)),
            peer_recall[0],
            peer_recall[1],
            median(times.iter().map(|(peer, own)| peer / own)),
        );
        println!("{entry}");
        entries.push(entry);
    }
    std::fs::write(out, format!("{{\"passes\": {PASSES}, \"rows\": [\n{}\n]}}\n", entries.join(",\n")))?;
    Ok(())
}

/// Seconds of one pass over all queries.
fn pass(index: &dyn AnnIndex, queries: &Vectors) -> Result<f64> {
    let mut out = Vec::new();
    let start = Instant::now();
    for query in queries.as_slice().chunks_exact(queries.dim()) {
        index.search_into(black_box(query), K, None, &mut out)?;
        black_box(&out);
    }
    Ok(start.elapsed().as_secs_f64())
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// faiss, waiting for its turns.
struct Peer {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(
        script: &str,
        folder: &str,
        kind: &str,
        size: usize,
    ) -> std::result::Result<Self, Box<dyn Error>> {
        let mut process = Command::new("python3")
            .args([script, folder, kind, &size.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().ok_or("no output of the peer")?);
        Ok(Self { process, questions, answers })
    }

    fn ask(&mut self, question: &str) -> std::result::Result<Vec<f64>, Box<dyn Error>> {
        writeln!(self.questions.as_mut().ok_or("the peer has ended")?, "{question}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            return Err("the peer ended without an answer".into());
        }
        Ok(line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Without questions it ends by itself.
        self.questions = None;
        let _ = self.process.wait();
    }
}

fn read_fvecs(path: &Path) -> std::result::Result<Vectors, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (words, _) = bytes.as_chunks::<4>();
    let dim = words.first().map_or(0, |word| u32::from_le_bytes(*word) as usize);
    let rows =
        words.chunks_exact(dim + 1).flat_map(|row| row[1..].iter().map(|word| f32::from_le_bytes(*word)));
    Ok(Vectors::new(dim, rows.collect())?)
}
