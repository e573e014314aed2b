//! Symmetric trees as arrays: each level of a tree is one test, and the tests' answers are the bits of the leaf's number.

use super::block::add_block;
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
                add_block(self, bins, n_rows, scores);
            }
            for scores in scores.chunks_exact_mut(self.dims) {
                scores.iter_mut().zip(&self.start).for_each(|(score, start)| *score = *score * self.scale + start);
            }
        }
    }

    /// One row: the bins of its columns.
    fn add_row(&self, bins: &[u8], scores: &mut [f64]) {
        for TreeRef { columns, thresholds, values } in self.trees() {
            let tests = columns.iter().zip(thresholds).enumerate();
            let leaf = tests.fold(0, |leaf, (level, (column, threshold))| {
                leaf | usize::from(bins[*column as usize] > *threshold) << level
            });
            let values = &values[leaf * self.dims..][..self.dims];
            scores.iter_mut().zip(values).for_each(|(score, value)| *score += value);
        }
    }

    /// The trees one after another.
    #[inline(always)]
    pub(super) fn trees(&self) -> Trees<'_> {
        Trees { forest: self, tree: 0, split: 0, value: 0 }
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

/// One tree of a forest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TreeRef<'a> {
    /// For each level the column that it asks…
    pub columns: &'a [u32],
    /// …and the bin that rows must be above.
    pub thresholds: &'a [u8],
    /// The leaves' scores, `leaves × dims`.
    pub values: &'a [f64],
}

/// See [`Forest::trees`].
pub(super) struct Trees<'a> {
    forest: &'a Forest,
    tree: usize,
    split: usize,
    value: usize,
}

impl<'a> Iterator for Trees<'a> {
    type Item = TreeRef<'a>;

    // Part of loops that are compiled for several processors.
    #[inline(always)]
    fn next(&mut self) -> Option<TreeRef<'a>> {
        let forest = self.forest;
        let depth = *forest.depths.get(self.tree)?;
        let (splits, values) =
            (self.split..self.split + usize::from(depth), self.value..self.value + (forest.dims << depth));
        (self.tree, self.split, self.value) = (self.tree + 1, splits.end, values.end);
        Some(TreeRef {
            columns: &forest.split_columns[splits.clone()],
            thresholds: &forest.split_bins[splits],
            values: &forest.leaf_values[values],
        })
    }
}
