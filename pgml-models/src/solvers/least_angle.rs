//! Least angle regression and its modification for the lasso (Efron, Hastie, Johnstone, Tibshirani 2004): from zero
//! coefficients along a path of straight pieces, each of which lets one more feature in.

use pgml_core::{Result, Run};

use super::kernels::{axpy, dot, norm};
use super::least_squares::Compressed;

/// Norm of what a column adds to the active ones below which it counts as one of their combinations.
const DEGENERATE: f64 = 1e-7;

/// Slopes of the mean squared loss that differ by less count as equal, as in scikit-learn.
const SAME_ALPHA: f64 = f32::EPSILON as f64;

/// Which path to follow, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Whether a coefficient that returns to zero leaves, which makes the path that of the lasso.
    pub lasso: bool,
    /// Whether coefficients must not be negative; for the lasso alone.
    pub positive: bool,
    /// The L1 penalty (per row) at which the path ends.
    pub alpha: f64,
    /// Most pieces.
    pub max_iter: usize,
    /// Smallest diagonal of the factorisation.
    pub eps: f64,
    /// Rows, which turn slopes into those of the mean.
    pub n_rows: usize,
}

/// Where a path ended.
#[derive(Debug, Clone)]
pub struct End {
    /// The coefficients.
    pub coef: Vec<f64>,
    /// Whether rounding ended the path before its penalty was reached.
    pub early: bool,
}

/// Follows the path of one target to its end.
///
/// # Errors
/// When the run was cancelled.
pub fn follow(problem: &Compressed, target: usize, path: &Path, run: &Run) -> Result<End> {
    let d = problem.d;
    let mut walk = Walk::new(problem, target, path);
    let (mut alpha, mut previous_alpha) = (0.0, 0.0);
    let mut previous_coef = vec![0.0; d];
    let mut piece = 0;
    loop {
        run.check()?;
        run.progress("training", piece as u64, path.max_iter.min(d) as u64);
        let pull = walk.strongest_pull();
        std::mem::swap(&mut alpha, &mut previous_alpha);
        alpha = pull / path.n_rows as f64;
        if alpha <= path.alpha + SAME_ALPHA {
            if alpha < path.alpha - SAME_ALPHA && piece > 0 {
                let share = (previous_alpha - path.alpha) / (previous_alpha - alpha);
                let back = previous_coef.iter().zip(&walk.coef).map(|(from, to)| from + share * (to - from));
                walk.coef = back.collect();
            }
            return Ok(End { coef: walk.coef, early: false });
        }
        if piece >= path.max_iter || walk.active.len() >= d {
            return Ok(End { coef: walk.coef, early: false });
        }
        // Where all that could enter depends on what is inside, the next piece reaches least squares.
        let last = !walk.turned && !walk.admit(pull) && !path.lasso;
        if path.lasso && piece > 0 && previous_alpha < alpha {
            return Ok(End { coef: walk.coef, early: true });
        }
        if walk.active.is_empty() {
            continue;
        }
        previous_coef.copy_from_slice(&walk.coef);
        walk.advance(pull);
        piece = if last { path.max_iter } else { piece + 1 };
    }
}

/// A point of the path.
struct Walk<'a> {
    problem: &'a Compressed,
    target: usize,
    path: &'a Path,
    /// Features with a coefficient, in the order in which they came.
    active: Vec<usize>,
    /// In which direction each of them pulls.
    signs: Vec<f64>,
    /// Cholesky factor of the active columns' products, row after row of growing length.
    factor: Vec<Vec<f64>>,
    coef: Vec<f64>,
    /// Products of the columns with the residual.
    pulls: Vec<f64>,
    is_active: Vec<bool>,
    /// Columns that are combinations of the active ones.
    dependent: Vec<bool>,
    /// Whether a coefficient changed its sign on the last piece: nothing enters on the next then.
    turned: bool,
}

impl<'a> Walk<'a> {
    fn new(problem: &'a Compressed, target: usize, path: &'a Path) -> Self {
        let d = problem.d;
        let pulls = (0..d).map(|j| dot(problem.column(j), &problem.b[target])).collect();
        Self {
            problem,
            target,
            path,
            active: Vec::new(),
            signs: Vec::new(),
            factor: Vec::new(),
            coef: vec![0.0; d],
            pulls,
            is_active: vec![false; d],
            dependent: vec![false; d],
            turned: false,
        }
    }

    fn strength(&self, j: usize) -> f64 {
        if self.path.positive { self.pulls[j] } else { self.pulls[j].abs() }
    }

    fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.problem.d).filter(|j| !self.is_active[*j] && !self.dependent[*j])
    }

    /// The first of the strongest features that wait.
    fn strongest(&self) -> Option<usize> {
        let stronger = |best: Option<usize>, j: usize| match best {
            Some(best) if self.strength(best) >= self.strength(j) => Some(best),
            _ => Some(j),
        };
        self.waiting().fold(None, stronger)
    }

    fn strongest_pull(&self) -> f64 {
        self.strongest().map_or(0.0, |j| self.strength(j))
    }

    /// Lets the strongest feature in; one that depends on those inside stays out, and the next as strong has its turn.
    /// False when none is left.
    fn admit(&mut self, pull: f64) -> bool {
        while let Some(j) = self.strongest().filter(|j| self.strength(*j) >= pull * (1.0 - 1e-9)) {
            if self.append(j) {
                return true;
            }
            self.dependent[j] = true;
        }
        false
    }

    /// Adds a column to the factorisation; false when it depends on the others.
    fn append(&mut self, j: usize) -> bool {
        let column = self.problem.column(j);
        let mut row: Vec<f64> = self.active.iter().map(|&i| dot(self.problem.column(i), column)).collect();
        for k in 0..row.len() {
            row[k] = (row[k] - dot(&row[..k], &self.factor[k])) / self.factor[k][k];
        }
        let own = norm(column).powi(2) - dot(&row, &row);
        let diagonal = own.abs().sqrt().max(self.path.eps);
        if diagonal < DEGENERATE {
            return false;
        }
        row.push(diagonal);
        self.factor.push(row);
        self.active.push(j);
        self.signs.push(if self.path.positive { 1.0 } else { self.pulls[j].signum() });
        self.is_active[j] = true;
        true
    }

    /// Moves along the direction that has equal angles with all active columns, until another feature pulls as much, a
    /// coefficient of the lasso returns to zero, or the residual is spent.
    fn advance(&mut self, pull: f64) {
        let mut direction = self.solve_factor();
        let steepness = 1.0 / dot(&direction, &self.signs).sqrt();
        direction.iter_mut().for_each(|w| *w *= steepness);
        let mut fitted = vec![0.0; self.problem.m];
        self.active.iter().zip(&direction).for_each(|(&j, w)| axpy(*w, self.problem.column(j), &mut fitted));
        let angles: Vec<f64> = (0..self.problem.d)
            .map(|j| if self.is_active[j] { 0.0 } else { dot(self.problem.column(j), &fitted) })
            .collect();
        let mut step = pull / steepness;
        for j in self.waiting() {
            step = least_positive(step, (pull - self.pulls[j]) / (steepness - angles[j]));
            if !self.path.positive {
                step = least_positive(step, (pull + self.pulls[j]) / (steepness + angles[j]));
            }
        }
        let crossings: Vec<f64> = self.active.iter().zip(&direction).map(|(&j, w)| -self.coef[j] / w).collect();
        let first = crossings.iter().fold(f64::INFINITY, |first, at| least_positive(first, *at));
        self.turned = first < step;
        if self.turned && self.path.lasso {
            step = first;
        }
        self.active.iter().zip(&direction).for_each(|(&j, w)| self.coef[j] += step * w);
        axpy(-step, &angles, &mut self.pulls);
        if self.turned {
            let turned = (0..crossings.len()).rev().filter(|k| crossings[*k] == first);
            turned.for_each(|k| self.turn(k));
            if self.path.lasso {
                self.rebuild();
            }
        }
    }

    /// The coefficient at position `k` changed its sign: the lasso sets it to zero, to be dropped by `rebuild`. Least
    /// angle regression goes on with the other sign, as scikit-learn does.
    fn turn(&mut self, k: usize) {
        self.signs[k] = -self.signs[k];
        if self.path.lasso {
            let j = self.active.remove(k);
            self.signs.remove(k);
            self.coef[j] = 0.0;
            self.is_active[j] = false;
        }
    }

    /// Factors the remaining active columns anew, and gives the others their exact pull.
    fn rebuild(&mut self) {
        self.factor.clear();
        self.dependent.fill(false);
        let (kept, signs) = (std::mem::take(&mut self.active), std::mem::take(&mut self.signs));
        let mut residual = self.problem.b[self.target].clone();
        for (j, sign) in kept.into_iter().zip(signs) {
            self.is_active[j] = false;
            if self.append(j)
                && let Some(last) = self.signs.last_mut()
            {
                *last = sign;
            }
            axpy(-self.coef[j], self.problem.column(j), &mut residual);
        }
        for j in 0..self.problem.d {
            if !self.is_active[j] {
                self.pulls[j] = dot(self.problem.column(j), &residual);
            }
        }
    }

    /// Solves the active columns' normal equations for the signs.
    fn solve_factor(&self) -> Vec<f64> {
        let mut x = self.signs.clone();
        for (k, row) in self.factor.iter().enumerate() {
            x[k] = (x[k] - dot(&row[..k], &x[..k])) / row[k];
        }
        for (k, row) in self.factor.iter().enumerate().rev() {
            x[k] /= row[k];
            let value = x[k];
            axpy(-value, &row[..k], &mut x[..k]);
        }
        x
    }
}

/// The lesser of two steps, the second counting only when it is one: positive and a number.
fn least_positive(step: f64, other: f64) -> f64 {
    if other > 0.0 && other < step { other } else { step }
}

#[cfg(test)]
mod tests {
    use pgml_core::Dataset;

    use super::*;

    fn problem() -> Compressed {
        let mut rng = Run::new().with_seed(9).rng(0);
        let rows: Vec<f64> = (0..60 * 5).map(|_| rng.f64() - 0.5).collect();
        let y: Vec<f64> = rows.chunks(5).map(|row| row[0] - 2.0 * row[3] + 0.3 * rng.f64()).collect();
        let data = Dataset::from_rows(&rows, 5).expect("whole rows");
        Compressed::new(&data, &[&y], None, true, &Run::new()).expect("fits")
    }

    #[test]
    fn the_path_of_the_lasso_ends_where_its_conditions_hold() {
        let problem = problem();
        let alpha = 0.01;
        let path = Path { lasso: true, positive: false, alpha, max_iter: 100, eps: 0.0, n_rows: 60 };
        let End { coef, early } = follow(&problem, 0, &path, &Run::new()).expect("not cancelled");
        assert!(!early);
        let mut residual = problem.b[0].clone();
        coef.iter().enumerate().for_each(|(j, w)| axpy(-w, problem.column(j), &mut residual));
        for (j, w) in coef.iter().enumerate() {
            let slope = dot(problem.column(j), &residual) / 60.0;
            if *w == 0.0 {
                assert!(slope.abs() <= alpha + 1e-12, "{slope}");
            } else {
                assert!((slope - alpha * w.signum()).abs() < 1e-12, "{slope}");
            }
        }
    }

    #[test]
    fn the_whole_path_ends_at_least_squares() {
        let problem = problem();
        let path = Path { lasso: false, positive: false, alpha: 0.0, max_iter: 100, eps: 0.0, n_rows: 60 };
        let end = follow(&problem, 0, &path, &Run::new()).expect("not cancelled");
        let exact = problem.solve(0.0, &Run::new()).expect("solved");
        assert!(end.coef.iter().zip(&exact[0]).all(|(a, b)| (a - b).abs() < 1e-12), "{:?} {exact:?}", end.coef);
    }
}
