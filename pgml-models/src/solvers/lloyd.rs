//! Lloyd's iteration for k-means over blocks of centred rows.

use pgml_core::{Dataset, Result, Run};

use super::blocks::{copy_columns, feature_means, ranges};
use super::kernels::dot;
use super::nearest::{cross_terms, keep_lower};
use super::parallel;

/// Rows per block: a block of scores and labels stays in the first-level cache.
const BLOCK: usize = 256;
/// Blocks per piece of parallel work. Sums are made per piece and then added in order, so that the number of threads
/// does not change them.
const PIECE: usize = 32;

/// Rows with their means subtracted, in blocks that lie column after column.
pub struct Points {
    columns: Vec<f64>,
    /// How many rows there are.
    pub n: usize,
    /// Features per row.
    pub d: usize,
    /// One per row; all 1 without weights.
    pub weight: Vec<f64>,
    means: Vec<f64>,
    variances: Vec<f64>,
    _memory: pgml_core::run::Reservation,
}

/// Centres and what belongs to them.
#[derive(Debug, Clone)]
pub struct Clustering {
    /// One row per cluster, centred like the points.
    pub centres: Vec<f64>,
    /// Weighted sum of squared distances to the own centre.
    pub inertia: f64,
    /// Rows per cluster.
    pub sizes: Vec<usize>,
}

/// Weighted sums of the rows of each cluster.
struct Sums {
    totals: Vec<f64>,
    weights: Vec<f64>,
}

impl Points {
    /// Copies and centres the rows of `data`.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(data: &Dataset, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let memory = run.reserve(8 * (n * (d + 3)) as u64, "the matrix of features")?;
        let means = feature_means(data, None, run)?;
        let mut columns = vec![0.0; n * d];
        let mut variances = vec![0.0; d];
        for rows in ranges(n, BLOCK) {
            run.check()?;
            let len = rows.len();
            let block = &mut columns[rows.start * d..rows.end * d];
            copy_columns(data, &rows, block);
            for (j, column) in block.chunks_exact_mut(len).enumerate() {
                column.iter_mut().for_each(|x| *x -= means[j]);
                variances[j] += dot(column, column) / n as f64;
            }
        }
        let weight = data.weight().map_or_else(|| vec![1.0; n], <[f64]>::to_vec);
        Ok(Self { columns, n, d, weight, means, variances, _memory: memory })
    }

    /// The mean over features of their variances.
    #[must_use]
    pub fn mean_variance(&self) -> f64 {
        self.variances.iter().sum::<f64>() / self.d as f64
    }

    /// Centres with the means subtracted.
    #[must_use]
    pub fn centred(&self, centres: &[f64]) -> Vec<f64> {
        centres.iter().zip(self.means.iter().cycle()).map(|(c, m)| c - m).collect()
    }

    /// Centres with the means added back.
    #[must_use]
    pub fn uncentred(&self, centres: Vec<f64>) -> Vec<f64> {
        centres.iter().zip(self.means.iter().cycle()).map(|(c, m)| c + m).collect()
    }

    fn n_pieces(&self) -> usize {
        self.n.div_ceil(BLOCK * PIECE)
    }

    /// The blocks of piece `piece`: row ranges and their columns.
    fn blocks(&self, piece: usize) -> impl Iterator<Item = (std::ops::Range<usize>, &[f64])> {
        let first = piece * BLOCK * PIECE;
        let last = (first + BLOCK * PIECE).min(self.n);
        ranges(last - first, BLOCK).map(move |rows| {
            let rows = rows.start + first..rows.end + first;
            (rows.clone(), &self.columns[rows.start * self.d..rows.end * self.d])
        })
    }

    /// Row `i`.
    #[must_use]
    pub fn row(&self, i: usize) -> Vec<f64> {
        let first = i / BLOCK * BLOCK;
        let len = BLOCK.min(self.n - first);
        (0..self.d).map(|j| self.columns[first * self.d + j * len + i - first]).collect()
    }

    /// The rows of these numbers, in that order, centred as they are here.
    ///
    /// # Errors
    /// When memory does not suffice.
    pub fn pick(&self, rows: &[u32], run: &Run) -> Result<Self> {
        let (n, d) = (rows.len(), self.d);
        let memory = run.reserve(8 * (n * (d + 3)) as u64, "a batch of rows")?;
        let mut columns = vec![0.0; n * d];
        for block in ranges(n, BLOCK) {
            let to = &mut columns[block.start * d..block.end * d];
            for (at, row) in rows[block.clone()].iter().enumerate() {
                let first = *row as usize / BLOCK * BLOCK;
                let (len, begin) = (BLOCK.min(self.n - first), first * d + *row as usize - first);
                for (j, to) in to.iter_mut().skip(at).step_by(block.len()).enumerate() {
                    *to = self.columns[begin + j * len];
                }
            }
        }
        let weight = rows.iter().map(|row| self.weight[*row as usize]).collect();
        let (means, variances) = (self.means.clone(), self.variances.clone());
        Ok(Self { columns, n, d, weight, means, variances, _memory: memory })
    }

    /// The nearest of `centres` to every row, and the weighted sum of the squared distances.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn labels(&self, centres: &[f64], run: &Run) -> Result<(Vec<u32>, f64)> {
        let labels = self.assign(centres, run)?.0;
        let inertia = dot(&self.own_distances(centres, &labels), &self.weight);
        Ok((labels, inertia))
    }

    /// Squared distance of every row to `point`.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn distances(&self, point: &[f64], run: &Run) -> Result<Vec<f64>> {
        let pieces = parallel::map(self.n_pieces(), run, |piece| {
            run.check()?;
            let mut out = Vec::with_capacity(BLOCK * PIECE);
            for (rows, columns) in self.blocks(piece) {
                let begin = out.len();
                out.resize(begin + rows.len(), 0.0);
                let out = &mut out[begin..];
                for (column, p) in columns.chunks_exact(rows.len()).zip(point) {
                    out.iter_mut().zip(column).for_each(|(out, x)| *out += (x - p) * (x - p));
                }
            }
            Ok(out)
        })?;
        Ok(pieces.concat())
    }

    /// Moves `centres` until rows stay where they are, or centres move less than `tol` (sum of squares).
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn lloyd(&self, mut centres: Vec<f64>, tol: f64, max_iter: usize, run: &Run) -> Result<Clustering> {
        let mut labels: Vec<u32> = Vec::new();
        let mut settled = false;
        for _ in 0..max_iter {
            let (new_labels, mut sums) = self.assign(&centres, run)?;
            self.relocate_empty(&centres, &new_labels, &mut sums);
            let moved = sums.average_into(&mut centres);
            settled = new_labels == labels;
            labels = new_labels;
            if settled || moved <= tol {
                break;
            }
        }
        if !settled {
            // Labels belong to the final centres.
            labels = self.assign(&centres, run)?.0;
        }
        let mut sizes = vec![0; centres.len() / self.d];
        labels.iter().for_each(|label| sizes[*label as usize] += 1);
        let inertia = self.own_distances(&centres, &labels).iter().zip(&self.weight).map(|(d, w)| d * w).sum();
        Ok(Clustering { centres, inertia, sizes })
    }

    /// The nearest centre of every row, and the sums of the rows of each.
    fn assign(&self, centres: &[f64], run: &Run) -> Result<(Vec<u32>, Sums)> {
        let norms: Vec<f64> = centres.chunks_exact(self.d).map(|c| dot(c, c)).collect();
        let pieces = parallel::map(self.n_pieces(), run, |piece| {
            let mut labels: Vec<u32> = Vec::with_capacity(BLOCK * PIECE);
            let mut sums = Sums::new(norms.len(), self.d);
            let (mut scores, mut best, mut own) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
            for (rows, columns) in self.blocks(piece) {
                run.check()?;
                let len = rows.len();
                let (scores, best, own) = (&mut scores[..len], &mut best[..len], &mut own[..len]);
                best.fill(f64::INFINITY);
                own.fill(0.0);
                for (k, centre) in centres.chunks_exact(self.d).enumerate() {
                    cross_terms(columns, centre, norms[k], scores);
                    keep_lower(scores, k as f64, best, own);
                }
                let begin = labels.len();
                labels.extend(own.iter().map(|label| *label as u32));
                sums.add(columns, &labels[begin..], &self.weight[rows]);
            }
            Ok((labels, sums))
        })?;
        let mut all = Vec::with_capacity(self.n);
        let mut sums = Sums::new(norms.len(), self.d);
        for (labels, piece) in pieces {
            all.extend(labels);
            sums.totals.iter_mut().zip(&piece.totals).for_each(|(a, b)| *a += b);
            sums.weights.iter_mut().zip(&piece.weights).for_each(|(a, b)| *a += b);
        }
        Ok((all, sums))
    }

    /// Squared distance of every row to the centre it belongs to.
    fn own_distances(&self, centres: &[f64], labels: &[u32]) -> Vec<f64> {
        let mut out = vec![0.0; self.n];
        for rows in ranges(self.n, BLOCK) {
            let block = &self.columns[rows.start * self.d..rows.end * self.d];
            let (out, labels) = (&mut out[rows.clone()], &labels[rows.clone()]);
            for (j, column) in block.chunks_exact(rows.len()).enumerate() {
                for ((out, x), label) in out.iter_mut().zip(column).zip(labels) {
                    let difference = x - centres[*label as usize * self.d + j];
                    *out += difference * difference;
                }
            }
        }
        out
    }

    /// Gives each cluster without rows one of those farthest from their centres, as scikit-learn does.
    fn relocate_empty(&self, centres: &[f64], labels: &[u32], sums: &mut Sums) {
        let empty: Vec<usize> = (0..sums.weights.len()).filter(|k| sums.weights[*k] == 0.0).collect();
        if empty.is_empty() {
            return;
        }
        let distances = self.own_distances(centres, labels);
        let mut order: Vec<usize> = (0..self.n).collect();
        order.sort_by(|&i, &j| distances[j].total_cmp(&distances[i]).then(i.cmp(&j)));
        for (to, row) in empty.into_iter().zip(order) {
            if distances[row] == 0.0 {
                break;
            }
            let (from, weight) = (labels[row] as usize, self.weight[row]);
            for (j, x) in self.row(row).into_iter().enumerate() {
                sums.totals[from * self.d + j] -= weight * x;
                sums.totals[to * self.d + j] = weight * x;
            }
            sums.weights[from] -= weight;
            sums.weights[to] = weight;
        }
    }
}

impl Sums {
    fn new(k: usize, d: usize) -> Self {
        Self { totals: vec![0.0; k * d], weights: vec![0.0; k] }
    }

    fn add(&mut self, columns: &[f64], labels: &[u32], weight: &[f64]) {
        let d = self.totals.len() / self.weights.len();
        for (j, column) in columns.chunks_exact(labels.len()).enumerate() {
            for ((x, label), w) in column.iter().zip(labels).zip(weight) {
                self.totals[*label as usize * d + j] += w * x;
            }
        }
        labels.iter().zip(weight).for_each(|(label, w)| self.weights[*label as usize] += w);
    }

    /// Replaces each centre that has rows by their mean; returns the sum of squared movements.
    fn average_into(&self, centres: &mut [f64]) -> f64 {
        let d = self.totals.len() / self.weights.len();
        let mut moved = 0.0;
        for ((centre, total), weight) in centres.chunks_exact_mut(d).zip(self.totals.chunks_exact(d)).zip(&self.weights)
        {
            if *weight > 0.0 {
                for (c, t) in centre.iter_mut().zip(total) {
                    let mean = t / weight;
                    moved += (mean - *c) * (mean - *c);
                    *c = mean;
                }
            }
        }
        moved
    }
}
