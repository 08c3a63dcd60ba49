//! Inner products and squared distances. Sixteen sums run side by side and are added in one fixed order, so every
//! register width gives the same bits.

use pulp::{Arch, Simd, WithSimd, bytemuck};

/// Sums that run side by side.
const LANES: usize = 16;

/// What is summed over the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// `x y`.
    Product,
    /// `(x − y)²`.
    SquaredDifference,
}

/// ⟨a, b⟩ over the shorter of the two.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    one(Term::Product, a, b)
}

/// |a − b|² over the shorter of the two.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    one(Term::SquaredDifference, a, b)
}

fn one(term: Term, a: &[f32], b: &[f32]) -> f32 {
    let width = a.len().min(b.len());
    let mut out = [0.0];
    Arch::new().dispatch(Rows { term, query: &a[..width], rows: &b[..width], out: &mut out });
    out[0]
}

/// The sum of terms between the query and each row of `rows` `[out.len(), query.len()]`.
pub(crate) fn rows(term: Term, query: &[f32], rows: &[f32], out: &mut [f32]) {
    debug_assert_eq!(rows.len(), out.len() * query.len());
    Arch::new().dispatch(Rows { term, query, rows, out });
}

struct Rows<'a> {
    term: Term,
    query: &'a [f32],
    rows: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.term {
            Term::Product => sum_rows::<S, true>(simd, self.query, self.rows, self.out),
            Term::SquaredDifference => sum_rows::<S, false>(simd, self.query, self.rows, self.out),
        }
    }
}

#[inline(always)]
fn sum_rows<S: Simd, const PRODUCT: bool>(simd: S, query: &[f32], rows: &[f32], out: &mut [f32]) {
    if query.is_empty() {
        return out.fill(0.0);
    }
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        *out = sum_row::<S, PRODUCT>(simd, query, row);
    }
}

#[inline(always)]
pub(crate) fn sum_row<S: Simd, const PRODUCT: bool>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    // At most sixteen registers of one lane; the unused ones cost nothing.
    let mut sums = [simd.splat_f32s(0.0); LANES];
    let registers = LANES / S::F32_LANES;
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (S::as_simd_f32s(x).0, S::as_simd_f32s(y).0);
        for part in 0..registers {
            let (left, right) = if PRODUCT {
                (x[part], y[part])
            } else {
                let difference = simd.sub_f32s(x[part], y[part]);
                (difference, difference)
            };
            sums[part] = simd.mul_add_f32s(left, right, sums[part]);
        }
    }
    let sums: &[f32] = bytemuck::cast_slice(&sums[..registers]);
    let mut lanes = [0.0; LANES];
    lanes.copy_from_slice(sums);
    finish::<PRODUCT>(lanes, a_rest, b_rest)
}

/// Adds the lanes by halves, then the components that fill no block.
#[inline(always)]
fn finish<const PRODUCT: bool>(lanes: [f32; LANES], a: &[f32], b: &[f32]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    let sum = (four[0] + four[2]) + (four[1] + four[3]);
    a.iter().zip(b).fold(sum, |sum, (&x, &y)| {
        let (left, right) = if PRODUCT { (x, y) } else { (x - y, x - y) };
        left.mul_add(right, sum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The twin: the same sums, one number at a time.
    fn plain<const PRODUCT: bool>(a: &[f32], b: &[f32]) -> f32 {
        let (a_blocks, a_rest) = a.as_chunks::<LANES>();
        let (b_blocks, b_rest) = b.as_chunks::<LANES>();
        let mut lanes = [0.0f32; LANES];
        for (x, y) in a_blocks.iter().zip(b_blocks) {
            for lane in 0..LANES {
                let d = x[lane] - y[lane];
                let (left, right) = if PRODUCT { (x[lane], y[lane]) } else { (d, d) };
                lanes[lane] = left.mul_add(right, lanes[lane]);
            }
        }
        finish::<PRODUCT>(lanes, a_rest, b_rest)
    }

    proptest::proptest! {
        #[test]
        fn equals_its_twin_and_is_near_f64(pairs in proptest::collection::vec((-9.0f32..9.0, -9.0f32..9.0), 1..150)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            proptest::prop_assert_eq!(dot(&a, &b).to_bits(), plain::<true>(&a, &b).to_bits());
            proptest::prop_assert_eq!(squared_distance(&a, &b).to_bits(), plain::<false>(&a, &b).to_bits());
            let exact: f64 = a.iter().zip(&b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            let far: f64 = a.iter().zip(&b).map(|(&x, &y)| f64::from(x - y).powi(2)).sum();
            proptest::prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-2);
            proptest::prop_assert!((f64::from(squared_distance(&a, &b)) - far).abs() < 1e-2 * far.max(1.0));
            let mut both = [0.0; 2];
            rows(Term::Product, &a, &[b.clone(), a.clone()].concat(), &mut both);
            proptest::prop_assert_eq!(both, [dot(&a, &b), dot(&a, &a)]);
        }
    }
}
