//! Cyclic coordinate descent for squared differences (hierarchical alternating least squares).

use fastrand::Rng;
use pgml_core::{Dataset, Result, Run};

use super::initial::Start;
use super::{Found, Penalty, Stop};
use crate::solvers::blocks::{copy_columns, ranges};
use crate::solvers::kernels::{dot, for_each_cpu, sum};
use crate::solvers::product::{Left, Panels, add_product};

/// Rows per block: its coordinates stay in the cache.
const BLOCK: usize = 256;

/// Rows that lie column after column, with their coordinates component after component.
struct Block {
    x: Vec<f64>,
    w: Vec<f64>,
}

/// Descends on both factors by turns.
pub fn fit(
    data: &Dataset,
    start: Start,
    (on_rows, on_components): (Penalty, Penalty),
    stop: Stop,
    mut order: Option<Rng>,
    run: &Run,
) -> Result<Found> {
    let d = data.n_features();
    let Start { x, w, mut h } = start;
    drop(x);
    let k = h.len() / d;
    let mut blocks = blocks(data, &w, k, run)?;
    drop(w);
    let mut first = None;
    for iteration in 0..stop.max_iter {
        run.progress("training", u64::from(iteration), u64::from(stop.max_iter));
        let turns = turns(k, order.as_mut());
        let gram = with_ridge(gram(&h, k, d), k, on_rows.l2);
        let packed_h = Panels::pack_transposed(&h, d);
        let mut violation = 0.0;
        let (mut of_w, mut cross) = (vec![0.0; k * k], vec![0.0; d * k]);
        for block in &mut blocks {
            run.check()?;
            let len = block.x.len() / d;
            // The coordinates are fewer than the features: they are what is packed.
            let mut by_row = vec![-on_rows.l1; len * k];
            add_product(Left::transposed(&block.x, len), &packed_h, &mut by_row);
            violation += sweep(&mut block.w, &gram, &transposed(&by_row, k), &turns);
            let packed_w = Panels::pack_transposed(&block.w, len);
            add_product(Left::rows(&block.w, len), &packed_w, &mut of_w);
            add_product(Left::rows(&block.x, len), &packed_w, &mut cross);
        }
        let mut cross = transposed(&cross, k);
        cross.iter_mut().for_each(|cell| *cell -= on_components.l1);
        let turns = self::turns(k, order.as_mut());
        violation += sweep(&mut h, &with_ridge(of_w, k, on_components.l2), &cross, &turns);
        let first = *first.get_or_insert(violation);
        if first == 0.0 || violation / first <= stop.tol {
            return Ok(Found { error: error(&blocks, &h, k, d, run)?, components: h });
        }
    }
    if stop.tol > 0.0 {
        run.warn("nmf did not converge: raise max_iter or tol");
    }
    Ok(Found { error: error(&blocks, &h, k, d, run)?, components: h })
}

/// The order in which components are taken: drawn, or as they are.
fn turns(k: usize, order: Option<&mut Rng>) -> Vec<usize> {
    let mut turns: Vec<usize> = (0..k).collect();
    if let Some(rng) = order {
        rng.shuffle(&mut turns);
    }
    turns
}

fn blocks(data: &Dataset, w: &[f64], k: usize, run: &Run) -> Result<Vec<Block>> {
    let block = |rows: std::ops::Range<usize>| {
        run.check()?;
        let mut x = vec![0.0; rows.len() * data.n_features()];
        copy_columns(data, &rows, &mut x);
        let w = (0..k).flat_map(|t| rows.clone().map(move |i| w[i * k + t])).collect();
        Ok(Block { x, w })
    };
    ranges(data.n_rows(), BLOCK).map(block).collect()
}

/// Rows of `k` numbers as `k` rows.
fn transposed(rows: &[f64], k: usize) -> Vec<f64> {
    (0..k).flat_map(|t| rows.iter().skip(t).step_by(k)).copied().collect()
}

/// `H Hᵀ`.
pub fn gram(h: &[f64], k: usize, d: usize) -> Vec<f64> {
    (0..k * k).map(|cell| dot(&h[cell / k * d..][..d], &h[cell % k * d..][..d])).collect()
}

/// Adds `ridge` to the diagonal.
pub fn with_ridge(mut gram: Vec<f64>, k: usize, ridge: f64) -> Vec<f64> {
    (0..k).for_each(|t| gram[t * k + t] += ridge);
    gram
}

/// One step along each coordinate of each row; returns the sum of projected gradients' sizes before.
fn sweep(w: &mut [f64], gram: &[f64], target: &[f64], turns: &[usize]) -> f64 {
    let k = turns.len();
    let len = w.len() / k;
    let mut gradient = vec![0.0; len];
    let mut violation = 0.0;
    for &t in turns {
        gradient_of(w, &gram[t * k..(t + 1) * k], &target[t * len..(t + 1) * len], &mut gradient);
        step(&mut w[t * len..(t + 1) * len], &mut gradient, gram[t * k + t]);
        violation += sum(&gradient);
    }
    violation
}

for_each_cpu! {
    /// `gradient ← Σᵣ gramᵣ wᵣ − target` for rows that lie component after component.
    fn gradient_of(w: &[f64], gram: &[f64], target: &[f64], gradient: &mut [f64]) {
        let len = gradient.len();
        gradient.iter_mut().zip(target).for_each(|(g, target)| *g = -target);
        for (w, weight) in w.chunks_exact(len).zip(gram) {
            for (g, w) in gradient.iter_mut().zip(w) {
                *g += weight * w;
            }
        }
    }
}

for_each_cpu! {
    /// Newton's step of each coordinate, down to 0 at most; leaves the sizes of the projected gradients.
    fn step(w: &mut [f64], gradient: &mut [f64], curvature: f64) {
        let scale = if curvature == 0.0 { 0.0 } else { 1.0 / curvature };
        for (w, g) in w.iter_mut().zip(gradient) {
            let gradient = *g;
            *g = if *w == 0.0 { (-gradient).max(0.0) } else { gradient.abs() };
            *w = if curvature == 0.0 { *w } else { (*w - gradient * scale).max(0.0) };
        }
    }
}

/// `‖X − W H‖`.
fn error(blocks: &[Block], h: &[f64], k: usize, d: usize, run: &Run) -> Result<f64> {
    let mut square = 0.0;
    for block in blocks {
        run.check()?;
        let len = block.x.len() / d;
        let mut fitted = vec![0.0; d * len];
        add_product(Left::transposed(h, d), &Panels::pack(&block.w, len), &mut fitted);
        debug_assert_eq!(block.w.len(), k * len, "coordinates of the block");
        fitted.iter_mut().zip(&block.x).for_each(|(fitted, x)| *fitted -= x);
        square += dot(&fitted, &fitted);
    }
    Ok(square.sqrt())
}

/// Rows whose coordinates are found at once.
pub const LANES: usize = 8;

for_each_cpu! { up to avx512
    /// Descends on the coordinates `w` of a few rows, from 0, each row for as long as it violates its optimality by more
    /// than `tol` times what it did first. `gradient` starts as minus the target.
    pub fn descend(
        w: &mut [[f64; LANES]], gradient: &mut [[f64; LANES]], gram: &[f64], tol: f64, max_iter: u32,
    ) {
        let k = w.len();
        let (mut first, mut moves) = ([0.0; LANES], [true; LANES]);
        for iteration in 0..max_iter {
            let mut violation = [0.0; LANES];
            for (t, row) in gram.chunks_exact(k).enumerate() {
                let mut by = [0.0; LANES];
                for l in 0..LANES {
                    let (g, own) = (gradient[t][l], w[t][l]);
                    violation[l] += if own == 0.0 { (-g).max(0.0) } else { g.abs() };
                    let moved = (own - g / row[t]).max(0.0);
                    by[l] = if moves[l] && row[t] != 0.0 { moved - own } else { 0.0 };
                    w[t][l] = if by[l] == 0.0 { own } else { moved };
                }
                for (gradient, weight) in gradient.iter_mut().zip(row) {
                    for l in 0..LANES {
                        gradient[l] += weight * by[l];
                    }
                }
            }
            if iteration == 0 {
                first = violation;
            }
            for l in 0..LANES {
                moves[l] &= violation[l] > tol * first[l] || violation[l].is_nan();
            }
            if moves == [false; LANES] {
                return;
            }
        }
    }
}
