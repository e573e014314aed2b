//! The gated form of the two layers after attention (Shazeer 2020): GEGLU, SwiGLU and their kin.

use std::sync::Arc;

use pgml_core::{Result, bail};

use super::linear::activate;
use super::{Hidden, Linear, Source};
use crate::checkpoint::Rows;
use crate::device::Placement;
use crate::kernels::{Activation, Cpu, Epilogue, PackedMatrix, gemm};

/// `down(activation(gate(x)) ⊙ up(x))`.
#[derive(Debug, Clone)]
pub struct GatedMlp {
    gate_up: GateUp,
    down: Linear,
    activation: Activation,
}

#[derive(Debug, Clone)]
enum GateUp {
    Host(Arc<PackedMatrix>),
    Device { gate: Linear, up: Linear },
}

impl GatedMlp {
    /// Reads `gate` and `up`, layers without a bias, and `down`.
    ///
    /// # Errors
    /// Those of [`Linear::load`]; [`ErrorKind::NotSupported`](pgml_core::ErrorKind::NotSupported) for a gate with a bias.
    pub fn load(
        [gate, up, down]: [&Source<'_>; 3],
        [width, inner]: [usize; 2],
        activation: Activation,
    ) -> Result<Self> {
        if gate.weights.has("bias") || up.weights.has("bias") {
            bail!(NotSupported, "a gated layer with a bias is not supported");
        }
        let [gate, up] = [gate, up].map(|source| source.weights.rows("weight", [inner, width]));
        Ok(Self::new(&gate?, &up?, width, Linear::load(down, inner, width)?, activation, down.placement))
    }

    /// Reads both halves from one matrix, 2 · inner × width: `gate` first or second.
    ///
    /// # Errors
    /// As for [`GatedMlp::load`].
    pub fn load_joined(
        both: &Source<'_>,
        down: &Source<'_>,
        [width, inner]: [usize; 2],
        gate_is_first: bool,
        activation: Activation,
    ) -> Result<Self> {
        if both.weights.has("bias") {
            bail!(NotSupported, "a gated layer with a bias is not supported");
        }
        let [first, second] = both.weights.rows("weight", [2 * inner, width])?.split_at(inner * width);
        let (gate, up) = if gate_is_first { (first, second) } else { (second, first) };
        Ok(Self::new(&gate, &up, width, Linear::load(down, inner, width)?, activation, down.placement))
    }

    /// Of `gate` and `up`, inner × width each. Both are computed in the precision of the gate: files that mix precisions do so
    /// between layers.
    #[must_use]
    pub fn new(
        gate: &Rows<'_>,
        up: &Rows<'_>,
        width: usize,
        down: Linear,
        activation: Activation,
        place: &Placement,
    ) -> Self {
        let gate_up = if place.on_host() {
            let precision = gate.precision(place);
            GateUp::Host(Arc::new(PackedMatrix::gated(Cpu::detect(), precision, gate.weights(), up.weights(), width)))
        } else {
            let layer = |rows: &Rows<'_>| Linear::new(&[&rows.floats()], None, width, place);
            GateUp::Device { gate: layer(gate), up: layer(up) }
        };
        Self { gate_up, down, activation }
    }

    /// # Shapes
    /// x and result: n_tokens × width
    #[must_use]
    pub fn forward(&self, x: &Hidden) -> Hidden {
        self.down.forward(&self.inner(x))
    }

    /// [`forward`](Self::forward) plus `residual`, n_tokens × width.
    #[must_use]
    pub fn forward_add(&self, x: &Hidden, residual: &Hidden) -> Hidden {
        self.down.forward_add(&self.inner(x), residual)
    }

    fn inner(&self, x: &Hidden) -> Hidden {
        match (&self.gate_up, x) {
            (GateUp::Host(weights), Hidden::Host(x)) => {
                let mut out = x.unfilled(weights.outputs());
                let epilogue = Epilogue { activation: self.activation, ..Epilogue::default() };
                gemm(x.team(), x.values(), weights, &epilogue, out.values_mut());
                Hidden::Host(out)
            }
            (GateUp::Device { gate, up }, Hidden::Device(_)) => match (gate.forward(x), up.forward(x)) {
                (Hidden::Device(gate), Hidden::Device(up)) => Hidden::Device(activate(self.activation, gate) * up),
                _ => unreachable!("a model's activations are where its weights are"),
            },
            _ => unreachable!("a model's activations are where its weights are"),
        }
    }
}
