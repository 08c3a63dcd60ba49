//! The length of the rows that a codec was trained on.

use crate::coded::Codec;
use crate::metric::Metric;
use crate::vectors::Vectors;

/// Most rows that the length is learned from: first its power of four, then an eighth of a power of two.
const ROWS: [usize; 2] = [64, 256];

/// The codec for rows of length 1, whatever the length of the rows it was trained on: the scale at which coding loses least
/// tells. `rows` are `[n, dim]` of any length; a codec that fits already is returned as it is.
pub(crate) fn fitted<C: Codec>(codec: C, rows: &[f32]) -> C {
    let Ok(rows) = Vectors::new(codec.dim(), Metric::Cosine.prepare_all(rows, codec.dim()).into_owned())
    else {
        return codec;
    };
    let all = rows;
    let [few, rows] = ROWS.map(|most| all.sample(most));
    let Some(own) = loss(&codec, rows.as_slice(), 1.0) else {
        return codec;
    };
    let least = |rows: &[f32], exponents: &mut dyn Iterator<Item = f32>| {
        let losses = exponents.filter_map(|e| Some((loss(&codec, rows, e.exp2())?, e)));
        losses.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((own, 0.0))
    };
    let (_, coarse) = least(few.as_slice(), &mut (-16..=16).map(|e| 2.0 * e as f32));
    let (best, exponent) = least(rows.as_slice(), &mut (-16..=16).map(|e| coarse + e as f32 / 8.0));
    // Few rows may lie better at another scale by chance.
    let chance = 1.0 + 1.0 / (rows.len() as f64).sqrt();
    if own <= chance * best { codec } else { codec.adapted((-exponent).exp2(), &all) }
}

/// What rows of length 1 lose when they are coded at `scale`; none where codes cannot be read back.
fn loss<C: Codec>(codec: &C, rows: &[f32], scale: f32) -> Option<f64> {
    let dim = codec.dim();
    let scaled: Vec<f32> = rows.iter().map(|x| x * scale).collect();
    let mut codes = vec![0; codec.code_len() * (rows.len() / dim)];
    codec.encode(&scaled, &mut codes);
    let mut decoded = vec![0.0; dim];
    let mut sum = 0.0;
    for (row, code) in rows.chunks_exact(dim).zip(codes.chunks_exact(codec.code_len())) {
        if !codec.decode(code, &mut decoded) {
            return None;
        }
        let error = row.iter().zip(&decoded).map(|(x, y)| f64::from(x - y / scale).powi(2));
        sum += error.sum::<f64>();
    }
    Some(sum)
}
