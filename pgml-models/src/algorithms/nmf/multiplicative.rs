//! Multiplicative updates, which minimise any beta divergence and keep what is positive so.

use pgml_core::{Dataset, Result, Run, bail};

use super::divergence::{Divergence, SMALLEST};
use super::initial::Start;
use super::{Found, Penalty, Stop};
use crate::solvers::kernels::sum;
use crate::solvers::product::{Left, Panels, add_product};

/// Rows per block: what is computed of it stays in the cache.
const BLOCK: usize = 256;
/// Updates between two looks at the divergence.
const PATIENCE: u32 = 10;

/// Components in the forms that updates of coordinates need.
pub struct Parts {
    /// `k × d`.
    by_component: Panels,
    /// `d × k`.
    by_feature: Panels,
    /// `H Hᵀ`, for squared differences.
    gram: Panels,
    /// The sum of each component.
    sums: Vec<f64>,
    divergence: Divergence,
    penalty: Penalty,
    d: usize,
}

/// Space for one block of rows.
#[derive(Default)]
pub struct Scratch {
    fitted: Vec<f64>,
    held: Vec<f64>,
    up: Vec<f64>,
    down: Vec<f64>,
}

impl Parts {
    /// Packs the components `h`, `k × d`.
    pub fn new(h: &[f64], d: usize, divergence: Divergence, penalty: Penalty) -> Self {
        let k = h.len() / d;
        let by_feature = Panels::pack_transposed(h, d);
        let mut gram = vec![0.0; k * k];
        add_product(Left::rows(h, d), &by_feature, &mut gram);
        Self {
            by_component: Panels::pack(h, d),
            by_feature,
            gram: Panels::pack(&gram, k),
            sums: h.chunks_exact(d).map(sum).collect(),
            divergence,
            penalty,
            d,
        }
    }

    /// How many components there are.
    pub fn n_components(&self) -> usize {
        self.sums.len()
    }

    /// Multiplies the coordinates `w` of the rows `x` once.
    pub fn update(&self, x: &[f64], w: &mut [f64], scratch: &mut Scratch) {
        let (k, beta) = (self.n_components(), self.divergence.beta());
        let Scratch { fitted, held, up, down } = scratch;
        refill(up, w.len());
        refill(down, w.len());
        if beta == 2.0 {
            add_product(Left::rows(x, self.d), &self.by_feature, up);
            add_product(Left::rows(w, k), &self.gram, down);
        } else {
            self.fit_into(w, fitted);
            if beta == 1.0 {
                down.chunks_exact_mut(k).for_each(|row| row.copy_from_slice(&self.sums));
            } else {
                held.clear();
                held.extend(fitted.iter().map(|fitted| self.divergence.hold(*fitted)));
                add_product(Left::rows(held, self.d), &self.by_feature, down);
            }
            fitted.iter_mut().zip(x).for_each(|(fitted, x)| *fitted = self.divergence.pull(*x, *fitted));
            add_product(Left::rows(fitted, self.d), &self.by_feature, up);
        }
        multiply(w, up, down, self.penalty, self.divergence.damping());
        if beta < 1.0 {
            drop_dust(w);
        }
    }

    /// `W H`.
    fn fit_into(&self, w: &[f64], fitted: &mut Vec<f64>) {
        let k = self.n_components();
        refill(fitted, w.len() / k * self.d);
        add_product(Left::rows(w, k), &self.by_component, fitted);
    }

    /// The divergence of `x` from what coordinates `w` make of the components.
    pub fn error(&self, x: &[f64], w: &[f64], scratch: &mut Scratch) -> f64 {
        self.fit_into(w, &mut scratch.fitted);
        x.iter().zip(&scratch.fitted).map(|(x, fitted)| self.divergence.of(*x, *fitted)).sum()
    }

    /// Coordinates of one row, from equal ones.
    pub fn solve(&self, x: &[f64], w: &mut [f64], stop: Stop, scratch: &mut Scratch) {
        w.fill((sum(x) / x.len() as f64 / w.len() as f64).sqrt());
        let first = (2.0 * self.error(x, w, scratch)).max(0.0).sqrt();
        let mut before = first;
        for iteration in 1..=stop.max_iter {
            self.update(x, w, scratch);
            if stop.tol > 0.0 && iteration % PATIENCE == 0 {
                let error = (2.0 * self.error(x, w, scratch)).max(0.0).sqrt();
                // An error of 0 cannot shrink.
                if first == 0.0 || (before - error) / first < stop.tol {
                    return;
                }
                before = error;
            }
        }
    }
}

/// What both factors are updated for.
struct Problem {
    d: usize,
    divergence: Divergence,
    on_rows: Penalty,
    on_components: Penalty,
}

/// Updates both factors by turns.
pub fn fit(
    data: &Dataset,
    start: Start,
    divergence: Divergence,
    (on_rows, on_components): (Penalty, Penalty),
    stop: Stop,
    run: &Run,
) -> Result<Found> {
    let d = data.n_features();
    let problem = Problem { d, divergence, on_rows, on_components };
    let Start { x, mut w, mut h } = start;
    let mut scratch = Scratch::default();
    let mut error = |h: &[f64], w: &[f64]| -> Result<f64> {
        let parts = Parts::new(h, d, divergence, on_rows);
        let mut total = 0.0;
        for (x, w) in x.chunks(BLOCK * d).zip(w.chunks(BLOCK * parts.n_components())) {
            run.check()?;
            total += parts.error(x, w, &mut scratch);
        }
        Ok((2.0 * total).max(0.0).sqrt())
    };
    let first = error(&h, &w)?;
    let mut before = first;
    let mut settled = stop.tol == 0.0;
    for iteration in 1..=stop.max_iter {
        run.progress("training", u64::from(iteration - 1), u64::from(stop.max_iter));
        update_both(&x, &mut w, &mut h, &problem, run)?;
        if stop.tol > 0.0 && iteration % PATIENCE == 0 {
            let now = error(&h, &w)?;
            if !now.is_finite() {
                bail!(InvalidData, "the factors overflow: features are too large, scale them in preprocess");
            }
            if first == 0.0 || (before - now) / first < stop.tol {
                settled = true;
                break;
            }
            before = now;
        }
    }
    if !settled {
        run.warn("nmf did not converge: raise max_iter or tol");
    }
    Ok(Found { error: error(&h, &w)?, components: h })
}

/// Updates the coordinates block by block, summing on the way what the update of the components needs.
fn update_both(x: &[f64], w: &mut [f64], h: &mut [f64], problem: &Problem, run: &Run) -> Result<()> {
    let Problem { d, divergence, on_rows, on_components } = *problem;
    let (k, beta) = (h.len() / d, divergence.beta());
    let parts = Parts::new(h, d, divergence, on_rows);
    let mut scratch = Scratch::default();
    let (mut up, mut down, mut gram) = (vec![0.0; k * d], vec![0.0; k * d], vec![0.0; k * k]);
    for (x, w) in x.chunks(BLOCK * d).zip(w.chunks_mut(BLOCK * k)) {
        run.check()?;
        parts.update(x, w, &mut scratch);
        if beta == 2.0 {
            add_product(Left::transposed(w, k), &Panels::pack(x, d), &mut up);
            add_product(Left::transposed(w, k), &Panels::pack(w, k), &mut gram);
            continue;
        }
        let Scratch { fitted, held, .. } = &mut scratch;
        parts.fit_into(w, fitted);
        held.clear();
        if beta == 1.0 {
            // The power 0 of whatever fits.
            held.resize(fitted.len(), 1.0);
        } else {
            held.extend(fitted.iter().map(|fitted| divergence.hold(*fitted)));
        }
        add_product(Left::transposed(w, k), &Panels::pack(held, d), &mut down);
        fitted.iter_mut().zip(x).for_each(|(fitted, x)| *fitted = divergence.pull(*x, *fitted));
        add_product(Left::transposed(w, k), &Panels::pack(fitted, d), &mut up);
    }
    if beta == 2.0 {
        add_product(Left::rows(&gram, k), &parts.by_component, &mut down);
    }
    multiply(h, &up, &down, on_components, divergence.damping());
    if beta <= 1.0 {
        drop_dust(h);
    }
    Ok(())
}

/// `factor ← factor · (up / (down + penalty))^damping`.
fn multiply(factor: &mut [f64], up: &[f64], down: &[f64], penalty: Penalty, damping: f64) {
    for ((cell, up), down) in factor.iter_mut().zip(up).zip(down) {
        let against = *down + penalty.l1 + penalty.l2 * *cell;
        let ratio = up / if against == 0.0 { SMALLEST } else { against };
        *cell *= if damping == 1.0 { ratio } else { ratio.powf(damping) };
    }
}

/// Entries too small to grow again are zero, which divergences below 1 need to stay finite.
fn drop_dust(factor: &mut [f64]) {
    factor.iter_mut().filter(|cell| **cell < f64::EPSILON).for_each(|cell| *cell = 0.0);
}

fn refill(values: &mut Vec<f64>, len: usize) {
    values.clear();
    values.resize(len, 0.0);
}
