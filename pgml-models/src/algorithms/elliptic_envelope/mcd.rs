//! The subset of rows with the smallest covariance determinant, by concentration from many random starts.

use fastrand::Rng;
use pgml_core::{Result, Run};

use crate::solvers::cholesky;
use crate::solvers::kernels::{axpy, dot};
use crate::solvers::mahalanobis::Whitening;
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};

/// Starts, shared out among the parts of many rows.
const STARTS: usize = 500;
/// Starts for few rows.
const FEW_STARTS: usize = 30;
/// Rows up to which there are no parts.
const FEW_ROWS: usize = 500;
/// Rows of a part.
const PART: usize = 300;
/// Rows that the best of all parts are compared on.
const MERGED: usize = 1500;
/// Estimates that every level hands to the next.
const BEST: usize = 10;
/// Steps after which an estimate is as good as it will be.
const STEPS: usize = 30;

/// Rows to find the subset among.
pub struct Sample<'a> {
    /// Row-major.
    pub rows: &'a [f64],
    pub d: usize,
    pub run: &'a Run,
}

/// Centre and scatter of some rows.
#[derive(Clone)]
pub struct Scatter {
    pub rows: Vec<u32>,
    pub centre: Vec<f64>,
    /// Row-major, divisor the number of rows.
    pub covariance: Vec<f64>,
    /// Its factor, unless it is singular.
    factor: Option<Vec<f64>>,
    /// The logarithm of its determinant.
    log_volume: f64,
}

impl Scatter {
    /// Distances in units of `scale` times the covariance; directions that do not vary do not count.
    pub fn whitening(&self, scale: f64, run: &Run) -> Result<Whitening> {
        let d = self.centre.len();
        if let Some(lower) = &self.factor {
            // Column j of L⁻¹ is what row j of the identity becomes.
            let mut columns = vec![0.0; d * d];
            for (j, column) in columns.chunks_exact_mut(d).enumerate() {
                column[j] = 1.0 / scale.sqrt();
                cholesky::forward(lower, d, column);
            }
            return Ok(Whitening { centre: self.centre.clone(), columns });
        }
        let Eigen { mut values, vectors } = symmetric_eigen(self.covariance.clone(), d, run)?;
        let least = d as f64 * f64::EPSILON * values[0].abs();
        values.iter_mut().for_each(|v| *v = if *v > least { *v * scale } else { 0.0 });
        Ok(Whitening::new(self.centre.clone(), &vectors, &values))
    }
}

impl Sample<'_> {
    pub fn n_rows(&self) -> usize {
        self.rows.len() / self.d
    }

    fn row(&self, row: u32) -> &[f64] {
        &self.rows[row as usize * self.d..][..self.d]
    }

    /// The squared distance of each row.
    pub fn distances(&self, whitening: &Whitening) -> Result<Vec<f64>> {
        let (mut room, mut out) = (vec![0.0; self.d], Vec::with_capacity(self.n_rows()));
        for rows in self.rows.chunks(1024 * self.d) {
            self.run.check()?;
            out.extend(rows.chunks_exact(self.d).map(|row| whitening.squared_distance(row, &mut room)));
        }
        Ok(out)
    }

    /// Centre (unless given) and scatter of `rows`.
    pub fn scatter(&self, rows: &[u32], centre: Option<&[f64]>) -> Result<Scatter> {
        let (n, d) = (rows.len() as f64, self.d);
        let mut mean = vec![0.0; d];
        rows.iter().for_each(|row| axpy(1.0, self.row(*row), &mut mean));
        mean.iter_mut().for_each(|x| *x /= n);
        let centre = centre.map_or(mean, <[f64]>::to_vec);
        let mut covariance = vec![0.0; d * d];
        let mut block = Vec::new();
        // Column by column, so that each cell is a scalar product.
        for rows in rows.chunks(256) {
            self.run.check()?;
            block.clear();
            for (j, centre) in centre.iter().enumerate() {
                block.extend(rows.iter().map(|row| self.row(*row)[j] - centre));
            }
            for i in 0..d {
                let left = &block[i * rows.len()..(i + 1) * rows.len()];
                let cells = covariance[i * d..=i * d + i].iter_mut();
                cells.zip(block.chunks_exact(rows.len())).for_each(|(cell, right)| *cell += dot(left, right));
            }
        }
        for i in 0..d {
            for j in 0..=i {
                let value = covariance[i * d + j] / n;
                (covariance[i * d + j], covariance[j * d + i]) = (value, value);
            }
        }
        let mut lower = covariance.clone();
        let factor = cholesky::factor(&mut lower, d, self.run)?.then_some(lower);
        let log_volume =
            factor.as_ref().map_or(f64::NEG_INFINITY, |l| 2.0 * l.iter().step_by(d + 1).map(|x| x.ln()).sum::<f64>());
        Ok(Scatter { rows: rows.to_vec(), centre, covariance, factor, log_volume })
    }

    /// Moves to the nearest rows until the determinant falls no more, at most `steps` times.
    fn concentrate(&self, mut best: Scatter, steps: usize) -> Result<Scatter> {
        for _ in 0..steps {
            if best.log_volume == f64::NEG_INFINITY {
                break;
            }
            let next = self.nearest(&best, best.rows.len())?;
            if next.log_volume >= best.log_volume {
                break;
            }
            best = next;
        }
        Ok(best)
    }

    /// The scatter of the `n` rows nearest in units of another's.
    fn nearest(&self, of: &Scatter, n: usize) -> Result<Scatter> {
        let distances = self.distances(&of.whitening(1.0, self.run)?)?;
        let mut order: Vec<u32> = (0..distances.len() as u32).collect();
        if n < order.len() {
            let by_distance =
                |a: &u32, b: &u32| distances[*a as usize].total_cmp(&distances[*b as usize]).then(a.cmp(b));
            order.select_nth_unstable_by(n - 1, by_distance);
            order.truncate(n);
            order.sort_unstable();
        }
        self.scatter(&order, None)
    }

    /// The `n_best` best of what random subsets concentrate to.
    fn concentrate_random(&self, n: usize, starts: usize, n_best: usize, rng: &mut Rng) -> Result<Vec<Scatter>> {
        let mut all = Vec::with_capacity(starts);
        for _ in 0..starts {
            let rows = permutation(self.n_rows(), rng);
            all.push(self.concentrate(self.scatter(&rows[..n], None)?, 2)?);
        }
        Ok(best(all, n_best))
    }

    /// The `n_best` best of what others' estimates concentrate to here.
    fn concentrate_others(&self, n: usize, estimates: &[Scatter], n_best: usize) -> Result<Vec<Scatter>> {
        let concentrated = estimates.iter().map(|estimate| self.concentrate(self.nearest(estimate, n)?, STEPS));
        Ok(best(concentrated.collect::<Result<_>>()?, n_best))
    }

    /// The subset of `n` rows with the smallest determinant that was found.
    pub fn smallest(&self, n: usize) -> Result<Scatter> {
        let (all, rng) = (self.n_rows(), &mut self.run.rng(0));
        if self.d == 1 {
            return self.shortest_half(n);
        }
        let found = if all <= FEW_ROWS {
            let candidates = self.concentrate_random(n, FEW_STARTS, BEST, rng)?;
            self.concentrate_others(n, &candidates, 1)?
        } else {
            self.by_parts(n, rng)?
        };
        // `best` keeps at least one.
        Ok(found.into_iter().next().unwrap_or(self.scatter(&(0..all as u32).collect::<Vec<_>>(), None)?))
    }

    /// Many starts on parts, the best of them on more rows, the best of those on all.
    fn by_parts(&self, n: usize, rng: &mut Rng) -> Result<Vec<Scatter>> {
        let all = self.n_rows();
        let share = n as f64 / all as f64;
        let n_parts = all / PART;
        let size = all / n_parts;
        let order = permutation(all, rng);
        let mut candidates = Vec::new();
        for (at, part) in order.chunks_exact(size).take(n_parts).enumerate() {
            self.run.progress("training", at as u64, n_parts as u64);
            let rows = self.gather(part);
            let part = Sample { rows: &rows, ..*self };
            let n = (size as f64 * share).ceil() as usize;
            candidates.extend(part.concentrate_random(n, BEST.max(STARTS / n_parts), BEST, rng)?);
        }
        let n_merged = all.min(MERGED);
        let rows = self.gather(&permutation(all, rng)[..n_merged]);
        let merged = Sample { rows: &rows, ..*self };
        let n_best = if all > MERGED { BEST } else { 1 };
        let candidates = merged.concentrate_others((n_merged as f64 * share).ceil() as usize, &candidates, n_best)?;
        self.concentrate_others(n, &candidates, 1)
    }

    fn gather(&self, rows: &[u32]) -> Vec<f64> {
        rows.iter().flat_map(|row| self.row(*row).iter().copied()).collect()
    }

    /// One feature: the narrowest interval of `n` values, which needs no search (Rousseeuw, Leroy 2005).
    fn shortest_half(&self, n: usize) -> Result<Scatter> {
        let all = self.n_rows();
        if n >= all {
            return self.scatter(&(0..all as u32).collect::<Vec<_>>(), None);
        }
        let mut sorted = self.rows.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let widths: Vec<f64> = (0..all - n).map(|i| sorted[i + n] - sorted[i]).collect();
        let least = widths.iter().copied().fold(f64::INFINITY, f64::min);
        let middles: Vec<f64> =
            (0..all - n).filter(|i| widths[*i] == least).map(|i| 0.5 * (sorted[i] + sorted[i + n])).collect();
        let centre = middles.iter().sum::<f64>() / middles.len() as f64;
        let mut order: Vec<u32> = (0..all as u32).collect();
        let gap = |row: &u32| (self.rows[*row as usize] - centre).abs();
        order.sort_by(|a, b| gap(a).total_cmp(&gap(b)));
        order.truncate(n);
        let mut scatter = self.scatter(&order, None)?;
        scatter.centre = vec![centre];
        Ok(scatter)
    }
}

/// Those of smallest determinant.
fn best(mut all: Vec<Scatter>, n: usize) -> Vec<Scatter> {
    all.sort_by(|a, b| a.log_volume.total_cmp(&b.log_volume));
    all.truncate(n);
    all
}

fn permutation(n: usize, rng: &mut Rng) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    rng.shuffle(&mut order);
    order
}
