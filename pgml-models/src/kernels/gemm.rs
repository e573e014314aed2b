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
    team.for_each(grid.row_blocks * grid.panel_blocks, |job| {
        SCRATCH.with_borrow_mut(|scratch| {
            let (rows, panels) = grid.job(job);
            block(x, weights, epilogue, &out, rows, panels, scratch);
        });
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
        let work = rows * weights.steps * panels * weights.kernel.b_step;
        // A few jobs for each thread, so that a thread that is displaced for a while delays the others little.
        let jobs = if threads == 1 { 1 } else { (work / WORTH_A_THREAD).min(4 * threads) };
        let panel_blocks = jobs.div_ceil(row_blocks).clamp(1, panels);
        Self { rows, panels, row_blocks, panel_blocks }
    }

    fn job(&self, job: usize) -> (Range<usize>, Range<usize>) {
        let (r, p) = (job / self.panel_blocks, job % self.panel_blocks);
        (part(self.rows, self.row_blocks, r), part(self.panels, self.panel_blocks, p))
    }
}

/// The `index`th of `parts` nearly equal parts of `0..len`.
fn part(len: usize, parts: usize, index: usize) -> Range<usize> {
    len * index / parts..len * (index + 1) / parts
}

#[derive(Default)]
struct Scratch {
    sums: Aligned,
    operand: Operand,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Computes the outputs of `rows` and `panels`.
fn block(
    x: &[f32],
    w: &PackedMatrix,
    epilogue: &Epilogue<'_>,
    out: &Disjoint<'_, f32>,
    rows: Range<usize>,
    panels: Range<usize>,
    scratch: &mut Scratch,
) {
    let x = &x[rows.start * w.inputs..rows.end * w.inputs];
    let a = scratch.operand.convert(w.cpu, w.precision, &w.kernel, x, w.inputs);
    let width = w.kernel.width();
    scratch.sums.reserve(rows.len() * width);
    for p in panels {
        multiply(w, a, rows.len(), w.panel(p), scratch.sums.as_mut_slice());
        let columns = p * w.panel_outputs()..((p + 1) * w.panel_outputs()).min(w.outputs);
        let dequantize = (w.precision == Precision::Int8).then(|| Dequantize {
            row_scales: a.scales,
            row_zeros: a.zeros,
            column_scales: &w.scales[p * width..(p + 1) * width],
            column_sums: &w.sums[p * width..(p + 1) * width],
        });
        let (outputs, gated, rows) = (w.outputs, w.gated, rows.clone());
        let sums = scratch.sums.as_slice();
        finish(w.cpu, &Panel { sums, rows, columns, outputs, gated, dequantize, epilogue }, out);
    }
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
