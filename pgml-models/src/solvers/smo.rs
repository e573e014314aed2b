//! Sequential minimal optimisation for support vector machines, choosing pairs by second-order information (Fan, Chen,
//! Lin 2005).

use pgml_core::{Result, Run};

use super::kernel_rows::KernelRows;

/// Stands in for a curvature that is not positive, as in the paper.
const LEAST_CURVATURE: f64 = 1e-12;

/// `min ½ αᵀ Q α + pᵀ α` with `Q_st = y_s y_t K(s mod n, t mod n)`, `yᵀ α = 0` and `0 ≤ α ≤ C`, where `n` is the number
/// of rows: one variable per row for classification, two for regression.
pub struct Dual {
    /// The linear term.
    pub p: Vec<f64>,
    /// Signs.
    pub y: Vec<f64>,
    /// Upper bounds.
    pub c: Vec<f64>,
}

/// What every step leaves as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// `yᵀ α`.
    Sum,
    /// `Σ α` of each sign, as the ν-machines have it.
    SumOfEachSign,
}

/// The optimum: multipliers and the offset `rho` of the decision `Σ y α K − rho`.
pub struct Solution {
    /// One multiplier per variable.
    pub alpha: Vec<f64>,
    /// The offset.
    pub rho: f64,
    /// For [`Fixed::SumOfEachSign`] half the distance between the offsets of both signs, else 0.
    pub margin: f64,
    /// Whether the tolerance was reached, neither the last iteration nor the end of what rounding tells apart.
    pub converged: bool,
}

/// Where the optimisation stands.
struct State<'a> {
    dual: &'a Dual,
    alpha: Vec<f64>,
    /// `Q α + p`.
    gradient: Vec<f64>,
}

/// Solves with `yᵀ α = 0` until no pair violates the optimality conditions by more than `tol`.
///
/// # Errors
/// When the run was cancelled.
pub fn solve(dual: &Dual, kernel: &mut KernelRows<'_>, tol: f64, max_iter: Option<u64>, run: &Run) -> Result<Solution> {
    solve_from(dual, vec![0.0; dual.p.len()], Fixed::Sum, kernel, tol, max_iter, run)
}

/// As [`solve`], from multipliers `alpha` on, whose sums (see [`Fixed`]) stay.
///
/// # Errors
/// When the run was cancelled.
pub fn solve_from(
    dual: &Dual,
    alpha: Vec<f64>,
    fixed: Fixed,
    kernel: &mut KernelRows<'_>,
    tol: f64,
    max_iter: Option<u64>,
    run: &Run,
) -> Result<Solution> {
    let n = kernel.n_rows();
    let mut state = State { dual, alpha, gradient: dual.p.clone() };
    state.start(kernel, run)?;
    let signs: &[f64] = if fixed == Fixed::Sum { &[0.0] } else { &[1.0, -1.0] };
    let mut iteration = 0;
    let converged = loop {
        run.check()?;
        if max_iter.is_some_and(|most| iteration >= most) {
            break false;
        }
        iteration += 1;
        let mut best: Option<(usize, usize, f64)> = None;
        let mut violation = f64::NEG_INFINITY;
        for sign in signs {
            let Some((i, highest)) = state.most_violating(*sign) else { continue };
            kernel.load(i % n, run)?;
            let (lowest, partner) = state.partner(kernel, i, highest, *sign);
            violation = violation.max(highest - lowest);
            if let Some((j, gain)) = partner.filter(|(_, gain)| best.is_none_or(|(.., most)| *gain >= most)) {
                best = Some((i, j, gain));
            }
        }
        let Some((i, j, _)) = best.filter(|_| violation >= tol) else { break true };
        kernel.load(i % n, run)?;
        kernel.load(j % n, run)?;
        if !state.step(kernel, i, j) {
            break false;
        }
    };
    let (rho, margin) = match fixed {
        Fixed::Sum => (state.offset(0.0), 0.0),
        Fixed::SumOfEachSign => {
            let (above, below) = (state.offset(1.0), state.offset(-1.0));
            ((above + below) / 2.0, (above - below) / 2.0)
        }
    };
    Ok(Solution { alpha: state.alpha, rho, margin, converged })
}

/// Whether a variable of sign `y` is among those of `sign`, 0 for both.
fn is_of(y: f64, sign: f64) -> bool {
    sign == 0.0 || y == sign
}

impl State<'_> {
    /// Adds what the first multipliers contribute to the gradient.
    fn start(&mut self, kernel: &mut KernelRows<'_>, run: &Run) -> Result<()> {
        let n = kernel.n_rows();
        for row in 0..n {
            let weight: f64 = (row..self.alpha.len()).step_by(n).map(|t| self.dual.y[t] * self.alpha[t]).sum();
            if weight == 0.0 {
                continue;
            }
            kernel.load(row, run)?;
            for (gradient, y) in self.gradient.chunks_exact_mut(n).zip(self.dual.y.chunks_exact(n)) {
                for ((g, y), k) in gradient.iter_mut().zip(y).zip(kernel.get(row)) {
                    *g += y * weight * k;
                }
            }
        }
        Ok(())
    }

    /// Whether `y α` may grow.
    fn may_rise(&self, t: usize) -> bool {
        if self.dual.y[t] > 0.0 { self.alpha[t] < self.dual.c[t] } else { self.alpha[t] > 0.0 }
    }

    /// Whether `y α` may shrink.
    fn may_fall(&self, t: usize) -> bool {
        if self.dual.y[t] > 0.0 { self.alpha[t] > 0.0 } else { self.alpha[t] < self.dual.c[t] }
    }

    fn most_violating(&self, sign: f64) -> Option<(usize, f64)> {
        let mut best: Option<(usize, f64)> = None;
        for t in (0..self.alpha.len()).filter(|t| self.may_rise(*t) && is_of(self.dual.y[*t], sign)) {
            let value = -self.dual.y[t] * self.gradient[t];
            if best.is_none_or(|(_, highest)| value >= highest) {
                best = Some((t, value));
            }
        }
        best
    }

    /// The lowest value of a variable that may fall, and the variable that lowers the objective most together with `i`, and
    /// by how much.
    fn partner(&self, kernel: &KernelRows<'_>, i: usize, highest: f64, sign: f64) -> (f64, Option<(usize, f64)>) {
        let n = kernel.n_rows();
        let (row, diagonal) = (kernel.get(i % n), kernel.diagonal());
        let own = diagonal[i % n];
        let (mut lowest, mut best, mut best_gain) = (f64::INFINITY, None, 0.0);
        for first in (0..self.alpha.len()).step_by(n) {
            for (s, (k, other)) in row.iter().zip(diagonal).enumerate() {
                let t = first + s;
                if !self.may_fall(t) || !is_of(self.dual.y[t], sign) {
                    continue;
                }
                let value = -self.dual.y[t] * self.gradient[t];
                lowest = lowest.min(value);
                let difference = highest - value;
                if difference > 0.0 {
                    let gain = difference * difference / curvature(own, *other, *k);
                    if gain >= best_gain {
                        (best, best_gain) = (Some(t), gain);
                    }
                }
            }
        }
        (lowest, best.map(|j| (j, best_gain)))
    }

    /// Moves the pair along `y_i α_i + y_j α_j = const` to the best point inside the box. False when rounding leaves
    /// both where they were, as it then would for ever.
    fn step(&mut self, kernel: &KernelRows<'_>, i: usize, j: usize) -> bool {
        let (n, dual) = (kernel.n_rows(), self.dual);
        let (row_i, row_j) = (kernel.get(i % n), kernel.get(j % n));
        let (yi, yj) = (dual.y[i], dual.y[j]);
        let (before_i, before_j) = (self.alpha[i], self.alpha[j]);
        // y_i α_i grows by t ≥ 0 and y_j α_j shrinks by it.
        let slope = yj * self.gradient[j] - yi * self.gradient[i];
        let wanted = slope / curvature(kernel.diagonal()[i % n], kernel.diagonal()[j % n], row_i[j % n]);
        let room_i = if yi > 0.0 { dual.c[i] - before_i } else { before_i };
        let room_j = if yj > 0.0 { before_j } else { dual.c[j] - before_j };
        let t = wanted.min(room_i).min(room_j).max(0.0);
        // On the bound exactly, or rounding would keep the variable free.
        self.alpha[i] = if t < room_i { before_i + yi * t } else { [0.0, dual.c[i]][usize::from(yi > 0.0)] };
        self.alpha[j] = if t < room_j { before_j - yj * t } else { [dual.c[j], 0.0][usize::from(yj > 0.0)] };
        let (di, dj) = (yi * (self.alpha[i] - before_i), yj * (self.alpha[j] - before_j));
        for (gradient, y) in self.gradient.chunks_exact_mut(n).zip(dual.y.chunks_exact(n)) {
            for (((g, y), ki), kj) in gradient.iter_mut().zip(y).zip(row_i).zip(row_j) {
                *g += y * (ki * di + kj * dj);
            }
        }
        di != 0.0 || dj != 0.0
    }

    /// The mean of `y G` over free variables, or the middle of what the bounds allow.
    fn offset(&self, sign: f64) -> f64 {
        let (mut lower, mut upper) = (f64::NEG_INFINITY, f64::INFINITY);
        let (mut total, mut free) = (0.0, 0.0);
        for t in (0..self.alpha.len()).filter(|t| is_of(self.dual.y[*t], sign)) {
            let value = self.dual.y[t] * self.gradient[t];
            match (self.may_rise(t), self.may_fall(t)) {
                (true, true) => (total, free) = (total + value, free + 1.0),
                (true, false) => upper = upper.min(value),
                (false, true) => lower = lower.max(value),
                (false, false) => {}
            }
        }
        match (free > 0.0, lower.is_finite(), upper.is_finite()) {
            (true, ..) => total / free,
            (_, true, true) => (lower + upper) / 2.0,
            // One side has no weight at all: the other wins.
            (_, true, false) => lower,
            (_, false, true) => upper,
            (_, false, false) => 0.0,
        }
    }
}

fn curvature(own: f64, other: f64, both: f64) -> f64 {
    let curvature = own + other - 2.0 * both;
    if curvature > 0.0 { curvature } else { LEAST_CURVATURE }
}

#[cfg(test)]
mod tests {
    use super::super::kernel_function::{Form, Kernel};
    use super::*;

    fn machine(x: &[f64], y: &[f64], c: f64, tol: f64, max_iter: Option<u64>) -> Solution {
        let (kernel, run) = (Kernel { form: Form::Linear, gamma: 1.0, coef0: 0.0, degree: 3 }, Run::new());
        let mut rows = KernelRows::new(kernel, x, 1, 1e6, &run).expect("no limit");
        let dual = Dual { p: vec![-1.0; x.len()], y: y.to_vec(), c: vec![c; x.len()] };
        solve(&dual, &mut rows, tol, max_iter, &run).expect("not cancelled")
    }

    #[test]
    fn two_points_are_parted_in_the_middle_with_margin_one() {
        // w = 2 / distance = 1, the margin's ends at 1 and 3: f(x) = x − 2.
        let solution = machine(&[3.0, 1.0], &[1.0, -1.0], 10.0, 1e-12, None);
        assert!((solution.alpha[0] - 0.5).abs() < 1e-12 && (solution.alpha[1] - 0.5).abs() < 1e-12);
        assert!((solution.rho - 2.0).abs() < 1e-12);
        assert!(solution.converged);
    }

    #[test]
    fn a_tolerance_below_rounding_and_a_limit_end_all_the_same() {
        let x: Vec<f64> = (0..50).map(|i| (f64::from(i) * 0.7).sin() * 1e3).collect();
        let y: Vec<f64> = (0..50).map(|i| if (f64::from(i) * 1.3).cos() > 0.0 { 1.0 } else { -1.0 }).collect();
        assert!(!machine(&x, &y, 1.0, 1e-3, Some(3)).converged);
        assert!(machine(&x, &y, 1.0, 1e-300, Some(1_000_000)).alpha.iter().all(|a| (0.0..=1.0).contains(a)));
    }
}
