//! Dual coordinate descent for linear machines whose loss has a corner (Hsieh et al. 2008; Ho, Lin 2012).

use pgml_core::{Result, Run};

use super::active_rows::{ActiveRows, move_to_front};
use super::kernels::for_each_cpu;
use super::padded_rows::{PaddedRows, dot};

/// Finds the `w = Σ βᵢ xᵢ` that minimises `½ |w|² − Σ yᵢ βᵢ + epsilon Σ |βᵢ|` with `lowᵢ ≤ βᵢ ≤ highᵢ`.
///
/// That is the dual of `½ |w|² + Σ cᵢ max(0, |yᵢ − w·xᵢ| − epsilon)` with bounds `∓cᵢ`, and, with targets ±1 and
/// epsilon 0, of `½ |w|² + Σ cᵢ max(0, 1 − yᵢ w·xᵢ)` with bounds 0 and `yᵢ cᵢ`.
pub struct Dual<'a> {
    /// The `xᵢ`.
    pub rows: &'a PaddedRows,
    /// The targets.
    pub y: &'a [f64],
    /// The price of a coefficient.
    pub epsilon: f64,
    /// At most 0.
    pub low: Vec<f64>,
    /// At least 0.
    pub high: Vec<f64>,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    /// No coefficient violates its optimality by more than this.
    Largest(f64),
    /// All of them together do by no more than this share of what they did in the first pass.
    Share(f64),
}

struct State<'a> {
    w: Vec<f64>,
    beta: Vec<f64>,
    lengths: &'a [f64],
    /// Coefficients at a bound that are this far inside what the last pass violated are set aside.
    threshold: f64,
    largest: f64,
    total: f64,
}

/// Descends; the weights, and whether it converged within `max_iter` passes. Passes over few of the rows, while the others
/// are set aside, are so quick that there may be more of them: as many as visit each row `max_iter / 10` times.
///
/// # Errors
/// When the run was cancelled.
pub fn descend(
    dual: &Dual<'_>,
    stop: Stop,
    max_iter: usize,
    rng: &mut fastrand::Rng,
    run: &Run,
) -> Result<(Vec<f64>, bool)> {
    let n = dual.y.len();
    let _memory = run.reserve(32 * n as u64, "the coefficients of rows")?;
    let lengths: Vec<f64> = (0..n).map(|i| dot(dual.rows.row(i), dual.rows.row(i))).collect();
    let mut state = State {
        w: vec![0.0; dual.rows.width()],
        beta: vec![0.0; n],
        lengths: &lengths,
        threshold: f64::INFINITY,
        largest: 0.0,
        total: 0.0,
    };
    // A row of zeros, or one without weight, moves nothing.
    let counts = |i: &u32| lengths[*i as usize] > 0.0 && dual.low[*i as usize] < dual.high[*i as usize];
    let mut rows = ActiveRows::new((0..n as u32).filter(counts).collect(), (1 << 17) / dual.rows.width() + 1);
    let mut first = None;
    let (mut passes, mut visits) = (0, 0);
    while passes < max_iter || visits < max_iter.saturating_mul(rows.of_all()) / 10 {
        run.progress("training", passes.min(max_iter) as u64, max_iter as u64);
        // Even a pass over no row is one.
        (passes, visits) = (passes + 1, visits + rows.len().max(1));
        (state.largest, state.total) = (0.0, 0.0);
        let whole = rows.pass(rng, run, |piece| pass(dual, &mut state, piece))?;
        let met = match stop {
            Stop::Largest(tol) => state.largest <= tol,
            Stop::Share(tol) => state.total <= tol * *first.get_or_insert(state.total),
        };
        if met {
            if whole {
                return Ok((state.w, true));
            }
            // What was set aside is looked at once more.
            rows.take_all();
            state.threshold = f64::INFINITY;
        } else {
            state.threshold = if state.largest > 0.0 { state.largest } else { f64::INFINITY };
        }
    }
    Ok((state.w, false))
}

for_each_cpu! {
    /// A step for each of `rows`; those that stay are moved to the front.
    fn pass(dual: &Dual<'_>, state: &mut State<'_>, rows: &mut [u32]) -> usize {
        move_to_front(rows, |i| step(dual, state, i))
    }
}

/// Moves one coefficient to its best; false when it may be set aside.
#[inline(always)]
fn step(dual: &Dual<'_>, state: &mut State<'_>, i: usize) -> bool {
    let x = dual.rows.row(i);
    let (low, high, beta, length) = (dual.low[i], dual.high[i], state.beta[i], state.lengths[i]);
    let slope = dot(&state.w, x) - dual.y[i];
    // The slope of the whole when the coefficient rises above 0, and below.
    let (above, below) = (slope + dual.epsilon, slope - dual.epsilon);
    let (up, down) = (if beta >= 0.0 { above } else { below }, if beta > 0.0 { above } else { below });
    // To rise is an improvement where the slope to the right is negative, to fall where that to the left is positive.
    let violation = if beta < high { -up } else { 0.0 }.max(if beta > low { down } else { 0.0 }).max(0.0);
    if violation == 0.0 {
        let far_inside = match (beta >= high, beta <= low) {
            (true, _) => -down,
            (_, true) => up,
            _ if beta == 0.0 => up.min(-down),
            _ => 0.0,
        };
        return far_inside <= state.threshold;
    }
    state.largest = state.largest.max(violation);
    state.total += violation;
    let wanted = if above < length * beta {
        beta - above / length
    } else if below > length * beta {
        beta - below / length
    } else {
        0.0
    };
    let next = wanted.clamp(low, high);
    let step = next - beta;
    if step != 0.0 {
        state.beta[i] = next;
        for (w, x) in state.w.iter_mut().zip(x) {
            *w += step * x;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use pgml_core::Dataset;

    use super::*;

    /// The primal value of the absolute loss at `w`.
    fn value(w: &[f64], x: &[f64], y: &[f64], epsilon: f64) -> f64 {
        let loss = |(x, y): (&[f64], &f64)| ((y - w[0] * x[0] - w[1] * x[1]).abs() - epsilon).max(0.0);
        0.5 * (w[0] * w[0] + w[1] * w[1]) + x.chunks_exact(2).zip(y).map(loss).sum::<f64>()
    }

    #[test]
    fn no_direction_improves_the_optimum() {
        let run = Run::new();
        let mut rng = run.rng(0);
        let x: Vec<f64> = (0..80).map(|_| rng.f64() - 0.5).collect();
        let y: Vec<f64> = x.chunks_exact(2).map(|x| 2.0 * x[0] - x[1] + 0.3 * rng.f64()).collect();
        let data = Dataset::from_rows(&x, 2).expect("40 rows");
        let rows = PaddedRows::new(&data, &run).expect("memory");
        for epsilon in [0.0, 0.1] {
            let dual = Dual { rows: &rows, y: &y, epsilon, low: vec![-1.0; 40], high: vec![1.0; 40] };
            let (w, converged) = descend(&dual, Stop::Largest(1e-12), 100_000, &mut rng, &run).expect("not cancelled");
            assert!(converged);
            let best = value(&w, &x, &y, epsilon);
            for angle in 0..32 {
                let (sin, cos) = (f64::from(angle) * std::f64::consts::PI / 16.0).sin_cos();
                let near = [w[0] + 1e-4 * cos, w[1] + 1e-4 * sin];
                assert!(value(&near, &x, &y, epsilon) >= best - 1e-12, "epsilon {epsilon}: {w:?} is no optimum");
            }
        }
    }
}
