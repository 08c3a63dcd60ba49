//! The nearest of a set of centroids, by squared distance; ties go to the first.

use pulp::{Arch, Simd, WithSimd, bytemuck};

use crate::kernel::float::Term;

/// Centroids that lie side by side in a panel.
const PANEL: usize = 16;

/// Centroids arranged for comparison: panels of sixteen, one component after another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panels {
    dim: usize,
    clusters: usize,
    panels: Vec<f32>,
}

impl Panels {
    /// Arranges `[clusters, dim]`.
    pub(crate) fn new(dim: usize, centroids: &[f32]) -> Self {
        let clusters = centroids.len() / dim;
        // Padding lies at infinity, so it is never the nearest.
        let mut panels = vec![f32::INFINITY; clusters.div_ceil(PANEL) * PANEL * dim];
        for (cluster, centroid) in centroids.chunks_exact(dim).enumerate() {
            let panel = &mut panels[cluster / PANEL * PANEL * dim..][..PANEL * dim];
            for (component, &value) in centroid.iter().enumerate() {
                panel[component * PANEL + cluster % PANEL] = value;
            }
        }
        Self { dim, clusters, panels }
    }

    /// The nearest centroid of each row of `[out.len(), dim]`, and the squared distance to it.
    pub(crate) fn nearest(&self, rows: &[f32], out: &mut [(u32, f32)]) {
        debug_assert!(self.clusters > 0 && rows.len() == out.len() * self.dim);
        Arch::new().dispatch(Nearest { panels: self, rows, out });
    }
}

impl Panels {
    /// ⟨row, c⟩ or |row − c|² for each centroid c, into `out` of at least their number.
    pub(crate) fn compare(&self, term: Term, row: &[f32], out: &mut [f32]) {
        Arch::new().dispatch(Compare { panels: self, term, row, out });
    }
}

struct Compare<'a> {
    panels: &'a Panels,
    term: Term,
    row: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Compare<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panels { clusters, panels, .. } = self.panels;
        let registers = PANEL / S::F32_LANES;
        let out = self.out[..*clusters].chunks_mut(PANEL);
        for (panel, out) in panels.chunks_exact(PANEL * self.row.len()).zip(out) {
            let mut sums = [simd.splat_f32s(0.0); PANEL];
            for (&value, components) in self.row.iter().zip(panel.chunks_exact(PANEL)) {
                let (components, _) = S::as_simd_f32s(components);
                let value = simd.splat_f32s(value);
                for part in 0..registers {
                    let (left, right) = match self.term {
                        Term::Product => (value, components[part]),
                        Term::SquaredDifference => {
                            let difference = simd.sub_f32s(value, components[part]);
                            (difference, difference)
                        }
                    };
                    sums[part] = simd.mul_add_f32s(left, right, sums[part]);
                }
            }
            let sums: &[f32] = bytemuck::cast_slice(&sums[..registers]);
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}

struct Nearest<'a> {
    panels: &'a Panels,
    rows: &'a [f32],
    out: &'a mut [(u32, f32)],
}

impl WithSimd for Nearest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panels { dim, panels, .. } = self.panels;
        for (row, out) in self.rows.chunks_exact(*dim).zip(self.out) {
            *out = nearest(simd, row, panels);
        }
    }
}

#[inline(always)]
fn nearest<S: Simd>(simd: S, row: &[f32], panels: &[f32]) -> (u32, f32) {
    // A row with an overflowing distance to every centroid belongs to the first.
    let mut best = (0, f32::INFINITY);
    let registers = PANEL / S::F32_LANES;
    let mut best_distance = [simd.splat_f32s(f32::INFINITY); PANEL];
    let mut best_panel = [simd.splat_u32s(0); PANEL];
    for (number, panel) in panels.chunks_exact(PANEL * row.len()).enumerate() {
        let mut distance = [simd.splat_f32s(0.0); PANEL];
        for (&value, components) in row.iter().zip(panel.chunks_exact(PANEL)) {
            let (components, _) = S::as_simd_f32s(components);
            let value = simd.splat_f32s(value);
            for part in 0..registers {
                let difference = simd.sub_f32s(value, components[part]);
                distance[part] = simd.mul_add_f32s(difference, difference, distance[part]);
            }
        }
        let number = simd.splat_u32s(number as u32);
        for part in 0..registers {
            let nearer = simd.less_than_f32s(distance[part], best_distance[part]);
            best_distance[part] = simd.select_f32s(nearer, distance[part], best_distance[part]);
            best_panel[part] = simd.select_u32s(nearer, number, best_panel[part]);
        }
    }
    let distances: &[f32] = bytemuck::cast_slice(&best_distance[..registers]);
    let numbers: &[u32] = bytemuck::cast_slice(&best_panel[..registers]);
    for (lane, (&distance, &panel)) in distances.iter().zip(numbers).enumerate() {
        let cluster = panel * PANEL as u32 + lane as u32;
        if distance < best.1 || (distance == best.1 && distance < f32::INFINITY && cluster < best.0) {
            best = (cluster, distance);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(row: &[f32], centroids: &[f32]) -> (u32, f32) {
        let mut best = (0, f32::INFINITY);
        for (cluster, centroid) in centroids.chunks_exact(row.len()).enumerate() {
            let distance = row.iter().zip(centroid).fold(0.0f32, |sum, (x, c)| (x - c).mul_add(x - c, sum));
            if distance < best.1 {
                best = (cluster as u32, distance);
            }
        }
        best
    }

    proptest::proptest! {
        #[test]
        fn equals_its_twin(dim in 1usize..9, clusters in 1usize..70, seed in 0u32..1000) {
            // Few distinct values, so that there are ties.
            let number = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) % 5;
            let centroids: Vec<f32> = (0..dim * clusters).map(|i| number(i) as f32).collect();
            let rows: Vec<f32> = (0..dim * 20).map(|i| number(i + 7919) as f32 * 0.9).collect();
            let mut found = vec![(0, 0.0); 20];
            Panels::new(dim, &centroids).nearest(&rows, &mut found);
            let expected: Vec<_> = rows.chunks_exact(dim).map(|row| plain(row, &centroids)).collect();
            proptest::prop_assert_eq!(found, expected);
            let row = &rows[..dim];
            let mut out = vec![0.0; clusters];
            for (term, sum) in [
                (Term::Product, (|sum, x, c| f32::mul_add(x, c, sum)) as fn(f32, f32, f32) -> f32),
                (Term::SquaredDifference, |sum, x, c| (x - c).mul_add(x - c, sum)),
            ] {
                Panels::new(dim, &centroids).compare(term, row, &mut out);
                let twin = |c: &[f32]| row.iter().zip(c).fold(0.0, |s, (&x, &c)| sum(s, x, c));
                let expected: Vec<f32> = centroids.chunks_exact(dim).map(twin).collect();
                proptest::prop_assert_eq!(&out, &expected);
            }
        }
    }
}
