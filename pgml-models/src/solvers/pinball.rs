//! Quantile regression with an L1 penalty: a linear program, solved by an interior point method on its bounded dual
//! (Portnoy, Koenker 1997) with predictor and corrector steps (Mehrotra 1992), and then moved to the vertex that the
//! interior points lead to.

use std::ops::Range;

use pgml_core::{Result, Run};

use super::cholesky;
use super::design::Design;
use super::kernels::dot;
use super::small_least_squares::SmallLeastSquares;

/// Duality gap, relative to the value, at which the optimum is reached.
const GAP: f64 = 1e-13;

/// `Σ weight · ρ(residual) + Σ penalty · |w|`, where `ρ(r)` is `quantile · r` above zero and `(quantile − 1) · r` below.
pub struct Pinball<'a> {
    /// The features.
    pub design: &'a Design,
    /// The targets.
    pub target: &'a [f64],
    /// Weights of the rows.
    pub weight: &'a [f64],
    /// Which quantile, above 0 and below 1.
    pub quantile: f64,
    /// Strength of the absolute penalty per parameter, in the design's units; 0 for the intercept.
    pub penalty: Vec<f64>,
}

/// Rows, then one more per penalised parameter, whose residual is the parameter: each costs `above` per unit of positive
/// residual and `below` per unit of negative one. The dual variable of each lies between `−below` and `above`.
struct Point {
    params: Vec<f64>,
    /// Positive and negative part of each residual, both kept positive.
    plus: Vec<f64>,
    minus: Vec<f64>,
    /// Distance of the dual variable to its upper and lower bound.
    to_above: Vec<f64>,
    to_below: Vec<f64>,
}

/// A change of a [`Point`]; the distances change by `∓ dual`.
struct Step {
    params: Vec<f64>,
    plus: Vec<f64>,
    minus: Vec<f64>,
    dual: Vec<f64>,
}

impl Pinball<'_> {
    /// The value at `params`.
    #[must_use]
    pub fn value(&self, params: &[f64]) -> f64 {
        let residuals = self.residuals(params);
        (0..residuals.len()).map(|k| self.cost(k, residuals[k])).sum()
    }

    /// Minimises; false in the second place when the gap did not close in `max_iter` iterations.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn minimise(&self, max_iter: usize, run: &Run) -> Result<(Vec<f64>, bool)> {
        let (n, width) = (self.n_terms(), self.design.width);
        let _memory = run.reserve(8 * (20 * n + 2 * width * width) as u64, "the interior point method")?;
        let mut point = self.start(run)?;
        let (mut converged, mut smallest, mut idle) = (false, f64::INFINITY, 0);
        for iteration in 0..max_iter {
            run.check()?;
            run.progress("training", iteration as u64, max_iter as u64);
            let gap = point.gap();
            idle = if gap < 0.9 * smallest { 0 } else { idle + 1 };
            smallest = smallest.min(gap);
            // The gap of rounding does not close.
            converged = gap <= GAP * self.value(&point.params).max(f64::MIN_POSITIVE) || idle > 5;
            if converged || !gap.is_finite() {
                break;
            }
            self.improve(&mut point, run)?;
        }
        Ok((self.at_vertex(point, run)?, converged))
    }

    fn n_rows(&self) -> usize {
        self.target.len()
    }

    fn n_terms(&self) -> usize {
        self.n_rows() + self.design.width
    }

    /// Costs per unit of positive and of negative residual.
    fn above_and_below(&self, k: usize) -> (f64, f64) {
        match k.checked_sub(self.n_rows()) {
            None => (self.quantile * self.weight[k], (1.0 - self.quantile) * self.weight[k]),
            Some(j) => (self.penalty[j], self.penalty[j]),
        }
    }

    fn is_free(&self, k: usize) -> bool {
        let (above, below) = self.above_and_below(k);
        above + below == 0.0
    }

    fn cost(&self, k: usize, residual: f64) -> f64 {
        let (above, below) = self.above_and_below(k);
        if residual > 0.0 { above * residual } else { -below * residual }
    }

    /// `y − X w` of the rows, then `0 − w`.
    fn residuals(&self, params: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.n_terms()];
        for rows in self.design.blocks() {
            let part = &mut out[rows.clone()];
            self.design.score(&rows, params, part);
            part.iter_mut().zip(&self.target[rows]).for_each(|(out, y)| *out = y - *out);
        }
        out[self.n_rows()..].iter_mut().zip(params).for_each(|(out, w)| *out = -w);
        out
    }

    /// `Aᵀ v`, the terms' gradients weighted by `v`.
    fn transposed(&self, v: &[f64], run: &Run) -> Result<Vec<f64>> {
        let mut out = v[self.n_rows()..].to_vec();
        for rows in self.design.blocks() {
            run.check()?;
            self.design.add_gradient(&rows, &v[rows.clone()], &mut out);
        }
        Ok(out)
    }

    /// Least squares for the parameters, zero for the dual variables: feasible, as every later point.
    fn start(&self, run: &Run) -> Result<Point> {
        let ones: Vec<f64> = (0..self.n_terms()).map(|k| f64::from(u8::from(k < self.n_rows()))).collect();
        let target: Vec<f64> = self.target.iter().copied().chain(vec![0.0; self.design.width]).collect();
        let factor = self.factor(&ones, run)?;
        let mut params = self.transposed(&target, run)?;
        cholesky::solve(&factor, self.design.width, &mut params);
        if params.iter().any(|w| !w.is_finite()) {
            params.fill(0.0);
        }
        let residuals = self.residuals(&params);
        let typical = residuals.iter().map(|r| r.abs()).sum::<f64>() / residuals.len() as f64;
        let room = if typical > 0.0 { 0.1 * typical } else { 1.0 };
        Ok(Point {
            params,
            plus: residuals.iter().map(|r| r.max(0.0) + room).collect(),
            minus: residuals.iter().map(|r| (-r).max(0.0) + room).collect(),
            to_above: (0..residuals.len()).map(|k| self.above_and_below(k).0).collect(),
            to_below: (0..residuals.len()).map(|k| self.above_and_below(k).1).collect(),
        })
    }

    /// Cholesky factor of `Aᵀ diag(d) A`.
    fn factor(&self, d: &[f64], run: &Run) -> Result<Vec<f64>> {
        let width = self.design.width;
        let mut matrix = vec![0.0; width * width];
        for rows in self.design.blocks() {
            run.check()?;
            self.design.add_hessian(&rows, &d[rows.clone()], None, &mut matrix, width);
        }
        for (j, d) in d[self.n_rows()..].iter().enumerate() {
            matrix[j * width + j] += d;
        }
        let largest = (0..width).map(|j| matrix[j * width + j]).fold(f64::MIN_POSITIVE, f64::max);
        let mut raise = 0.0;
        loop {
            let mut factor = matrix.clone();
            (0..width).for_each(|j| factor[j * width + j] += raise * largest);
            if cholesky::factor(&mut factor, width, run)? || raise > 1.0 {
                return Ok(factor);
            }
            raise = if raise == 0.0 { 1e-14 } else { raise * 100.0 };
        }
    }

    /// A step of Mehrotra's method.
    fn improve(&self, point: &mut Point, run: &Run) -> Result<()> {
        let n = self.n_terms();
        let d: Vec<f64> = (0..n).map(|k| if self.is_free(k) { 0.0 } else { point.elasticity(k) }).collect();
        let factor = self.factor(&d, run)?;
        let residuals = self.residuals(&point.params);
        let no_target = vec![0.0; n];
        let affine = self.step(point, &d, &factor, &residuals, (&no_target, &no_target), run)?;
        let (primal, dual) = (point.longest_primal(&affine), point.longest_dual(&affine));
        let mean_gap = point.gap() / (2 * n) as f64;
        let centring = (point.gap_after(&affine, primal, dual) / point.gap()).powi(3);
        let aim = |k: usize, change: f64| if self.is_free(k) { 0.0 } else { centring * mean_gap - change };
        let above: Vec<f64> = (0..n).map(|k| aim(k, -affine.plus[k] * affine.dual[k])).collect();
        let below: Vec<f64> = (0..n).map(|k| aim(k, affine.minus[k] * affine.dual[k])).collect();
        let step = self.step(point, &d, &factor, &residuals, (&above, &below), run)?;
        let (primal, dual) = (0.9995 * point.longest_primal(&step), 0.9995 * point.longest_dual(&step));
        point.go(&step, primal.min(1.0), dual.min(1.0));
        Ok(())
    }

    /// Newton's step towards products `plus · to_above` and `minus · to_below` of `aim`.
    fn step(
        &self,
        point: &Point,
        d: &[f64],
        factor: &[f64],
        residuals: &[f64],
        (above, below): (&[f64], &[f64]),
        run: &Run,
    ) -> Result<Step> {
        let n = self.n_terms();
        let pull = |k: usize| {
            if d[k] == 0.0 { 0.0 } else { residuals[k] - above[k] / point.to_above[k] + below[k] / point.to_below[k] }
        };
        let pulls: Vec<f64> = (0..n).map(pull).collect();
        let weighted: Vec<f64> = pulls.iter().zip(d).map(|(pull, d)| pull * d).collect();
        let duals: Vec<f64> = (0..n).map(|k| self.above_and_below(k).0 - point.to_above[k]).collect();
        let mut params = self.transposed(&weighted, run)?;
        // Rounding leaves the dual constraints a little violated; each step mends that.
        let violated = self.transposed(&duals, run)?;
        params.iter_mut().zip(&violated).for_each(|(p, v)| *p += v);
        cholesky::solve(factor, self.design.width, &mut params);
        let moved = self.moved(&params);
        let dual: Vec<f64> = (0..n).map(|k| d[k] * (pulls[k] - moved[k])).collect();
        let plus = (0..n).map(|k| point.plus_step(k, above[k], dual[k])).collect();
        let minus = (0..n).map(|k| point.minus_step(k, below[k], dual[k])).collect();
        Ok(Step { params, plus, minus, dual })
    }

    /// `A p`: how much the fitted values change with the parameters.
    fn moved(&self, params: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.n_terms()];
        for rows in self.design.blocks() {
            self.design.score(&rows, params, &mut out[rows.clone()]);
        }
        out[self.n_rows()..].copy_from_slice(params);
        out
    }

    /// The vertex near an interior point: terms whose dual variable is far from its bounds have residual zero. It is
    /// taken where there is exactly one, and it is no worse.
    fn at_vertex(&self, point: Point, run: &Run) -> Result<Vec<f64>> {
        let (n_rows, width) = (self.n_rows(), self.design.width);
        let typical = dot(&point.plus, &vec![1.0; point.plus.len()]) + dot(&point.minus, &vec![1.0; point.minus.len()]);
        let typical = typical / point.plus.len() as f64;
        let is_zero = |k: &usize| {
            let (above, below) = self.above_and_below(*k);
            let inside = point.to_above[*k].min(point.to_below[*k]) / (above + below).max(f64::MIN_POSITIVE);
            !self.is_free(*k) && inside * typical > point.plus[*k] + point.minus[*k]
        };
        let free: Vec<usize> = (0..width).filter(|j| !is_zero(&(n_rows + j))).collect();
        let rows: Vec<usize> = (0..n_rows).filter(is_zero).take(width + 1).collect();
        let mut params = vec![0.0; width];
        if rows.len() == free.len() {
            let mut problem = SmallLeastSquares::new(rows.len(), free.len());
            let mut unit = vec![0.0; width];
            for (k, j) in free.iter().enumerate() {
                unit[*j] = 1.0;
                for (i, row) in rows.iter().enumerate() {
                    problem.a[k * rows.len() + i] = self.cell(*row, &unit);
                }
                unit[*j] = 0.0;
            }
            problem.b.iter_mut().zip(&rows).for_each(|(b, row)| *b = self.target[*row]);
            let mut solution = vec![0.0; free.len()];
            problem.solve(&mut solution, run)?;
            free.iter().zip(solution).for_each(|(j, w)| params[*j] = w);
        } else {
            free.iter().for_each(|j| params[*j] = point.params[*j]);
        }
        let (there, here) = (self.value(&params), self.value(&point.params));
        Ok(if there <= here * (1.0 + 1e-12) { params } else { point.params })
    }

    /// The score of one row.
    fn cell(&self, row: usize, params: &[f64]) -> f64 {
        let first = row / self.design.size * self.design.size;
        let rows: Range<usize> = first..(first + self.design.size).min(self.n_rows());
        let mut scores = vec![0.0; rows.len()];
        self.design.score(&rows, params, &mut scores);
        scores[row - first]
    }
}

impl Point {
    /// How far the value is from the optimum, at most.
    fn gap(&self) -> f64 {
        dot(&self.plus, &self.to_above) + dot(&self.minus, &self.to_below)
    }

    fn gap_after(&self, step: &Step, primal: f64, dual: f64) -> f64 {
        (0..self.plus.len())
            .map(|k| {
                (self.plus[k] + primal * step.plus[k]) * (self.to_above[k] - dual * step.dual[k])
                    + (self.minus[k] + primal * step.minus[k]) * (self.to_below[k] + dual * step.dual[k])
            })
            .sum()
    }

    /// How much the dual variable moves per unit of residual.
    fn elasticity(&self, k: usize) -> f64 {
        1.0 / (self.plus[k] / self.to_above[k] + self.minus[k] / self.to_below[k])
    }

    fn plus_step(&self, k: usize, aim: f64, dual: f64) -> f64 {
        if self.to_above[k] == 0.0 { 0.0 } else { (aim + self.plus[k] * dual) / self.to_above[k] - self.plus[k] }
    }

    fn minus_step(&self, k: usize, aim: f64, dual: f64) -> f64 {
        if self.to_below[k] == 0.0 { 0.0 } else { (aim - self.minus[k] * dual) / self.to_below[k] - self.minus[k] }
    }

    fn longest_primal(&self, step: &Step) -> f64 {
        limit(&self.plus, &step.plus, -1.0).min(limit(&self.minus, &step.minus, -1.0))
    }

    fn longest_dual(&self, step: &Step) -> f64 {
        limit(&self.to_above, &step.dual, 1.0).min(limit(&self.to_below, &step.dual, -1.0))
    }

    fn go(&mut self, step: &Step, primal: f64, dual: f64) {
        let advance = |at: &mut Vec<f64>, by: &[f64], length: f64| {
            at.iter_mut().zip(by).for_each(|(x, s)| *x += length * s);
        };
        advance(&mut self.params, &step.params, primal);
        advance(&mut self.plus, &step.plus, primal);
        advance(&mut self.minus, &step.minus, primal);
        advance(&mut self.to_above, &step.dual, -dual);
        advance(&mut self.to_below, &step.dual, dual);
    }
}

/// The longest step, at most 1, that keeps `at` positive where it falls by `sign · by`.
fn limit(at: &[f64], by: &[f64], sign: f64) -> f64 {
    let fall = at.iter().zip(by).filter(|(_, by)| sign * **by > 0.0);
    fall.map(|(at, by)| at / (sign * by)).fold(1.0, f64::min)
}
