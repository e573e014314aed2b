//! Symmetric trees as arrays: each level of a tree is one test, and the tests' answers are the bits of the leaf's number.

use super::columns::Columns;

/// Rows that are taken through all trees together.
pub(super) const BLOCK: usize = 128;

/// Most levels of a tree.
pub(super) const MOST_LEVELS: usize = 16;

/// Trees, one after another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Forest {
    /// How many scores a leaf has.
    pub dims: usize,
    /// How many levels each tree has.
    pub depths: Vec<u8>,
    /// For each level of each tree the column that it asks…
    pub split_columns: Vec<u32>,
    /// …and the bin that rows must be above.
    pub split_bins: Vec<u8>,
    /// For each tree its leaves' scores, `leaves × dims`.
    pub leaf_values: Vec<f64>,
    /// The weight of training rows in each leaf.
    pub leaf_covers: Vec<f64>,
    /// What sums are multiplied by before the start is added.
    pub scale: f64,
    /// What every row starts from.
    pub start: Vec<f64>,
}

impl Forest {
    /// Writes the scores of rows of `width` values into `scores`, `rows × dims`.
    pub(super) fn scores(&self, columns: &Columns, rows: &[f64], width: usize, scores: &mut [f64]) {
        let mut room = vec![0; columns.len() * BLOCK.min(rows.len() / width)];
        let mut hashes = Vec::new();
        for (rows, scores) in rows.chunks(BLOCK * width).zip(scores.chunks_mut(BLOCK * self.dims)) {
            let n_rows = rows.len() / width;
            let bins = &mut room[..columns.len() * n_rows];
            columns.write(rows, width, bins, &mut hashes);
            scores.fill(0.0);
            if n_rows == 1 {
                self.add_row(bins, scores);
            } else {
                self.add_block(bins, n_rows, scores);
            }
            for scores in scores.chunks_exact_mut(self.dims) {
                scores.iter_mut().zip(&self.start).for_each(|(score, start)| *score = *score * self.scale + start);
            }
        }
    }

    /// One row: the bins of its columns.
    fn add_row(&self, bins: &[u8], scores: &mut [f64]) {
        self.each_tree(|columns, thresholds, values| {
            let tests = columns.iter().zip(thresholds).enumerate();
            let leaf = tests.fold(0, |leaf, (level, (column, threshold))| {
                leaf | usize::from(bins[*column as usize] > *threshold) << level
            });
            let values = &values[leaf * self.dims..][..self.dims];
            scores.iter_mut().zip(values).for_each(|(score, value)| *score += value);
        });
    }

    /// Several rows: `columns × rows` bins.
    fn add_block(&self, bins: &[u8], n_rows: usize, scores: &mut [f64]) {
        self.each_tree(|columns, thresholds, values| {
            let mut leaves = [0_u16; BLOCK];
            let leaves = &mut leaves[..n_rows];
            // Up to eight levels fit in a byte, and the processor compares more bytes at once.
            let mut low = [0_u8; BLOCK];
            for (level, (column, threshold)) in columns.iter().zip(thresholds).enumerate() {
                let bins = &bins[*column as usize * n_rows..][..n_rows];
                if level < 8 {
                    let low = low[..n_rows].iter_mut().zip(bins);
                    low.for_each(|(leaf, bin)| *leaf |= u8::from(bin > threshold) << level);
                } else {
                    let high = leaves.iter_mut().zip(bins);
                    high.for_each(|(leaf, bin)| *leaf |= u16::from(bin > threshold) << level);
                }
            }
            leaves.iter_mut().zip(low).for_each(|(leaf, low)| *leaf |= u16::from(low));
            if self.dims == 1 {
                scores.iter_mut().zip(leaves).for_each(|(score, leaf)| *score += values[usize::from(*leaf)]);
                return;
            }
            for (scores, leaf) in scores.chunks_exact_mut(self.dims).zip(leaves) {
                let values = &values[usize::from(*leaf) * self.dims..][..self.dims];
                scores.iter_mut().zip(values).for_each(|(score, value)| *score += value);
            }
        });
    }

    /// Calls `visit` with the columns, the thresholds and the leaf values of one tree after another.
    fn each_tree(&self, mut visit: impl FnMut(&[u32], &[u8], &[f64])) {
        let (mut split, mut value) = (0, 0);
        for depth in &self.depths {
            let (next_split, next_value) = (split + usize::from(*depth), value + (self.dims << depth));
            visit(
                &self.split_columns[split..next_split],
                &self.split_bins[split..next_split],
                &self.leaf_values[value..next_value],
            );
            (split, value) = (next_split, next_value);
        }
    }

    /// Why the arrays do not make trees over these columns, if they do not.
    pub(super) fn fault(&self, columns: &Columns) -> Option<&'static str> {
        let splits: usize = self.depths.iter().map(|depth| usize::from(*depth)).sum();
        if self.depths.iter().any(|depth| usize::from(*depth) > MOST_LEVELS) {
            return Some("a tree has too many levels");
        }
        let leaves: usize = self.depths.iter().map(|depth| 1 << depth).sum();
        if self.dims == 0 || self.start.len() != self.dims || self.leaf_values.len() != leaves * self.dims {
            return Some("leaves do not fit the trees");
        }
        if self.leaf_covers.len() != leaves {
            return Some("weights of leaves do not fit the trees");
        }
        if self.split_columns.len() != splits || self.split_bins.len() != splits {
            return Some("splits do not fit the trees");
        }
        if self.split_columns.iter().any(|column| *column as usize >= columns.len()) {
            return Some("a split asks a column that is not there");
        }
        let finite = self.leaf_values.iter().chain(&self.start).chain([&self.scale]).all(|x| x.is_finite());
        (!finite).then_some("a score is not finite")
    }
}
