//! The machine that tells all classes apart at once (Crammer, Singer 2001), by dual descent over rows (Keerthi et al. 2008).

use pgml_core::{Result, Run};

use super::active_rows::{ActiveRows, move_to_front};
use super::kernels::for_each_cpu;
use super::padded_rows::{PaddedRows, dot};

/// Minimises `½ Σ |w_m|² + Σ cᵢ max over m of (1 − [m = yᵢ] + w_m·xᵢ − w_yᵢ·xᵢ)`.
pub struct CrammerSinger<'a> {
    /// The `xᵢ`.
    pub rows: &'a PaddedRows,
    /// The class of each row, below `k`.
    pub class: &'a [u32],
    /// The price of each row's error.
    pub c: &'a [f64],
    /// How many classes there are.
    pub k: usize,
}

struct State {
    /// One padded row per class.
    w: Vec<f64>,
    /// `k` coefficients per row, in sum 0, of which only its own class's is positive.
    alpha: Vec<f64>,
    lengths: Vec<f64>,
    slopes: Vec<f64>,
    sorted: Vec<f64>,
    violation: f64,
}

/// Descends until no row violates its optimality by more than `tol`: the weights, one padded row per class, and whether it
/// did so within `max_iter` passes.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn descend(
    problem: &CrammerSinger<'_>,
    tol: f64,
    max_iter: usize,
    rng: &mut fastrand::Rng,
    run: &Run,
) -> Result<(Vec<f64>, bool)> {
    let (n, k) = (problem.class.len(), problem.k);
    let _memory = run.reserve(8 * (n * (k + 2)) as u64, "the coefficients of rows")?;
    let lengths: Vec<f64> = (0..n).map(|i| dot(problem.rows.row(i), problem.rows.row(i))).collect();
    let counts = |i: &u32| lengths[*i as usize] > 0.0 && problem.c[*i as usize] > 0.0;
    let piece = (1 << 16) / (k * problem.rows.width()) + 1;
    let mut rows = ActiveRows::new((0..n as u32).filter(counts).collect(), piece);
    let mut state = State {
        w: vec![0.0; k * problem.rows.width()],
        alpha: vec![0.0; n * k],
        lengths,
        slopes: vec![0.0; k],
        sorted: vec![0.0; k],
        violation: 0.0,
    };
    // Rows that seem settled are set aside, and looked at again each time that the others are halfway better.
    let mut stage = (10.0 * tol).max(1.0);
    for iteration in 0..max_iter {
        run.progress("training", iteration as u64, max_iter as u64);
        state.violation = 0.0;
        let whole = rows.pass(rng, run, |piece| pass(problem, &mut state, piece))?;
        if state.violation <= stage {
            if whole && state.violation <= tol {
                return Ok((state.w, true));
            }
            rows.take_all();
            stage = (0.5 * stage).max(tol);
        }
    }
    Ok((state.w, false))
}

for_each_cpu! {
    /// A step for each of `rows`; those that stay are moved to the front.
    fn pass(problem: &CrammerSinger<'_>, state: &mut State, rows: &mut [u32]) -> usize {
        move_to_front(rows, |i| step(problem, state, i))
    }
}

/// Moves the coefficients of one row to their best, all others as they are; false when the row is settled: all its
/// coefficients but one are at their bound, and would go beyond.
#[inline(always)]
fn step(problem: &CrammerSinger<'_>, state: &mut State, i: usize) -> bool {
    let (x, y, c, length) = (problem.rows.row(i), problem.class[i] as usize, problem.c[i], state.lengths[i]);
    let width = problem.rows.width();
    let alpha = &mut state.alpha[i * problem.k..(i + 1) * problem.k];
    let bound = |m: usize| if m == y { c } else { 0.0 };
    // Slopes of coefficients at their bound, and of those that are free.
    let (mut highest_bound, mut highest, mut lowest, mut free) =
        (f64::NEG_INFINITY, f64::NEG_INFINITY, f64::INFINITY, 0);
    for (m, (slope, w)) in state.slopes.iter_mut().zip(state.w.chunks_exact(width)).enumerate() {
        *slope = dot(w, x) + if m == y { 0.0 } else { 1.0 };
        if alpha[m] < bound(m) {
            lowest = lowest.min(*slope);
            highest = highest.max(*slope);
            free += 1;
        } else {
            highest_bound = highest_bound.max(*slope);
        }
    }
    let violation = highest.max(highest_bound) - lowest;
    if violation <= 0.0 {
        return free > 1 || highest_bound == lowest;
    }
    state.violation = state.violation.max(violation);
    // Each coefficient is the least of its bound and `(level − linear) / length`; the level is where they sum to 0.
    for (m, (slope, sorted)) in state.slopes.iter_mut().zip(&mut state.sorted).enumerate() {
        *slope -= length * alpha[m];
        *sorted = *slope + length * bound(m);
    }
    state.sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut level = state.sorted[0] - length * c;
    let mut below = 1;
    while below < problem.k && level < below as f64 * state.sorted[below] {
        level += state.sorted[below];
        below += 1;
    }
    level /= below as f64;
    for (m, w) in state.w.chunks_exact_mut(width).enumerate() {
        let next = ((level - state.slopes[m]) / length).min(bound(m));
        let step = next - alpha[m];
        if step != 0.0 {
            alpha[m] = next;
            w.iter_mut().zip(x).for_each(|(w, x)| *w += step * x);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use pgml_core::Dataset;

    use super::*;

    #[test]
    fn no_direction_improves_the_optimum() {
        let run = Run::new();
        let mut rng = run.rng(0);
        let class: Vec<u32> = (0..60).map(|i| i % 3).collect();
        let x: Vec<f64> =
            class.iter().flat_map(|c| [f64::from(*c) + 2.0 * rng.f64(), f64::from(c % 2) + rng.f64()]).collect();
        let data = Dataset::from_rows(&x, 2).expect("60 rows");
        let rows = PaddedRows::with_constants(&data, &[1.0], &run).expect("memory");
        let c: Vec<f64> = (0..60).map(|i| f64::from(i % 4)).collect();
        let problem = CrammerSinger { rows: &rows, class: &class, c: &c, k: 3 };
        let value = |w: &[f64]| {
            let scores = |i: usize| (0..3).map(|m| dot(&w[m * 8..(m + 1) * 8], rows.row(i))).collect::<Vec<f64>>();
            let loss = |i: usize| {
                let (s, y) = (scores(i), class[i] as usize);
                (0..3).map(|m| if m == y { 0.0 } else { 1.0 + s[m] - s[y] }).fold(0.0, f64::max)
            };
            0.5 * w.iter().map(|w| w * w).sum::<f64>() + (0..60).map(|i| c[i] * loss(i)).sum::<f64>()
        };
        let (w, converged) = descend(&problem, 1e-10, 100_000, &mut rng, &run).expect("not cancelled");
        assert!(converged);
        let best = value(&w);
        for _ in 0..100 {
            let mut near = w.clone();
            for m in 0..3 {
                near[m * 8..m * 8 + 3].iter_mut().for_each(|w| *w += 1e-4 * (rng.f64() - 0.5));
            }
            assert!(value(&near) >= best - 1e-9, "{w:?} is no optimum");
        }
    }
}
