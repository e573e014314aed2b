//! Newton's method for linear machines with squared losses beyond a margin: quadratic wherever the same rows count
//! (Mangasarian 2002; Lin, Weng, Keerthi 2008). With an L1 penalty, each step's model is minimised by coordinate descent.

use pgml_core::{Result, Run};

use super::cholesky;
use super::kernels;
use super::newton::coordinate_descent;
use super::padded_rows::{PaddedRows, dot};
use super::product::{Left, Panels, add_lower_product, mirror_lower};

/// More parameters than this and steps are found by conjugate gradients rather than from the whole second derivative.
const DIRECT: usize = 1024;

/// How a parameter is kept small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Penalty {
    /// Half its square.
    L2,
    /// Its absolute value.
    L1,
}

/// Which errors count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// `max(0, 1 − y s)²` for targets of ±1.
    Hinge,
    /// `max(0, |y − s| − epsilon)²`.
    Tube(f64),
}

impl Margin {
    /// How far the score is beyond the margin, negative when it must rise; 0 within.
    #[inline(always)]
    fn excess(self, y: f64, score: f64) -> f64 {
        match self {
            Self::Hinge => -y * (1.0 - y * score).max(0.0),
            Self::Tube(epsilon) => {
                let error = score - y;
                (error.abs() - epsilon).max(0.0).copysign(error)
            }
        }
    }
}

/// `penalty(w) + Σ cᵢ excess(yᵢ, w·xᵢ)²`.
pub struct Objective<'a> {
    /// The `xᵢ`.
    pub rows: &'a PaddedRows,
    /// How many parameters there are: rows may be longer.
    pub n_params: usize,
    /// The targets.
    pub y: &'a [f64],
    /// The price of each row's error.
    pub c: &'a [f64],
    /// Which errors count.
    pub margin: Margin,
    /// How parameters are kept small.
    pub penalty: Penalty,
}

/// Minimises `objective` until its slope is `tol` times the first; the weights, and whether `max_iter` steps sufficed.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn minimise(objective: &Objective<'_>, tol: f64, max_iter: usize, run: &Run) -> Result<(Vec<f64>, bool)> {
    let d = objective.n_params;
    let direct = d <= DIRECT || objective.penalty == Penalty::L1;
    let matrix = if direct { 16 * (d * d) as u64 } else { 0 };
    let _memory = run.reserve(matrix + 24 * objective.y.len() as u64, "the matrix of second derivatives")?;
    let (mut w, mut scores) = (vec![0.0; d], vec![0.0; objective.y.len()]);
    let mut excess = objective.excess(&scores);
    let mut value = objective.value(&w, &excess);
    let mut first = None;
    for iteration in 0..max_iter {
        run.check()?;
        run.progress("training", iteration as u64, max_iter as u64);
        let gradient = objective.gradient(&w, &excess, run)?;
        let slope = objective.slope(&w, &gradient);
        if slope <= tol * *first.get_or_insert(slope) {
            return Ok((w, true));
        }
        let direction = match objective.penalty {
            Penalty::L1 => {
                let hessian = objective.hessian(&excess, run)?;
                coordinate_descent(&w, &gradient, &hessian, &vec![1.0; d], run)?
            }
            Penalty::L2 if direct => solve(objective.hessian(&excess, run)?, &gradient, run)?,
            Penalty::L2 => objective.conjugate_gradients(&gradient, &excess, run)?,
        };
        let Some(next) = objective.search(&w, &scores, value, &gradient, &direction) else {
            // No step improves the value any more: this is the optimum in floating point.
            return Ok((w, true));
        };
        (w, scores, value) = next;
        excess = objective.excess(&scores);
    }
    Ok((w, false))
}

fn solve(mut hessian: Vec<f64>, gradient: &[f64], run: &Run) -> Result<Vec<f64>> {
    let d = gradient.len();
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    if cholesky::factor(&mut hessian, d, run)? {
        cholesky::solve(&hessian, d, &mut direction);
    } else {
        // Features of very different sizes: each is taken for itself.
        direction.iter_mut().enumerate().for_each(|(j, x)| *x /= hessian[j * d + j].abs().max(1.0));
    }
    Ok(direction)
}

impl Objective<'_> {
    fn excess(&self, scores: &[f64]) -> Vec<f64> {
        scores.iter().zip(self.y).map(|(s, y)| self.margin.excess(*y, *s)).collect()
    }

    fn value(&self, w: &[f64], excess: &[f64]) -> f64 {
        let loss: f64 = excess.iter().zip(self.c).map(|(e, c)| c * e * e).sum();
        loss + match self.penalty {
            Penalty::L2 => 0.5 * kernels::dot(w, w),
            Penalty::L1 => w.iter().map(|w| w.abs()).sum(),
        }
    }

    /// Of the smooth part: all but an L1 penalty.
    fn gradient(&self, w: &[f64], excess: &[f64], run: &Run) -> Result<Vec<f64>> {
        let mut gradient = match self.penalty {
            Penalty::L2 => w.to_vec(),
            Penalty::L1 => vec![0.0; w.len()],
        };
        for (i, (e, c)) in excess.iter().zip(self.c).enumerate() {
            if i % 4096 == 0 {
                run.check()?;
            }
            if *e != 0.0 {
                kernels::axpy(2.0 * c * e, self.rows.row(i), &mut gradient);
            }
        }
        Ok(gradient)
    }

    /// What must fall to 0: the length of the least slope in any direction.
    fn slope(&self, w: &[f64], gradient: &[f64]) -> f64 {
        match self.penalty {
            Penalty::L2 => kernels::norm(gradient),
            Penalty::L1 => w
                .iter()
                .zip(gradient)
                .map(|(w, g)| if *w == 0.0 { (g.abs() - 1.0).max(0.0) } else { (g + w.signum()).abs() })
                .sum(),
        }
    }

    /// `2 Σ cᵢ xᵢ xᵢᵀ` over the rows that count, and the penalty's ones on the diagonal.
    fn hessian(&self, excess: &[f64], run: &Run) -> Result<Vec<f64>> {
        let d = self.n_params;
        let mut hessian = vec![0.0; d * d];
        let counted: Vec<usize> = (0..excess.len()).filter(|i| excess[*i] != 0.0).collect();
        let mut block = Vec::new();
        for rows in counted.chunks(256) {
            run.check()?;
            block.clear();
            for i in rows {
                let unit = (2.0 * self.c[*i]).sqrt();
                block.extend(self.rows.row(*i)[..d].iter().map(|x| unit * x));
            }
            add_lower_product(Left::transposed(&block, d), &Panels::pack(&block, d), &mut hessian);
        }
        mirror_lower(&mut hessian, d);
        if self.penalty == Penalty::L2 {
            (0..d).for_each(|j| hessian[j * d + j] += 1.0);
        }
        Ok(hessian)
    }

    /// The Newton direction to a tenth, or closer as the optimum nears.
    fn conjugate_gradients(&self, gradient: &[f64], excess: &[f64], run: &Run) -> Result<Vec<f64>> {
        let d = gradient.len();
        let counted: Vec<usize> = (0..excess.len()).filter(|i| excess[*i] != 0.0).collect();
        let mut unit = vec![1.0; d];
        for i in &counted {
            unit.iter_mut().zip(self.rows.row(*i)).for_each(|(u, x)| *u += 2.0 * self.c[*i] * x * x);
        }
        let mut direction = vec![0.0; d];
        let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let scaled = |residual: &[f64]| residual.iter().zip(&unit).map(|(r, u)| r / u).collect::<Vec<f64>>();
        let mut step = scaled(&residual);
        let mut size = kernels::dot(&residual, &step);
        let (first, length) = (size, size.sqrt());
        for _ in 0..2 * d {
            let mut product = step.clone();
            for (at, i) in counted.iter().enumerate() {
                if at % 1024 == 0 {
                    run.check()?;
                }
                let x = &self.rows.row(*i)[..d];
                kernels::axpy(2.0 * self.c[*i] * kernels::dot(x, &step), x, &mut product);
            }
            let along = size / kernels::dot(&step, &product);
            kernels::axpy(along, &step, &mut direction);
            kernels::axpy(-along, &product, &mut residual);
            let next = scaled(&residual);
            let next_size = kernels::dot(&residual, &next);
            if next_size <= first * length.min(0.1).powi(2) || !next_size.is_finite() {
                break;
            }
            step.iter_mut().zip(next).for_each(|(s, r)| *s = r + next_size / size * *s);
            size = next_size;
        }
        Ok(direction)
    }

    /// The first of the steps 1, ½, ¼, … that lowers the value enough (Armijo): weights, scores and value.
    fn search(
        &self,
        w: &[f64],
        scores: &[f64],
        value: f64,
        gradient: &[f64],
        direction: &[f64],
    ) -> Option<(Vec<f64>, Vec<f64>, f64)> {
        let mut padded = vec![0.0; self.rows.width()];
        padded[..direction.len()].copy_from_slice(direction);
        let along: Vec<f64> = (0..scores.len()).map(|i| dot(self.rows.row(i), &padded)).collect();
        let size = |step: f64| w.iter().zip(direction).map(|(w, d)| (w + step * d).abs()).sum::<f64>();
        let promised =
            kernels::dot(gradient, direction) + if self.penalty == Penalty::L1 { size(1.0) - size(0.0) } else { 0.0 };
        let mut step = 1.0;
        for _ in 0..40 {
            let at: Vec<f64> = w.iter().zip(direction).map(|(w, d)| w + step * d).collect();
            let scores: Vec<f64> = scores.iter().zip(&along).map(|(s, a)| s + step * a).collect();
            let next = self.value(&at, &self.excess(&scores));
            if next < value && next <= value + 1e-4 * step * promised {
                return Some((at, scores, next));
            }
            step *= 0.5;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::Dataset;

    use super::*;

    #[test]
    fn no_direction_improves_the_optimum() {
        let run = Run::new();
        let mut rng = run.rng(0);
        let x: Vec<f64> = (0..90).map(|_| rng.f64() - 0.5).collect();
        let data = Dataset::from_rows(&x, 3).expect("30 rows");
        let rows = PaddedRows::with_constants(&data, &[1.0], &run).expect("memory");
        let y: Vec<f64> = x.chunks_exact(3).map(|x| if x[0] + 0.4 * rng.f64() > 0.2 { 1.0 } else { -1.0 }).collect();
        for margin in [Margin::Hinge, Margin::Tube(0.1)] {
            for penalty in [Penalty::L1, Penalty::L2] {
                let objective = Objective { rows: &rows, n_params: 4, y: &y, c: &[0.7; 30], margin, penalty };
                let value = |w: &[f64]| {
                    let padded = [w, &[0.0; 4]].concat();
                    let scores: Vec<f64> = (0..30).map(|i| dot(rows.row(i), &padded)).collect();
                    objective.value(w, &objective.excess(&scores))
                };
                let (w, converged) = minimise(&objective, 1e-12, 100, &run).expect("not cancelled");
                assert!(converged);
                for _ in 0..100 {
                    let near: Vec<f64> = w.iter().map(|w| w + 1e-4 * (rng.f64() - 0.5)).collect();
                    assert!(value(&near) >= value(&w) - 1e-13, "{margin:?} {penalty:?}: {w:?} is no optimum");
                }
            }
        }
    }

    #[test]
    fn conjugate_gradients_find_the_direction_that_the_matrix_gives() {
        let run = Run::new();
        let mut rng = run.rng(1);
        let x: Vec<f64> = (0..200).map(|_| rng.f64() - 0.5).collect();
        let data = Dataset::from_rows(&x, 5).expect("40 rows");
        let rows = PaddedRows::new(&data, &run).expect("memory");
        let y: Vec<f64> = (0..40).map(|_| rng.f64()).collect();
        let (margin, penalty) = (Margin::Tube(0.0), Penalty::L2);
        let objective = Objective { rows: &rows, n_params: 5, y: &y, c: &[1.0; 40], margin, penalty };
        let excess = objective.excess(&[0.0; 40]);
        // So flat a slope asks for many digits.
        let gradient: Vec<f64> = (0..5).map(|j| 1e-9 * f64::from(j + 1)).collect();
        let exact = solve(objective.hessian(&excess, &run).expect("memory"), &gradient, &run).expect("definite");
        let found = objective.conjugate_gradients(&gradient, &excess, &run).expect("not cancelled");
        for (a, b) in exact.iter().zip(&found) {
            assert!((a - b).abs() < 1e-6 * b.abs(), "{a} is not {b}");
        }
    }
}
