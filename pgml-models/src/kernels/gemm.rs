//! The product of rows with packed weights.

use std::cell::RefCell;
use std::ops::Range;

use super::aligned::Aligned;
use super::epilogue::{Dequantize, Epilogue, Panel, finish};
use super::operand::{Operand, Rows};
use super::packed::{PackedMatrix, Precision};
use super::team::{Disjoint, Team};
use super::tile::Tile;

/// Tiles one above the other that share a panel while it is in the second-level cache.
const TILES_PER_BLOCK: usize = 8;

/// Multiplications that pay for a second thread.
const WORTH_A_THREAD: usize = 1 << 18;

/// `out = epilogue(x·Wᵀ)`.
///
/// # Shapes
/// `x`: rows × inputs; `out`: rows × outputs; what the epilogue has: see [`Epilogue`].
///
/// Each output is summed in an order that depends on the weights alone: it is the same for any number of threads, and for a
/// row alone as for a row among others.
///
/// # Panics
/// When a length does not fit these shapes.
pub fn gemm(team: &Team, x: &[f32], weights: &PackedMatrix, epilogue: &Epilogue<'_>, out: &mut [f32]) {
    let rows = check(x, weights, epilogue, out);
    if rows == 0 || weights.outputs == 0 {
        return;
    }
    let grid = Grid::new(rows, weights, team.threads());
    let out = Disjoint::new(out);
    let convert = |rows: Range<usize>, multiply: &dyn Fn(Rows<'_>)| {
        let x = &x[rows.start * weights.inputs..rows.end * weights.inputs];
        OPERAND.with_borrow_mut(|operand| {
            multiply(operand.convert(weights.cpu, weights.precision, &weights.kernel, x, weights.inputs));
        });
    };
    if grid.row_blocks == 1 {
        // Once for all threads: a row's conversion is a part of its products that shows.
        return convert(0..rows, &|a| {
            let shares = Shares::new(grid.panels, if grid.panel_blocks > 1 { team.threads() } else { 1 });
            team.for_each(shares.count, |i| block(a, weights, epilogue, &out, 0..rows, shares.part(i)));
        });
    }
    team.for_each(grid.row_blocks * grid.panel_blocks, |job| {
        let (rows, panels) = grid.job(job);
        convert(rows.clone(), &|a| block(a, weights, epilogue, &out, rows.clone(), panels.clone()));
    });
}

fn check(x: &[f32], weights: &PackedMatrix, epilogue: &Epilogue<'_>, out: &[f32]) -> usize {
    let rows = x.len() / weights.inputs;
    assert_eq!(x.len(), rows * weights.inputs, "x is whole rows of {} inputs", weights.inputs);
    assert_eq!(out.len(), rows * weights.outputs, "out is {rows} rows of {} outputs", weights.outputs);
    if let Some(bias) = epilogue.bias {
        assert_eq!(bias.len(), weights.bias_len(), "the bias has one number per output");
    }
    if let Some(residual) = epilogue.residual {
        assert_eq!(residual.len(), out.len(), "the residual is as large as out");
    }
    rows
}

/// How a product is cut into jobs: blocks of rows × blocks of panels.
struct Grid {
    rows: usize,
    panels: usize,
    row_blocks: usize,
    panel_blocks: usize,
}

impl Grid {
    fn new(rows: usize, weights: &PackedMatrix, threads: usize) -> Self {
        let panels = weights.n_panels();
        let row_blocks = rows.div_ceil(weights.kernel.max_rows * TILES_PER_BLOCK);
        let work = rows * weights.inputs * panels * weights.kernel.width();
        // A few jobs for each thread, so that a thread that is displaced for a while delays the others little; as many for
        // each, because one left over would be waited for.
        let jobs = match work / WORTH_A_THREAD {
            _ if threads == 1 => 1,
            0 | 1 => 1,
            jobs => jobs.min(4 * threads).next_multiple_of(threads),
        };
        let panel_blocks = jobs.div_ceil(row_blocks).clamp(1, panels);
        Self { rows, panels, row_blocks, panel_blocks }
    }

    fn job(&self, job: usize) -> (Range<usize>, Range<usize>) {
        let (r, p) = (job / self.panel_blocks, job % self.panel_blocks);
        (part(self.rows, self.row_blocks, r), part(self.panels, self.panel_blocks, p))
    }
}

/// A row of panels cut into shares for threads that take the next when they have done one (guided self-scheduling, Polychronopoulos
/// and Kuck 1987): long ones first, which are read at the speed of memory, short ones last, because one that is left over
/// would be waited for.
struct Shares {
    panels: usize,
    /// What is left after each share.
    left: f64,
    count: usize,
}

impl Shares {
    fn new(panels: usize, threads: usize) -> Self {
        if threads == 1 {
            return Self { panels, left: 0.0, count: 1 };
        }
        let left = 1.0 - 0.5 / threads as f64;
        Self { panels, left, count: ((panels as f64).ln() / -left.ln()) as usize + 1 }
    }

    fn part(&self, i: usize) -> Range<usize> {
        let start = |i: usize| match i {
            i if i == self.count => self.panels,
            i => self.panels - (self.panels as f64 * self.left.powi(i as i32)) as usize,
        };
        start(i)..start(i + 1)
    }
}

/// The `index`th of `parts` nearly equal parts of `0..len`.
fn part(len: usize, parts: usize, index: usize) -> Range<usize> {
    len * index / parts..len * (index + 1) / parts
}

thread_local! {
    static OPERAND: RefCell<Operand> = RefCell::default();
    static SUMS: RefCell<Aligned> = RefCell::default();
}

/// Computes the outputs of `rows`, which are `a`, and `panels`.
fn block(
    a: Rows<'_>,
    w: &PackedMatrix,
    epilogue: &Epilogue<'_>,
    out: &Disjoint<'_, f32>,
    rows: Range<usize>,
    panels: Range<usize>,
) {
    SUMS.with_borrow_mut(|sums| {
        sums.reserve(rows.len() * w.kernel.width());
        for p in panels {
            multiply(w, a, rows.len(), w.panel(p), sums.as_mut_slice());
            finish_panel(a, w, epilogue, out, rows.clone(), p, sums.as_slice());
        }
    });
}

/// Turns the sums of panel `p` into outputs.
fn finish_panel(
    a: Rows<'_>,
    w: &PackedMatrix,
    epilogue: &Epilogue<'_>,
    out: &Disjoint<'_, f32>,
    rows: Range<usize>,
    p: usize,
    sums: &[u32],
) {
    let width = w.kernel.width();
    let columns = p * w.panel_outputs()..((p + 1) * w.panel_outputs()).min(w.outputs);
    let dequantize = (w.precision == Precision::Int8).then(|| Dequantize {
        row_scales: a.scales,
        row_zeros: a.zeros,
        column_scales: &w.scales[p * width..(p + 1) * width],
        column_sums: &w.sums[p * width..(p + 1) * width],
    });
    let (outputs, gated) = (w.outputs, w.gated);
    finish(w.cpu, &Panel { sums, rows, columns, outputs, gated, dequantize, epilogue }, out);
}

/// `sums[r] = a[r] · panel` for `rows` rows.
fn multiply(w: &PackedMatrix, a: Rows<'_>, rows: usize, panel: &[u32], sums: &mut [u32]) {
    let (width, a_step, b_step) = (w.kernel.width(), w.kernel.a_step, w.kernel.b_step);
    assert!(
        a.elements.len() >= (rows - 1) * a.stride + w.steps * a_step
            && sums.len() >= rows * width
            && panel.len() == w.steps * b_step
    );
    let tiles = rows.div_ceil(w.kernel.max_rows);
    for start in (0..w.steps).step_by(w.kernel.pass) {
        let steps = w.kernel.pass.min(w.steps - start);
        for t in 0..tiles {
            let rows = part(rows, tiles, t);
            // SAFETY: the sizes of all three slices were checked.
            unsafe {
                let tile = Tile {
                    steps,
                    a: a.elements.as_ptr().add(rows.start * a.stride + start * a_step),
                    a_row: a.stride,
                    a_step,
                    b: panel.as_ptr().add(start * b_step),
                    b_step,
                    sums: sums.as_mut_ptr().add(rows.start * width),
                    sums_row: width,
                    accumulate: start > 0,
                };
                w.kernel.run(rows.len(), &tile);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_each_other_and_the_last_are_short() {
        for (panels, threads) in [(1, 1), (1, 2), (2, 2), (64, 2), (352, 2), (4748, 3), (1001, 64)] {
            let shares = Shares::new(panels, threads);
            let mut end = 0;
            for i in 0..shares.count {
                let part = shares.part(i);
                assert!(part.start == end && part.end >= part.start, "{panels} panels, {threads} threads: {part:?}");
                end = part.end;
            }
            assert_eq!(end, panels);
            let longest = (panels as f64 / (2.0 * threads as f64)).ceil() as usize;
            assert!(shares.part(0).len() <= longest.max(1) || threads == 1, "{panels} panels, {threads} threads");
            assert!(shares.part(shares.count - 1).len() <= 1 || threads == 1, "{panels} panels, {threads} threads");
        }
    }
}
