//! Sums of gradients per leaf and bin, and the scores of splits that follow from them.

/// Sampled rows in the order of their leaves, with what is summed of them.
#[derive(Debug)]
pub(super) struct LeafRows {
    rows: Vec<u32>,
    /// For each row its gradients and its weight.
    values: Vec<f64>,
    /// `dims + 1`.
    width: usize,
    /// Where each leaf's rows are.
    ranges: Vec<(usize, usize)>,
    /// Room for the next split.
    spare_rows: Vec<u32>,
    spare_values: Vec<f64>,
}

impl LeafRows {
    /// All in one leaf.
    pub(super) fn new(rows: Vec<u32>, values: Vec<f64>, width: usize) -> Self {
        let n = rows.len();
        let (spare_rows, spare_values) = (vec![0; n], vec![0.0; values.len()]);
        Self { rows, values, width, ranges: vec![(0, n)], spare_rows, spare_values }
    }

    /// Splits every leaf; the rows for which `side` holds go to a new leaf, `n_leaves` above.
    pub(super) fn split(&mut self, side: impl Fn(u32) -> bool) {
        let n_leaves = self.ranges.len();
        let mut above = Vec::with_capacity(n_leaves);
        for range in &mut self.ranges {
            let (start, end) = *range;
            let n_true = self.rows[start..end].iter().filter(|row| side(**row)).count();
            let middle = end - n_true;
            let (mut lower, mut upper) = (start, middle);
            for at in start..end {
                let row = self.rows[at];
                let to = if side(row) { &mut upper } else { &mut lower };
                self.spare_rows[*to] = row;
                let (from, into) = (at * self.width, *to * self.width);
                self.spare_values[into..into + self.width].copy_from_slice(&self.values[from..from + self.width]);
                *to += 1;
            }
            *range = (start, middle);
            above.push((middle, end));
        }
        self.ranges.extend(above);
        std::mem::swap(&mut self.rows, &mut self.spare_rows);
        std::mem::swap(&mut self.values, &mut self.spare_values);
    }

    /// The sums of a column for all leaves, `leaves × bins × width`. `known` are those of the level above, if it had any:
    /// then of each pair of leaves only the smaller one is summed, and the other is what is left.
    pub(super) fn sums(&self, bins: &[u8], n_bins: usize, known: Option<Vec<f64>>) -> Vec<f64> {
        let size = n_bins * self.width;
        let n_leaves = self.ranges.len();
        let Some(mut sums) = known else {
            let mut sums = vec![0.0; n_leaves * size];
            sums.chunks_exact_mut(size).enumerate().for_each(|(leaf, sums)| self.add_leaf(leaf, bins, sums));
            return sums;
        };
        let half = n_leaves / 2;
        sums.resize(n_leaves * size, 0.0);
        let (lower, upper) = sums.split_at_mut(half * size);
        for (leaf, (lower, upper)) in lower.chunks_exact_mut(size).zip(upper.chunks_exact_mut(size)).enumerate() {
            let n_rows = |leaf: usize| self.ranges[leaf].1 - self.ranges[leaf].0;
            if n_rows(leaf + half) <= n_rows(leaf) {
                self.add_leaf(leaf + half, bins, upper);
                lower.iter_mut().zip(&*upper).for_each(|(all, part)| *all -= part);
            } else {
                self.add_leaf(leaf, bins, upper);
                for (all, part) in lower.iter_mut().zip(upper) {
                    (*all, *part) = (*part, *all - *part);
                }
            }
        }
        sums
    }

    fn add_leaf(&self, leaf: usize, bins: &[u8], sums: &mut [f64]) {
        let (start, end) = self.ranges[leaf];
        let rows = &self.rows[start..end];
        if self.width == 2 && rows.len() > 64 {
            // An array that every possible bin lies in is not checked at each row.
            let mut all = [[0.0_f64; 2]; 256];
            let (values, _) = self.values[2 * start..2 * end].as_chunks::<2>();
            for (row, value) in rows.iter().zip(values) {
                let cell = &mut all[usize::from(bins[*row as usize])];
                cell[0] += value[0];
                cell[1] += value[1];
            }
            sums.copy_from_slice(&all.as_flattened()[..sums.len()]);
            return;
        }
        let width = self.width;
        for (row, value) in rows.iter().zip(self.values[width * start..width * end].chunks_exact(width)) {
            let cell = &mut sums[usize::from(bins[*row as usize]) * width..][..width];
            cell.iter_mut().zip(value).for_each(|(sum, x)| *sum += x);
        }
    }
}

/// What splits are scored by: the cosine between gradients and leaf values, or the squared length of the latter.
#[derive(Debug)]
pub(super) struct SplitScores {
    /// For each split `Σ leaf value · gradient` and `Σ leaf value² · weight`.
    parts: Vec<[f64; 2]>,
}

impl SplitScores {
    /// No leaf yet.
    pub(super) fn new(n_splits: usize) -> Self {
        Self { parts: vec![[0.0, 1e-100]; n_splits] }
    }

    /// How many splits there are.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Adds the leaves of `sums`, `leaves × bins × (dims + 1)`. A split at bin `b` separates the bins above `b` from the
    /// others, or with `one_hot` bin `b` from the others. Splits that are equally good are common, and rounding decides
    /// between them: so every sum and product is in the order that CatBoost has them in.
    pub(super) fn add(&mut self, sums: &[f64], n_bins: usize, dims: usize, l2: f64, one_hot: bool) {
        let width = dims + 1;
        for leaf in sums.chunks_exact(n_bins * width) {
            for dim in 0..dims {
                let (mut right_gradient, mut right_weight) = (0.0, 0.0);
                for bin in leaf.chunks_exact(width) {
                    right_gradient += bin[dim];
                    right_weight += bin[dims];
                }
                let all = (right_gradient, right_weight);
                if right_weight <= 0.0 {
                    continue;
                }
                let (mut left_gradient, mut left_weight) = (0.0, 0.0);
                for (part, bin) in self.parts.iter_mut().zip(leaf.chunks_exact(width)) {
                    if one_hot {
                        (left_gradient, left_weight) = (0.0, 0.0);
                        (right_gradient, right_weight) = all;
                    }
                    left_gradient += bin[dim];
                    left_weight += bin[dims];
                    right_gradient -= bin[dim];
                    right_weight -= bin[dims];
                    let left = mean(left_gradient, left_weight, l2);
                    let right = mean(right_gradient, right_weight, l2);
                    part[0] += left * left_gradient + right * right_gradient;
                    part[1] += left * left * left_weight + right * right * right_weight;
                }
            }
        }
    }

    /// Adds one leaf's side by hand: its value, and the gradient and weight of the rows that judge it.
    pub(super) fn add_side(&mut self, split: usize, value: f64, gradient: f64, weight: f64) {
        self.parts[split][0] += value * gradient;
        self.parts[split][1] += value * value * weight;
    }

    /// The score of each split.
    pub(super) fn scores(&self, cosine: bool) -> impl Iterator<Item = f64> {
        self.parts.iter().map(move |[product, square]| if cosine { product / square.sqrt() } else { *product })
    }
}

/// The leaf value that a squared error would give.
#[inline]
pub(super) fn mean(gradient: f64, weight: f64, l2: f64) -> f64 {
    if weight > 0.0 { gradient * (1.0 / (weight + l2)) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_leaf_is_its_other_half() {
        let mut rng = fastrand::Rng::with_seed(1);
        let bins: Vec<u8> = (0..500).map(|_| rng.u8(0..7)).collect();
        let values: Vec<f64> = (0..1000).map(|i| if i % 2 == 0 { f64::from(rng.i32(-5..5)) } else { 1.0 }).collect();
        let mut rows = LeafRows::new((0..500).collect(), values, 2);
        let mut sums = rows.sums(&bins, 7, None);
        for seed in 0..3 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let sides: Vec<bool> = (0..500).map(|_| rng.u8(0..10) < 3).collect();
            rows.split(|row| sides[row as usize]);
            sums = rows.sums(&bins, 7, Some(sums));
            assert_eq!(sums, rows.sums(&bins, 7, None));
        }
    }

    #[test]
    fn a_split_that_explains_the_gradient_scores_best() {
        let sums = [1.0, 1.0, 1.0, 1.0, -2.0, 1.0];
        let mut scores = SplitScores::new(2);
        scores.add(&sums, 3, 1, 1.0, false);
        let cosine: Vec<f64> = scores.scores(true).collect();
        assert!(cosine[1] > cosine[0], "{cosine:?}");
    }
}
