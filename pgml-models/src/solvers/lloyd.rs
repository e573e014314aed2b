//! Lloyd's iteration for k-means over blocks of centred rows, with bounds that spare most comparisons.

mod bounds;
mod centring;
mod pool;
mod sums;

use pgml_core::{Dataset, Result, Run};

use super::blocks::ranges;
use super::kernels::dot;
use super::nearest::{PackedCentres, squared_distances};
use super::parallel;
use bounds::{Known, Moves};
pub use centring::Centring;
pub use pool::Pool;
use sums::Sums;

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
    /// What was subtracted.
    pub centring: Centring,
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

impl Points {
    /// Copies and centres the rows of `data`.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(data: &Dataset, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let memory = run.reserve(8 * (n * (d + 6)) as u64, "the matrix of features")?;
        let mut centring = Centring::of(data, run)?;
        let mut columns = vec![0.0; n * d];
        for rows in ranges(n, BLOCK) {
            run.check()?;
            centring.centre(data, &rows, &mut columns[rows.start * d..rows.end * d]);
        }
        let weight = data.weight().map_or_else(|| vec![1.0; n], <[f64]>::to_vec);
        Ok(Self { columns, n, d, weight, centring, _memory: memory })
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

    /// Adds to `totals`, rows of `d` numbers, each row over the number that its label has in `counts`.
    pub fn add_shares(&self, labels: &[u32], counts: &[f64], totals: &mut [f64]) {
        for rows in ranges(self.n, BLOCK) {
            let (block, labels) = (&self.columns[rows.start * self.d..rows.end * self.d], &labels[rows.clone()]);
            for (j, column) in block.chunks_exact(rows.len()).enumerate() {
                for (x, label) in column.iter().zip(labels) {
                    totals[*label as usize * self.d + j] += x / counts[*label as usize];
                }
            }
        }
    }

    /// The nearest of `centres` to every row, and the weighted sum of the squared distances.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn labels(&self, centres: &[f64], run: &Run) -> Result<(Vec<u32>, f64)> {
        let labels = self.assign(centres, run)?;
        let inertia = dot(&self.own_distances(centres, &labels), &self.weight);
        Ok((labels, inertia))
    }

    /// For each candidate the squared distance of every row to it, or to the nearest centre so far (`closest`) where that
    /// is less, and their weighted sum.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn with_candidates(&self, candidates: &[Vec<f64>], closest: &[f64], run: &Run) -> Result<Vec<(f64, Vec<f64>)>> {
        let pieces = parallel::map(self.n_pieces(), run, |piece| {
            run.check()?;
            let mut found: Vec<(f64, Vec<f64>)> = vec![(0.0, Vec::with_capacity(BLOCK * PIECE)); candidates.len()];
            for (rows, columns) in self.blocks(piece) {
                let (closest, weight) = (&closest[rows.clone()], &self.weight[rows.clone()]);
                for (candidate, (potential, distances)) in candidates.iter().zip(&mut found) {
                    let begin = distances.len();
                    distances.resize(begin + rows.len(), 0.0);
                    let distances = &mut distances[begin..];
                    squared_distances(columns, candidate, distances);
                    distances.iter_mut().zip(closest).for_each(|(d, c)| *d = if *d < *c { *d } else { *c });
                    *potential += dot(distances, weight);
                }
            }
            Ok(found)
        })?;
        let mut all = vec![(0.0, Vec::with_capacity(self.n)); candidates.len()];
        for piece in pieces {
            for ((potential, distances), (more, rest)) in all.iter_mut().zip(piece) {
                *potential += more;
                distances.extend(rest);
            }
        }
        Ok(all)
    }

    /// Moves `centres` until rows stay where they are, or centres move less than `tol` (sum of squares).
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn lloyd(&self, mut centres: Vec<f64>, tol: f64, max_iter: usize, run: &Run) -> Result<Clustering> {
        let lengths = Lengths::of(self);
        let mut known: Vec<Known> = (0..self.n_pieces()).map(|_| Known::default()).collect();
        let mut sums = Sums::new(centres.len() / self.d, self.d);
        let mut moves = Moves::none(sums.weights.len());
        let (mut settled, mut relocated) = (false, false);
        for _ in 0..max_iter {
            let changed = self.reassign(&centres, &lengths, &moves, &mut known, &mut sums, run)?;
            let mut moved_to = sums.clone();
            relocated = self.relocate_empty(&centres, &known, &mut moved_to);
            let before = centres.clone();
            let moved = moved_to.average_into(&mut centres);
            moves = Moves::between(&before, &centres, self.d);
            settled = changed == 0;
            if settled || moved <= tol {
                break;
            }
        }
        if !relocated {
            // Sums that followed each change have gathered rounding.
            let before = centres.clone();
            self.sums_of(&known, centres.len() / self.d).average_into(&mut centres);
            moves = moves.and(Moves::between(&before, &centres, self.d));
        }
        if !settled {
            // Labels belong to the final centres.
            self.reassign(&centres, &lengths, &moves, &mut known, &mut sums, run)?;
        }
        let labels = labels_of(&known);
        let mut sizes = vec![0; centres.len() / self.d];
        labels.iter().for_each(|label| sizes[*label as usize] += 1);
        let inertia = self.own_distances(&centres, &labels).iter().zip(&self.weight).map(|(d, w)| d * w).sum();
        Ok(Clustering { centres, inertia, sizes })
    }

    /// Gives every row its nearest centre, where that may have changed since the centres made `moves`, and keeps `sums`
    /// up to date. Returns how many rows changed.
    fn reassign(
        &self,
        centres: &[f64],
        lengths: &Lengths,
        moves: &Moves,
        known: &mut [Known],
        sums: &mut Sums,
        run: &Run,
    ) -> Result<usize> {
        let packed = PackedCentres::new(centres, self.d);
        let longest = centres.chunks_exact(self.d).map(|c| dot(c, c)).fold(0.0_f64, f64::max).sqrt();
        // Distances of rows near a centre come from scores that cancel: half the digits are right.
        let slack = 2.0 * (f64::EPSILON * self.d as f64).sqrt() * (lengths.longest + longest);
        let changes = parallel::map_mut(known, run, |piece, known| {
            let mut changes = Sums::new(sums.weights.len(), self.d);
            let changed = known.update(self, &lengths.squares, piece, &packed, moves, slack, &mut changes, run)?;
            Ok((changes, changed))
        })?;
        for (changes, _) in &changes {
            sums.add_all(changes);
        }
        sums.clear_empty();
        Ok(changes.iter().map(|(_, changed)| changed).sum())
    }

    /// The nearest centre of every row.
    fn assign(&self, centres: &[f64], run: &Run) -> Result<Vec<u32>> {
        let packed = PackedCentres::new(centres, self.d);
        let pieces = parallel::map(self.n_pieces(), run, |piece| {
            let mut labels: Vec<u32> = Vec::with_capacity(BLOCK * PIECE);
            let (mut lowest, mut own, mut second) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
            for (rows, columns) in self.blocks(piece) {
                run.check()?;
                let len = rows.len();
                packed.two_lowest(columns, &mut lowest[..len], &mut own[..len], &mut second[..len]);
                labels.extend(own[..len].iter().map(|label| *label as u32));
            }
            Ok(labels)
        })?;
        Ok(pieces.concat())
    }

    /// The sums of the rows as they are labelled.
    fn sums_of(&self, known: &[Known], k: usize) -> Sums {
        let mut sums = Sums::new(k, self.d);
        for (piece, known) in known.iter().enumerate() {
            let mut begin = 0;
            for (rows, columns) in self.blocks(piece) {
                let labels = &known.labels[begin..begin + rows.len()];
                begin += rows.len();
                sums.add(columns, labels, &self.weight[rows]);
            }
        }
        sums
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

    /// Gives each cluster without rows one of those farthest from their centres, as scikit-learn does; true if there was
    /// such a cluster.
    fn relocate_empty(&self, centres: &[f64], known: &[Known], sums: &mut Sums) -> bool {
        let empty: Vec<usize> = (0..sums.weights.len()).filter(|k| sums.weights[*k] == 0.0).collect();
        if empty.is_empty() {
            return false;
        }
        let labels = labels_of(known);
        let distances = self.own_distances(centres, &labels);
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
        true
    }
}

/// How long the rows are.
struct Lengths {
    squares: Vec<f64>,
    longest: f64,
}

impl Lengths {
    fn of(points: &Points) -> Self {
        let (n, d) = (points.n, points.d);
        let mut squares = vec![0.0; n];
        for rows in ranges(n, BLOCK) {
            let block = &points.columns[rows.start * d..rows.end * d];
            let squares = &mut squares[rows.clone()];
            for column in block.chunks_exact(rows.len()) {
                squares.iter_mut().zip(column).for_each(|(square, x)| *square += x * x);
            }
        }
        let longest = squares.iter().fold(0.0_f64, |a, b| a.max(*b)).sqrt();
        Self { squares, longest }
    }
}

fn labels_of(known: &[Known]) -> Vec<u32> {
    known.iter().flat_map(|piece| &piece.labels).copied().collect()
}
