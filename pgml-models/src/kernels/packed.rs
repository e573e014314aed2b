//! A layer's weights, packed once when the model is loaded, in the order in which tiles read them.

use super::aligned::Aligned;
use super::cpu::Cpu;
use super::tile::Kernel;
use super::weights::{Weights, f32_to_bf16};

/// The numbers that a matrix product multiplies. Sums are `f32` (`i32` for integers) in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// bf16 weights and inputs: half the memory, twice the speed on processors with AVX-512 BF16.
    Bf16,
    /// 8-bit integers: weights symmetric with one scale per output, inputs with a scale and a zero point per row, found
    /// as they come (dynamic quantisation). A quarter of the memory.
    Int8,
}

impl Precision {
    /// Numbers in a four-byte element.
    pub(super) fn per_element(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
            Self::Int8 => 4,
        }
    }
}

/// The weights of a linear layer, `[outputs, inputs]` in the checkpoint, ready for [`gemm`](super::gemm()).
///
/// The columns of the product are cut into panels as wide as a tile; a panel holds its weights step after step.
#[derive(Debug)]
pub struct PackedMatrix {
    pub(super) kernel: Kernel,
    pub(super) cpu: Cpu,
    pub(super) precision: Precision,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) gated: bool,
    /// Four-byte elements per column.
    pub(super) steps: usize,
    panels: Aligned,
    /// Of 8-bit weights, per packed column: what one unit is worth, and the sum of the column's integers.
    pub(super) scales: Vec<f32>,
    pub(super) sums: Vec<i32>,
}

impl PackedMatrix {
    /// Packs matrices of `inputs` columns, stacked one under the other (query, key and value make one product, say).
    ///
    /// # Panics
    /// When a part is not whole rows of `inputs`.
    #[must_use]
    pub fn new(cpu: Cpu, precision: Precision, parts: &[Weights<'_>], inputs: usize) -> Self {
        Self::pack(cpu, precision, parts, inputs, false)
    }

    /// Packs the two halves of a gated layer, whose output is `activation(x·gateᵀ) × (x·upᵀ)`: GEGLU, SwiGLU.
    ///
    /// # Panics
    /// When the halves differ in size or are not whole rows of `inputs`.
    #[must_use]
    pub fn gated(cpu: Cpu, precision: Precision, gate: Weights<'_>, up: Weights<'_>, inputs: usize) -> Self {
        assert_eq!(gate.len(), up.len(), "gate and up have the same size");
        Self::pack(cpu, precision, &[gate, up], inputs, true)
    }

    /// Numbers in a row of the input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Numbers in a row of the output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Length of the bias: the outputs, or of a gated layer those of gate and up one after the other.
    #[must_use]
    pub fn bias_len(&self) -> usize {
        if self.gated { 2 * self.outputs } else { self.outputs }
    }

    /// How the numbers are held.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Memory taken, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        4 * (self.panels.as_slice().len() + self.scales.len() + self.sums.len())
    }

    /// Outputs that come from one panel.
    pub(super) fn panel_outputs(&self) -> usize {
        if self.gated { self.kernel.lanes } else { self.kernel.width() }
    }

    pub(super) fn n_panels(&self) -> usize {
        self.outputs.div_ceil(self.panel_outputs())
    }

    pub(super) fn panel(&self, panel: usize) -> &[u32] {
        let len = self.steps * self.kernel.width();
        &self.panels.as_slice()[panel * len..(panel + 1) * len]
    }

    fn pack(cpu: Cpu, precision: Precision, parts: &[Weights<'_>], inputs: usize, gated: bool) -> Self {
        assert!(inputs > 0, "a matrix has at least one input");
        for part in parts {
            assert!(part.len() % inputs == 0, "{} weights are not whole rows of {inputs}", part.len());
        }
        let rows = parts.iter().map(Weights::len).sum::<usize>() / inputs;
        let kernel = Kernel::of(cpu, precision);
        let outputs = if gated { rows / 2 } else { rows };
        let steps = inputs.div_ceil(precision.per_element());
        let (panels, scales, sums) = (Aligned::default(), Vec::new(), Vec::new());
        let mut packed = Self { kernel, cpu, precision, inputs, outputs, gated, steps, panels, scales, sums };
        let columns = packed.n_panels() * kernel.width();
        packed.panels = Aligned::zeros(columns * steps);
        if precision == Precision::Int8 {
            packed.scales = vec![0.0; columns];
            packed.sums = vec![0; columns];
        }
        let mut row = vec![0.0; inputs];
        for column in 0..columns {
            if let Some(index) = packed.row_of(column) {
                read_row(parts, index, &mut row);
                packed.set_column(column, &row);
            }
        }
        packed
    }

    /// The row of the stacked matrices that is packed column `column`; none for padding.
    fn row_of(&self, column: usize) -> Option<usize> {
        let (panel, c) = (column / self.kernel.width(), column % self.kernel.width());
        let (half, c) = if self.gated { (c / self.kernel.lanes, c % self.kernel.lanes) } else { (0, c) };
        let output = panel * self.panel_outputs() + c;
        (output < self.outputs).then_some(half * self.outputs + output)
    }

    fn set_column(&mut self, column: usize, row: &[f32]) {
        let width = self.kernel.width();
        let start = column / width * self.steps * width + column % width;
        let places = self.panels.as_mut_slice()[start..].iter_mut().step_by(width);
        match self.precision {
            Precision::F32 => places.zip(row).for_each(|(place, w)| *place = w.to_bits()),
            Precision::Bf16 => places.zip(row.chunks(2)).for_each(|(place, pair)| {
                let bits = |i: usize| pair.get(i).map_or(0, |w| u32::from(f32_to_bf16(*w)));
                *place = bits(0) | bits(1) << 16;
            }),
            Precision::Int8 => {
                let largest = row.iter().fold(0.0_f32, |a, w| a.max(w.abs()));
                let scale = largest / 127.0;
                let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                // 1.5 × 2²³ leaves no place for a fraction: the sum's last byte is the rounded integer.
                let integer = |w: f32| ((w * inverse).clamp(-127.0, 127.0) + 12_582_912.0).to_bits() as u8;
                self.scales[column] = scale;
                self.sums[column] = row.iter().map(|w| i32::from(integer(*w).cast_signed())).sum();
                places.zip(row.chunks(4)).for_each(|(place, four)| {
                    let byte = |i: usize| four.get(i).map_or(0, |w| integer(*w));
                    *place = u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
                });
            }
        }
    }
}

/// Reads row `index` of the matrices stacked one under the other.
fn read_row(parts: &[Weights<'_>], index: usize, row: &mut [f32]) {
    let mut start = index * row.len();
    for part in parts {
        if start < part.len() {
            return part.read(start, row);
        }
        start -= part.len();
    }
}
