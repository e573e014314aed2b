//! What happens to a product on its way out: dequantisation, bias, activation, gate, residual, in one pass over sums
//! that are still in the cache.

use std::ops::Range;

use super::activation::{Activation, with_curve};
use super::elementary::Curve;
use super::simd::{Simd, dispatch};
use super::team::Disjoint;

/// What is done with `x·Wᵀ`: `out = activation(x·Wᵀ + bias) + residual`, or for a gated layer
/// `out = activation(x·gateᵀ + bias₁) × (x·upᵀ + bias₂) + residual`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// One number per output; a gated layer has those of gate and then those of up.
    pub bias: Option<&'a [f32]>,
    /// Applied to each output, of a gated layer to the gate.
    pub activation: Activation,
    /// Rows × outputs, added last.
    pub residual: Option<&'a [f32]>,
}

/// How integer sums become floats: `(sum − zero × column sum) × row scale × column scale`.
#[derive(Clone, Copy)]
pub(super) struct Dequantize<'a> {
    pub row_scales: &'a [f32],
    pub row_zeros: &'a [i32],
    pub column_scales: &'a [f32],
    pub column_sums: &'a [i32],
}

/// One panel's sums for a block of rows, and where they go.
pub(super) struct Panel<'a> {
    /// Rows × two vectors.
    pub sums: &'a [u32],
    pub rows: Range<usize>,
    /// The outputs that this panel makes.
    pub columns: Range<usize>,
    /// Outputs in a row of `out`.
    pub outputs: usize,
    pub gated: bool,
    pub dequantize: Option<Dequantize<'a>>,
    pub epilogue: &'a Epilogue<'a>,
}

dispatch! {
    /// Writes the outputs of `panel`, whose places in `out` nobody else uses meanwhile.
    pub(super) fn finish(panel: &Panel<'_>, out: &Disjoint<'_, f32>) = finish_simd;
}

#[inline(always)]
fn finish_simd<S: Simd>(s: S, panel: &Panel<'_>, out: &Disjoint<'_, f32>) {
    if panel.gated {
        with_curve!(panel.epilogue.activation, gated(s, panel, out));
    } else {
        with_curve!(panel.epilogue.activation, plain(s, panel, out));
    }
}

#[inline(always)]
fn plain<S: Simd, C: Curve>(s: S, panel: &Panel<'_>, out: &Disjoint<'_, f32>, curve: C) {
    let bias = [bias_vector(s, panel, 0, 0), bias_vector(s, panel, 0, S::LANES)];
    for r in 0..panel.rows.len() {
        let sums = panel.sums_of(s, r);
        let row = panel.row(r);
        // SAFETY: jobs have different rows or columns, and this is the job's own.
        let out = unsafe { out.part(row.clone()) };
        let residual = panel.epilogue.residual.map(|x| &x[row]);
        for (half, sum) in sums.into_iter().enumerate() {
            let columns = half * S::LANES..((half + 1) * S::LANES).min(out.len());
            if !columns.is_empty() {
                let value = curve.at(s, s.add(sum, bias[half]));
                put(s, value, residual.map(|x| &x[columns.clone()]), &mut out[columns]);
            }
        }
    }
}

#[inline(always)]
fn gated<S: Simd, C: Curve>(s: S, panel: &Panel<'_>, out: &Disjoint<'_, f32>, curve: C) {
    let bias = [bias_vector(s, panel, 0, 0), bias_vector(s, panel, panel.outputs, 0)];
    for r in 0..panel.rows.len() {
        let [gate, up] = panel.sums_of(s, r);
        let row = panel.row(r);
        // SAFETY: as above.
        let out = unsafe { out.part(row.clone()) };
        let value = s.mul(curve.at(s, s.add(gate, bias[0])), s.add(up, bias[1]));
        put(s, value, panel.epilogue.residual.map(|x| &x[row]), out);
    }
}

/// Writes `value + residual` to `out`, which is at most one vector long.
#[inline(always)]
fn put<S: Simd>(s: S, value: S::F, residual: Option<&[f32]>, out: &mut [f32]) {
    if out.len() == S::LANES {
        let value = if let Some(x) = residual { s.add(value, s.load(x)) } else { value };
        s.store(value, out);
    } else {
        let value = if let Some(x) = residual { s.add(value, s.load_part(x, 0.0)) } else { value };
        s.store_part(value, out);
    }
}

/// The bias of the panel's columns from its `skip`th on, in the part of the bias that starts at `start`.
#[inline(always)]
fn bias_vector<S: Simd>(s: S, panel: &Panel<'_>, start: usize, skip: usize) -> S::F {
    let columns = panel.columns.start + skip..(panel.columns.start + skip + S::LANES).min(panel.columns.end);
    match panel.epilogue.bias {
        Some(bias) if !columns.is_empty() => s.load_part(&bias[start + columns.start..start + columns.end], 0.0),
        _ => s.splat(0.0),
    }
}

impl Panel<'_> {
    /// Where the panel's outputs of its `r`th row are.
    #[inline(always)]
    fn row(&self, r: usize) -> Range<usize> {
        let start = (self.rows.start + r) * self.outputs;
        start + self.columns.start..start + self.columns.end
    }

    /// The two vectors of sums of the `r`th row, as floats.
    #[inline(always)]
    fn sums_of<S: Simd>(&self, s: S, r: usize) -> [S::F; 2] {
        let sums = &self.sums[r * 2 * S::LANES..(r + 1) * 2 * S::LANES];
        // SAFETY: the slice has two vectors.
        let bits = unsafe { [s.load_at(sums.as_ptr()), s.load_at(sums.as_ptr().add(S::LANES))] };
        match &self.dequantize {
            None => [s.of_bits(bits[0]), s.of_bits(bits[1])],
            Some(q) => [q.float(s, bits[0], r, 0), q.float(s, bits[1], r, S::LANES)],
        }
    }
}

impl Dequantize<'_> {
    #[inline(always)]
    fn float<S: Simd>(&self, s: S, sum: S::I, row: usize, column: usize) -> S::F {
        let sums = &self.column_sums[column..column + S::LANES];
        // SAFETY: the slice has a vector; `i32` and `u32` are laid out alike.
        let sums = unsafe { s.load_at(sums.as_ptr().cast()) };
        let exact = s.sub_int(sum, s.mul_int(s.splat_int(self.row_zeros[row]), sums));
        let scale = s.mul(s.splat(self.row_scales[row]), s.load(&self.column_scales[column..]));
        s.mul(s.to_float(exact), scale)
    }
}
