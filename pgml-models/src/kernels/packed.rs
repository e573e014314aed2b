//! A layer's weights, packed once when the model is loaded, in the order in which tiles read them.

use super::aligned::Aligned;
use super::blocks::BlockFormat;
use super::columns::Row;
use super::cpu::Cpu;
use super::tile::Kernel;
use super::weights::Weights;

/// The numbers that a matrix product multiplies. Sums are `f32` (`i32` for integers) in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Half-precision weights, exact, and single-precision inputs: half the memory.
    F16,
    /// bf16 weights and inputs: half the memory, twice the speed on processors with AVX-512 BF16.
    Bf16,
    /// 8-bit integers: weights symmetric with one scale per output, inputs with a scale and a zero point per row, found
    /// as they come (dynamic quantisation). A quarter of the memory.
    Int8,
    /// Weights in blocks that share a scale, inputs as 8-bit integers with a scale for each 32, found as they come.
    Blocks(BlockFormat),
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
    /// Steps of the kernel through a panel.
    pub(super) steps: usize,
    pub(super) panels: Aligned,
    /// Of 8-bit weights, per packed column: what one unit is worth, and the sum of the column's integers.
    pub(super) scales: Vec<f32>,
    pub(super) sums: Vec<i32>,
}

impl PackedMatrix {
    /// Packs matrices of `inputs` columns, stacked one under the other (query, key and value make one product, say).
    ///
    /// # Panics
    /// When a part is not whole rows of `inputs`, or its rows are not whole blocks.
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
        let len = self.steps * self.kernel.b_step;
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
        let steps = inputs.div_ceil(kernel.inputs);
        let (panels, scales, sums) = (Aligned::default(), Vec::new(), Vec::new());
        let mut packed = Self { kernel, cpu, precision, inputs, outputs, gated, steps, panels, scales, sums };
        let columns = packed.n_panels() * kernel.width();
        packed.panels = Aligned::zeros(packed.n_panels() * steps * kernel.b_step);
        if precision == Precision::Int8 {
            packed.scales = vec![0.0; columns];
            packed.sums = vec![0; columns];
        }
        let mut row = Row::new(precision, inputs);
        for column in 0..columns {
            if let Some(index) = packed.row_of(column) {
                row.read(precision, parts, index);
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
}
