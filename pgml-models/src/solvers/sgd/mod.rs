//! Stochastic gradient descent over linear scores: one step per row, row after row (Robbins, Monro 1951; Bottou 2012).
//!
//! The steps and the rules that end them are those of scikit-learn 1.9.1's `SGDRegressor` and `SGDClassifier`: in the
//! same order of rows the coefficients are the same.

mod loss;
mod pass;
mod watch;
mod weights;

use pgml_core::{Result, Run, bail};

pub use self::loss::Loss;
use self::pass::{State, pass};
pub use self::watch::{Measure, Watched};
use super::padded_rows::PaddedRows;

/// How large the steps are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// The same all the time.
    Constant(f64),
    /// `1 / (alpha (t + t₀))`, where the first is a typical size of weights (Bottou).
    Optimal,
    /// `eta0 / t^power`.
    Inverse {
        /// The first step's.
        eta0: f64,
        /// How fast it falls.
        power: f64,
    },
    /// The same until the loss stops falling, then a fifth, and so on.
    Adaptive(f64),
    /// As far as this row's loss asks for, at most this (passive-aggressive I; Crammer et al. 2006).
    PassiveAggressive1(f64),
    /// As far as this row's loss asks for, damped by this (passive-aggressive II).
    PassiveAggressive2(f64),
}

/// What is minimised, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What an error costs.
    pub loss: Loss,
    /// The strength that the rate [`Rate::Optimal`] follows, of a penalty or not.
    pub alpha: f64,
    /// Strength of the penalty on squares; without one, no decay.
    pub l2: Option<f64>,
    /// Strength of the penalty on absolute values, if there is one.
    pub l1: Option<f64>,
    /// The size of steps.
    pub rate: Rate,
    /// Whether there is an intercept.
    pub fit_intercept: bool,
    /// Most passes over the rows.
    pub max_iter: usize,
    /// Improvement per row below which a pass counts as none; `None` goes on to `max_iter`.
    pub tol: Option<f64>,
    /// Passes without improvement at which to stop.
    pub n_iter_no_change: usize,
    /// Whether each pass takes the rows in a new order.
    pub shuffle: bool,
    /// From which step on coefficients are averaged; 0 means never.
    pub average: usize,
}

/// Rows with a target and a weight each.
pub struct Problem<'a> {
    /// The features.
    pub rows: &'a PaddedRows,
    /// One target per row.
    pub y: &'a [f64],
    /// One weight per row.
    pub weight: &'a [f64],
}

/// The coefficients that descent ended with.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// One per feature.
    pub coef: Vec<f64>,
    /// The intercept.
    pub intercept: f64,
    /// How many passes there were.
    pub passes: usize,
    /// The averages, if they were asked for.
    pub average: Option<(Vec<f64>, f64)>,
}

/// Descends over the rows `order`, at first in that order. With `watched` rows, their score decides when to stop.
///
/// # Errors
/// [`InvalidData`](pgml_core::ErrorKind::InvalidData) when numbers overflow; when the run was cancelled.
pub fn descend(
    settings: &Settings,
    problem: &Problem<'_>,
    mut order: Vec<u32>,
    watched: Option<&Watched<'_>>,
    rng: &mut fastrand::Rng,
    run: &Run,
) -> Result<Fitted> {
    let mut state = State::new(settings, problem.rows.width(), watched.is_none());
    let mut improvement = Improvement { best: f64::INFINITY, without: 0 };
    // About a tenth of a millisecond's work.
    let piece = (1 << 17) / problem.rows.width() + 1;
    let mut passes = 0;
    while passes < settings.max_iter {
        run.progress("training", passes as u64, settings.max_iter as u64);
        if settings.shuffle {
            rng.shuffle(&mut order);
        }
        state.objective = 0.0;
        for rows in order.chunks(piece) {
            run.check()?;
            pass(settings, problem, &mut state, rows);
        }
        passes += 1;
        if !state.is_finite() {
            bail!(
                InvalidData,
                "the coefficients overflow in pass {passes}: scale the features (and a regression's target) in preprocess, \
                 or lower eta0"
            );
        }
        let cost = match watched {
            Some(watched) => -watched.score(&state),
            None => state.objective / order.len() as f64,
        };
        if improvement.none_for(settings.n_iter_no_change, cost, settings.tol) && !state.slow_down(settings.rate) {
            break;
        }
    }
    Ok(state.finish(passes))
}

/// Counts passes in a row that did not improve.
struct Improvement {
    best: f64,
    without: usize,
}

impl Improvement {
    /// Whether this cost was one too many; then the count starts again.
    fn none_for(&mut self, most: usize, cost: f64, tol: Option<f64>) -> bool {
        self.without = if tol.is_some_and(|tol| cost > self.best - tol) { self.without + 1 } else { 0 };
        self.best = self.best.min(cost);
        let over = self.without >= most;
        if over {
            self.without = 0;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::Dataset;

    use super::*;

    fn settings() -> Settings {
        Settings {
            loss: Loss::SquaredError,
            alpha: 0.0,
            l2: None,
            l1: None,
            rate: Rate::Inverse { eta0: 0.1, power: 0.25 },
            fit_intercept: true,
            max_iter: 1000,
            tol: Some(1e-9),
            n_iter_no_change: 5,
            shuffle: true,
            average: 0,
        }
    }

    fn line() -> (Dataset, Vec<f64>) {
        let x: Vec<f64> = (0..50).map(|i| f64::from(i % 10) / 5.0 - 1.0).collect();
        let y = x.iter().map(|x| 3.0 * x - 2.0).collect();
        (Dataset::from_rows(&x, 1).expect("50 rows"), y)
    }

    fn fit(settings: &Settings) -> Result<Fitted> {
        let (data, y) = line();
        let run = Run::new();
        let rows = PaddedRows::new(&data, &run).expect("memory");
        let problem = Problem { rows: &rows, y: &y, weight: &[1.0; 50] };
        descend(settings, &problem, (0..50).collect(), None, &mut run.rng(0), &run)
    }

    #[test]
    fn a_line_is_found() {
        let fitted = fit(&settings()).expect("fits");
        assert!((fitted.coef[0] - 3.0).abs() < 1e-3 && (fitted.intercept + 2.0).abs() < 1e-3, "{fitted:?}");
        assert!(fitted.passes < 1000);
    }

    #[test]
    fn an_l1_penalty_makes_zeros() {
        let fitted = fit(&Settings { l1: Some(10.0), ..settings() }).expect("fits");
        assert_eq!(fitted.coef[0], 0.0);
    }

    #[test]
    fn what_diverges_is_refused() {
        let error = fit(&Settings { rate: Rate::Constant(1e299), ..settings() }).expect_err("diverges");
        assert!(error.message().contains("scale the features"), "{error}");
    }

    #[test]
    fn an_adaptive_rate_goes_on_where_a_constant_one_stops() {
        let passes = |rate: Rate| fit(&Settings { rate, ..settings() }).map(|f| f.passes).expect("fits");
        assert!(passes(Rate::Adaptive(0.1)) > passes(Rate::Constant(0.1)));
    }
}
