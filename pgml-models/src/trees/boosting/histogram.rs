//! Sums of gradients and hessians by bin.

use super::bins::{LANES, MISSING_BIN};

/// Bins of a column, with that of missing values.
const BINS: usize = 256;

/// A column's sums over the rows of one node.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub struct ColumnHistogram {
    /// Per bin the sum of gradients and that of hessians.
    pub sums: [[f64; 2]; BINS],
    /// Per bin the number of rows; not kept where every hessian is 1 and their sum says it.
    pub rows: [u32; BINS],
}

impl ColumnHistogram {
    /// Sums of nothing.
    pub const EMPTY: Self = Self { sums: [[0.0; 2]; BINS], rows: [0; BINS] };

    /// Takes away the sums of a part of the rows; the first `n_bins` bins and that of missing values are in use.
    pub fn subtract(&mut self, part: &Self, n_bins: usize) {
        let missing = usize::from(MISSING_BIN);
        for bins in [0..n_bins, missing..missing + 1] {
            for (sum, part) in self.sums[bins.clone()].iter_mut().zip(&part.sums[bins.clone()]) {
                sum[0] -= part[0];
                sum[1] -= part[1];
            }
            for (rows, part) in self.rows[bins.clone()].iter_mut().zip(&part.rows[bins]) {
                *rows = rows.wrapping_sub(*part);
            }
        }
    }

    /// The sum of all bins.
    #[must_use]
    pub fn total(&self) -> [f64; 2] {
        self.sums.iter().fold([0.0; 2], |total, sum| [total[0] + sum[0], total[1] + sum[1]])
    }
}

/// Fills the histograms of neighbouring columns that stand in the same words, the first at place `lane`.
///
/// `pairs` are gradient and hessian of each of `rows`; rows are counted unless every hessian is 1.
pub fn fill(
    words: &[[u8; LANES]],
    lane: usize,
    rows: &[u32],
    pairs: &[[f32; 2]],
    counted: bool,
    columns: &mut [ColumnHistogram],
) {
    match (lane, columns.len(), counted) {
        (0, 4, true) => fill_lanes::<0, 4, true>(words, rows, pairs, columns),
        (0, 4, false) => fill_lanes::<0, 4, false>(words, rows, pairs, columns),
        (0, 2, true) => fill_lanes::<0, 2, true>(words, rows, pairs, columns),
        (0, 2, false) => fill_lanes::<0, 2, false>(words, rows, pairs, columns),
        (2, 2, true) => fill_lanes::<2, 2, true>(words, rows, pairs, columns),
        (2, 2, false) => fill_lanes::<2, 2, false>(words, rows, pairs, columns),
        (0, 1, true) => fill_lanes::<0, 1, true>(words, rows, pairs, columns),
        (0, 1, false) => fill_lanes::<0, 1, false>(words, rows, pairs, columns),
        (2, 1, true) => fill_lanes::<2, 1, true>(words, rows, pairs, columns),
        (2, 1, false) => fill_lanes::<2, 1, false>(words, rows, pairs, columns),
        (0, 3, true) => fill_lanes::<0, 3, true>(words, rows, pairs, columns),
        (0, 3, false) => fill_lanes::<0, 3, false>(words, rows, pairs, columns),
        _ => unreachable!("a word has four places, and is cut in halves"),
    }
}

fn fill_lanes<const FIRST: usize, const COLUMNS: usize, const COUNTED: bool>(
    words: &[[u8; LANES]],
    rows: &[u32],
    pairs: &[[f32; 2]],
    columns: &mut [ColumnHistogram],
) {
    let Some(columns) = columns.first_chunk_mut::<COLUMNS>() else { return };
    *columns = [const { ColumnHistogram::EMPTY }; COLUMNS];
    for (row, pair) in rows.iter().zip(pairs) {
        let word = words[*row as usize];
        let pair = [f64::from(pair[0]), f64::from(pair[1])];
        for (lane, column) in columns.iter_mut().enumerate() {
            let bin = usize::from(word[FIRST + lane]);
            let sum = &mut column.sums[bin];
            sum[0] += pair[0];
            sum[1] += pair[1];
            if COUNTED {
                column.rows[bin] = column.rows[bin].wrapping_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_summed_wherever_a_word_is_cut_and_parts_add_up() {
        let mut rng = fastrand::Rng::with_seed(1);
        let words: Vec<[u8; 4]> = (0..500).map(|_| rng.u32(..).to_le_bytes()).collect();
        let pairs: Vec<[f32; 2]> = (0..500).map(|_| [rng.f32() - 0.5, rng.f32()]).collect();
        let rows: Vec<u32> = (0..500).collect();
        let mut whole = vec![ColumnHistogram::EMPTY; 4];
        fill(&words, 0, &rows, &pairs, true, &mut whole);
        for (lane, n) in [(0, 1), (0, 2), (0, 3), (2, 1), (2, 2)] {
            let mut part = vec![ColumnHistogram::EMPTY; n];
            fill(&words, lane, &rows, &pairs, true, &mut part);
            for (part, whole) in part.iter().zip(&whole[lane..]) {
                assert_eq!((part.sums, part.rows), (whole.sums, whole.rows), "{n} columns from {lane}");
            }
        }
        let mut first = vec![ColumnHistogram::EMPTY; 4];
        fill(&words, 0, &rows[..200], &pairs[..200], true, &mut first);
        let mut rest = whole[3].clone();
        rest.subtract(&first[3], 255);
        assert_eq!(rest.rows.iter().sum::<u32>(), 300);
        assert!((rest.total()[1] + first[3].total()[1] - whole[3].total()[1]).abs() < 1e-9);
    }
}
