//! From first weights to trained ones.

use std::cell::{Cell, RefCell};

use pgml_core::{Result, Run, bail};

use super::network::{Forward, Network, Output, Scratch};
use super::optimiser::{Optimiser, Rule};
use crate::solvers::held_out::Split;
use crate::solvers::kernels::dot;
use crate::solvers::lbfgs::{self, Smooth};

/// Rows that go through the network at a time: their answers stay in the cache.
const BLOCK: usize = 256;

/// What is learnt from.
pub struct Rows {
    /// Row-major features.
    pub x: Vec<f64>,
    /// Row-major targets, one per output.
    pub y: Vec<f64>,
    /// One weight per row.
    pub weight: Option<Vec<f64>>,
    /// Features per row.
    pub d: usize,
    /// Outputs per row.
    pub k: usize,
}

impl Rows {
    fn n_rows(&self) -> usize {
        self.x.len() / self.d
    }
}

/// What is minimised: the mean loss and `alpha / 2 Σ w²` per unit of weight.
pub struct Problem<'a> {
    /// The form of the network.
    pub network: &'a Network,
    /// The rows.
    pub rows: &'a Rows,
    /// Strength of the L2 penalty.
    pub alpha: f64,
}

impl Problem<'_> {
    /// The mean loss of some rows, summed over outputs, and the penalty; their gradient.
    fn evaluate(
        &self,
        params: &[f64],
        order: &[u32],
        gradient: &mut [f64],
        buffers: &mut Buffers,
        run: &Run,
    ) -> Result<(f64, f64)> {
        let rows = self.rows;
        let forward = Forward::new(self.network, params);
        gradient.fill(0.0);
        let (mut loss, mut total) = (0.0, 0.0);
        for block in order.chunks(BLOCK) {
            run.check()?;
            buffers.gather(rows, block);
            let weight = rows.weight.as_ref().map(|_| buffers.weight.as_slice());
            total += weight.map_or(block.len() as f64, |w| w.iter().sum());
            loss += forward.add_gradient(params, &buffers.x, &buffers.y, weight, gradient, &mut buffers.scratch);
        }
        if total == 0.0 {
            // Rows without weight say nothing.
            gradient.fill(0.0);
            return Ok((0.0, 0.0));
        }
        let weights = &params[..self.network.n_weights()];
        gradient.iter_mut().zip(weights).for_each(|(g, w)| *g += self.alpha * w);
        gradient.iter_mut().for_each(|g| *g /= total);
        Ok((loss / total, 0.5 * self.alpha * dot(weights, weights) / total))
    }
}

#[derive(Default)]
struct Buffers {
    x: Vec<f64>,
    y: Vec<f64>,
    weight: Vec<f64>,
    scratch: Scratch,
}

impl Buffers {
    fn gather(&mut self, rows: &Rows, block: &[u32]) {
        self.x.clear();
        self.y.clear();
        self.weight.clear();
        for i in block.iter().map(|i| *i as usize) {
            self.x.extend_from_slice(&rows.x[i * rows.d..(i + 1) * rows.d]);
            self.y.extend_from_slice(&rows.y[i * rows.k..(i + 1) * rows.k]);
            self.weight.extend(rows.weight.as_ref().map(|w| w[i]));
        }
    }
}

/// How the size of steps changes from pass to pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// `rate / t^power`, where `t` counts rows.
    Inverse(f64),
    /// A fifth whenever passes do not improve.
    Adaptive,
}

/// How to learn from one batch after another.
pub struct Stochastic {
    /// How gradients become steps.
    pub rule: Rule,
    /// The first size of steps.
    pub rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Rows per step.
    pub batch: usize,
    /// Whether each pass takes the rows in a new order.
    pub shuffle: bool,
    /// Most passes.
    pub max_iter: usize,
    /// Improvement below which a pass counts as none.
    pub tol: f64,
    /// Passes without improvement after which to stop.
    pub n_iter_no_change: usize,
}

/// Learns batch by batch from `start`; the weights, and whether it stopped before `max_iter`. Where rows are watched, the
/// weights of the pass after which `score` was best.
pub fn stochastic(
    settings: &Stochastic,
    problem: &Problem<'_>,
    split: &Split,
    score: impl Fn(&Forward, &[u32]) -> Result<f64>,
    start: Vec<f64>,
    run: &Run,
) -> Result<(Vec<f64>, bool)> {
    let mut params = start;
    let mut gradient = vec![0.0; params.len()];
    let mut optimiser = Optimiser::new(settings.rule, settings.rate, params.len());
    let mut order = split.learn.clone();
    let (mut rng, mut buffers) = (run.rng(1), Buffers::default());
    let (mut best, mut without) = (f64::INFINITY, 0);
    let mut best_params = None;
    // scikit-learn follows the mean error of several targets, and descends along the slope of their sum.
    let shared = if problem.network.output == Output::Identity { problem.rows.k as f64 } else { 1.0 };
    for pass in 0..settings.max_iter {
        run.progress("training", pass as u64, settings.max_iter as u64);
        if settings.shuffle {
            rng.shuffle(&mut order);
        }
        let mut loss = 0.0;
        for batch in order.chunks(settings.batch) {
            let (of_rows, penalty) = problem.evaluate(&params, batch, &mut gradient, &mut buffers, run)?;
            loss += (of_rows / shared + penalty) * batch.len() as f64;
            optimiser.step(&gradient, &mut params);
        }
        if !loss.is_finite() || params.iter().any(|w| !w.is_finite()) {
            bail!(
                InvalidData,
                "the weights overflow in pass {}: scale the features (and a regression's target) in preprocess, or lower \
                 learning_rate_init",
                pass + 1
            );
        }
        let cost = if split.watch.is_empty() {
            loss / order.len() as f64
        } else {
            -score(&Forward::new(problem.network, &params), &split.watch)?
        };
        without = if cost > best - settings.tol { without + 1 } else { 0 };
        if cost < best {
            best = cost;
            if !split.watch.is_empty() {
                best_params = Some(params.clone());
            }
        }
        if let Schedule::Inverse(power) = settings.schedule {
            optimiser.rate = settings.rate / (((pass + 1) * order.len() + 1) as f64).powf(power);
        }
        if without > settings.n_iter_no_change {
            if settings.schedule != Schedule::Adaptive || optimiser.rate <= 1e-6 {
                return Ok((best_params.unwrap_or(params), true));
            }
            optimiser.rate /= 5.0;
            without = 0;
        }
    }
    Ok((best_params.unwrap_or(params), false))
}

/// The outputs of some rows, block by block.
pub fn outputs_of(forward: &Forward, rows: &Rows, which: &[u32], run: &Run) -> Result<Vec<f64>> {
    let (mut buffers, mut scratch) = (Buffers::default(), Vec::new());
    let mut all = Vec::with_capacity(which.len() * rows.k);
    for block in which.chunks(BLOCK) {
        run.check()?;
        buffers.gather(rows, block);
        all.extend_from_slice(forward.outputs(&buffers.x, &mut scratch));
    }
    Ok(all)
}

/// L-BFGS over all rows until no slope is greater than `tol`; the weights, and whether `max_iter` steps and `max_fun`
/// evaluations sufficed.
pub fn whole(
    problem: &Problem<'_>,
    (tol, max_iter, max_fun): (f64, usize, usize),
    start: Vec<f64>,
    run: &Run,
) -> Result<(Vec<f64>, bool)> {
    let order = (0..problem.rows.n_rows() as u32).collect();
    let function = Whole { problem, order, buffers: RefCell::default(), evaluations: Cell::new(0), max_fun, run };
    let mut params = start;
    let converged = lbfgs::minimise(&function, &mut params, tol, max_iter, run)?;
    Ok((params, converged && function.evaluations.get() < max_fun))
}

struct Whole<'a> {
    problem: &'a Problem<'a>,
    order: Vec<u32>,
    buffers: RefCell<Buffers>,
    evaluations: Cell<usize>,
    max_fun: usize,
    run: &'a Run,
}

impl Smooth for Whole<'_> {
    fn evaluate(&self, at: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.evaluations.set(self.evaluations.get() + 1);
        let buffers = &mut self.buffers.borrow_mut();
        let (loss, penalty) = self.problem.evaluate(at, &self.order, gradient, buffers, self.run)?;
        Ok(loss + penalty)
    }

    fn slope(&self, _: &[f64], gradient: &[f64]) -> f64 {
        if self.evaluations.get() >= self.max_fun {
            // Enough is enough: as if it were flat here.
            return 0.0;
        }
        gradient.iter().fold(0.0, |steepest, g| g.abs().max(steepest))
    }
}
