//! One pass over rows: the inner loop.

use super::super::kernels::for_each_cpu;
use super::super::padded_rows::dot;
use super::weights::Weights;
use super::{Fitted, Problem, Rate, Settings};

/// Derivatives beyond this are cut off, so that one row cannot throw all coefficients out.
const STEEPEST: f64 = 1e12;

/// Where descent is.
pub(super) struct State {
    pub weights: Weights,
    pub intercept: f64,
    average_intercept: f64,
    /// The sum over this pass of what is minimised, before each step.
    pub objective: f64,
    /// Whether that sum is needed.
    summing: bool,
    eta: f64,
    /// Steps so far, and one.
    t: f64,
    /// Steps that [`Rate::Optimal`] imagines before the first.
    head_start: f64,
    l1_due: f64,
    l1_paid: Vec<f64>,
}

impl State {
    pub fn new(settings: &Settings, width: usize, summing: bool) -> Self {
        let eta = match settings.rate {
            Rate::Constant(eta) | Rate::Adaptive(eta) => eta,
            Rate::Inverse { eta0, .. } => eta0,
            Rate::PassiveAggressive1(c) | Rate::PassiveAggressive2(c) => c,
            Rate::Optimal => 0.0,
        };
        let typical = settings.alpha.sqrt().recip().sqrt();
        Self {
            weights: Weights::new(width, settings.average > 0),
            intercept: 0.0,
            average_intercept: 0.0,
            objective: 0.0,
            summing,
            eta,
            t: 1.0,
            head_start: 1.0 / (typical * settings.alpha),
            l1_due: 0.0,
            l1_paid: vec![0.0; if settings.l1.is_some() { width } else { 0 }],
        }
    }

    pub fn is_finite(&self) -> bool {
        self.intercept.is_finite() && self.weights.values.iter().all(|w| w.is_finite())
    }

    /// Takes a fifth of the steps from now on; false when the rate does not adapt or is small enough.
    pub fn slow_down(&mut self, rate: Rate) -> bool {
        let adapts = matches!(rate, Rate::Adaptive(_)) && self.eta > 1e-6;
        if adapts {
            self.eta /= 5.0;
        }
        adapts
    }

    pub fn finish(mut self, passes: usize) -> Fitted {
        self.weights.settle();
        let average = self.weights.average().map(|values| (values.to_vec(), self.average_intercept));
        Fitted { coef: self.weights.values, intercept: self.intercept, passes, average }
    }
}

for_each_cpu! {
    /// A step for each of the rows `order`.
    pub(super) fn pass(settings: &Settings, problem: &Problem<'_>, state: &mut State, order: &[u32]) {
        for i in order {
            step(settings, problem, state, *i as usize);
        }
    }
}

#[inline(always)]
fn step(settings: &Settings, problem: &Problem<'_>, state: &mut State, i: usize) {
    let (x, y) = (problem.rows.row(i), problem.y[i]);
    let p = state.weights.dot(x) + state.intercept;
    match settings.rate {
        Rate::Optimal => state.eta = 1.0 / (settings.alpha * (state.head_start + state.t - 1.0)),
        Rate::Inverse { eta0, power } => state.eta = eta0 / raised(state.t, power),
        _ => {}
    }
    let (loss, slope) = settings.loss.at(y, p);
    if state.summing {
        state.objective += loss + penalty(settings, &state.weights);
    }
    let update = match settings.rate {
        Rate::PassiveAggressive1(most) => {
            let length = dot(x, x);
            if length == 0.0 {
                return;
            }
            (loss / length).min(most) * settings.loss.side(y, p) * problem.weight[i]
        }
        Rate::PassiveAggressive2(c) => loss / (dot(x, x) + 0.5 / c) * settings.loss.side(y, p) * problem.weight[i],
        _ => slope.clamp(-STEEPEST, STEEPEST) * (-state.eta * problem.weight[i]),
    };
    if let Some(l2) = settings.l2 {
        state.weights.shrink((1.0 - l2 * state.eta).max(0.0));
    }
    if update != 0.0 {
        state.weights.add(x, update);
    }
    if settings.fit_intercept {
        state.intercept += update;
    }
    let averaged_from = settings.average as f64;
    if settings.average > 0 && averaged_from <= state.t {
        let count = state.t - averaged_from + 1.0;
        state.weights.count_in(x, update, count);
        state.average_intercept += (state.intercept - state.average_intercept) / count;
    }
    if let Some(l1) = settings.l1 {
        state.l1_due += l1 * state.eta;
        state.weights.pay(state.l1_due, &mut state.l1_paid);
    }
    state.t += 1.0;
}

/// The penalty on the present weights. Passive-aggressive rules stop by the loss alone.
#[inline(always)]
fn penalty(settings: &Settings, weights: &Weights) -> f64 {
    match settings.rate {
        Rate::PassiveAggressive1(_) | Rate::PassiveAggressive2(_) => 0.0,
        _ => {
            let of = |strength: Option<f64>, size: f64| strength.map_or(0.0, |s| s * size);
            of(settings.l2, 0.5 * weights.squares) + of(settings.l1, weights.absolutes)
        }
    }
}

/// `t^power`, quick for the powers that are the defaults.
#[inline(always)]
fn raised(t: f64, power: f64) -> f64 {
    if power == 0.25 {
        t.sqrt().sqrt()
    } else if power == 0.5 {
        t.sqrt()
    } else {
        t.powf(power)
    }
}
