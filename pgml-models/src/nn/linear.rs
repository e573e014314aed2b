//! Fully connected layers.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData, activation};
use pgml_core::{Result, bail};

use super::{Hidden, Matrix, Source};
use crate::checkpoint::Rows;
use crate::device::Placement;
use crate::kernels::{Activation, Cpu, Epilogue, PackedMatrix, Weights, gemm};

/// `activation(x·Wᵀ + b)`.
#[derive(Debug, Clone)]
pub struct Linear {
    form: Form,
    activation: Activation,
    /// What outputs are clipped to, on either side of zero.
    limit: Option<f32>,
    /// What outputs are multiplied with.
    factor: f32,
}

#[derive(Debug, Clone)]
enum Form {
    /// One matrix; or several whose outputs stand side by side, where a checkpoint has them in different precisions.
    Host { weights: Vec<Arc<PackedMatrix>>, bias: Option<Vec<f32>> },
    /// The weight is inputs × outputs.
    Device { weight: Tensor<2>, bias: Option<Tensor<1>> },
}

/// One of the matrices that a layer is put together from.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// Where its `weight` (and `bias`) stand.
    pub source: Source<'a>,
    /// Its outputs.
    pub outputs: usize,
}

impl Linear {
    /// Reads `weight`, outputs × inputs, and `bias` where there is one.
    ///
    /// # Errors
    /// Those of [`Weights::floats`](crate::checkpoint::Weights::floats).
    pub fn load(source: &Source<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        Self::joined(&[Piece { source: source.clone(), outputs }], inputs)
    }

    /// The same from a checkpoint whose `weight` is inputs × outputs, as those of GPT-2 are.
    ///
    /// # Errors
    /// As for [`Linear::load`].
    pub fn load_transposed(source: &Source<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        let rows = source.weights.columns("weight", [inputs, outputs])?;
        let bias = joined_bias(&[Piece { source: source.clone(), outputs }])?;
        Ok(Self::of_rows(&[rows], bias, inputs, source.placement))
    }

    /// Reads queries, keys and values from one matrix in which each head of keys stands behind the heads of queries that
    /// share it, and before its values (GPT-NeoX, Falcon, BLOOM). Their outputs are queries, then keys, then values.
    ///
    /// # Errors
    /// As for [`Linear::load`].
    pub fn load_grouped(
        source: &Source<'_>,
        inputs: usize,
        [n_heads, n_kv_heads, head_dim]: [usize; 3],
    ) -> Result<Self> {
        let group = n_heads.checked_div(n_kv_heads).unwrap_or(0);
        let blocks = |wanted: std::ops::Range<usize>| {
            (0..n_kv_heads).flat_map(move |i| wanted.clone().map(move |j| i * (group + 2) + j))
        };
        let heads = blocks(0..group).chain(blocks(group..group + 1)).chain(blocks(group + 1..group + 2));
        let rows = heads.flat_map(|head| head * head_dim..(head + 1) * head_dim);
        let outputs = (n_heads + 2 * n_kv_heads) * head_dim;
        Self::ordered(&[(Piece { source: source.clone(), outputs }, rows.collect())], inputs)
    }

    /// [`joined`](Self::joined) queries, keys and values of a model that turns neighbouring dimensions of heads together (0
    /// and 1, 2 and 3), where [`Rope`](super::Rope) turns those half of them apart: the first `turned` dimensions of each
    /// head of queries and keys are brought into that order, which leaves their products as they are.
    ///
    /// # Errors
    /// As for [`Linear::load`].
    pub fn joined_by_pairs(pieces: &[Piece<'_>; 3], inputs: usize, head_dim: usize, turned: usize) -> Result<Self> {
        let from = |i: usize| if i < turned { 2 * (i % (turned / 2)) + i / (turned / 2) } else { i };
        let in_heads = |piece: &Piece<'_>| -> Vec<usize> {
            let heads = (0..piece.outputs).step_by(head_dim.max(1));
            heads.flat_map(|head| (0..head_dim).map(move |i| head + from(i))).collect()
        };
        let [queries, keys, values] = pieces.clone();
        let (of_queries, of_keys, of_values) = (in_heads(&queries), in_heads(&keys), (0..values.outputs).collect());
        Self::ordered(&[(queries, of_queries), (keys, of_keys), (values, of_values)], inputs)
    }

    /// [`joined`](Self::joined) with the outputs of each piece in the order of its rows, each of which is there once.
    fn ordered(pieces: &[(Piece<'_>, Vec<usize>)], inputs: usize) -> Result<Self> {
        let Some((first, _)) = pieces.first() else { bail!(Internal, "a layer without a matrix") };
        let mut weights = Vec::new();
        let mut biases = Vec::new();
        for (piece, order) in pieces {
            let rows = piece.source.weights.rows("weight", [piece.outputs, inputs])?;
            weights.push(rows.ordered(inputs, order.iter().copied()));
            let bias = joined_bias(std::slice::from_ref(piece))?;
            biases.push(bias.map(|bias| order.iter().map(|row| bias[*row]).collect::<Vec<f32>>()));
        }
        let bias = biases.iter().any(Option::is_some).then(|| {
            let parts = biases.into_iter().zip(pieces);
            parts.flat_map(|(bias, (piece, _))| bias.unwrap_or_else(|| vec![0.0; piece.outputs])).collect()
        });
        Ok(Self::of_rows(&weights, bias, inputs, first.source.placement))
    }

    /// One layer out of several that read the same input: their outputs side by side.
    ///
    /// # Errors
    /// As for [`Linear::load`].
    pub fn joined(pieces: &[Piece<'_>], inputs: usize) -> Result<Self> {
        let Some(first) = pieces.first() else { bail!(Internal, "a layer without a matrix") };
        let rows: Vec<Rows<'_>> = pieces
            .iter()
            .map(|piece| piece.source.weights.rows("weight", [piece.outputs, inputs]))
            .collect::<Result<_>>()?;
        Ok(Self::of_rows(&rows, joined_bias(pieces)?, inputs, first.source.placement))
    }

    /// A layer of matrices of a checkpoint, one under the other.
    fn of_rows(parts: &[Rows<'_>], bias: Option<Vec<f32>>, inputs: usize, placement: &Placement) -> Self {
        if !placement.on_host() {
            let floats: Vec<Vec<f32>> = parts.iter().map(Rows::floats).collect();
            let parts: Vec<&[f32]> = floats.iter().map(Vec::as_slice).collect();
            return Self::new(&parts, bias, inputs, placement);
        }
        let runs = parts.chunk_by(|a, b| a.precision(placement) == b.precision(placement));
        let pack = |run: &[Rows<'_>]| {
            let weights: Vec<Weights<'_>> = run.iter().map(Rows::weights).collect();
            Arc::new(PackedMatrix::new(Cpu::detect(), run[0].precision(placement), &weights, inputs))
        };
        Self::of_form(Form::Host { weights: runs.map(pack).collect(), bias })
    }

    /// A layer of `parts` of its weight, each rows × inputs, and its `bias`.
    #[must_use]
    pub fn new(parts: &[&[f32]], bias: Option<Vec<f32>>, inputs: usize, placement: &Placement) -> Self {
        let form = if placement.on_host() {
            let parts: Vec<Weights<'_>> = parts.iter().map(|part| Weights::F32(part)).collect();
            let weight = PackedMatrix::new(Cpu::detect(), placement.precision(), &parts, inputs);
            Form::Host { weights: vec![Arc::new(weight)], bias }
        } else {
            let rows = parts.concat();
            let shape = [rows.len().checked_div(inputs).unwrap_or(0), inputs];
            let weight: Tensor<2> = Tensor::from_data(TensorData::new(rows, shape), placement.device());
            let bias = bias.map(|bias| Tensor::from_data(TensorData::new(bias, [shape[0]]), placement.device()));
            Form::Device { weight: weight.transpose(), bias }
        };
        Self::of_form(form)
    }

    fn of_form(form: Form) -> Self {
        Self { form, activation: Activation::Identity, limit: None, factor: 1.0 }
    }

    /// The same layer with `activation` applied to its outputs.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// The same layer whose outputs [`forward`](Self::forward) clips to at most `limit` on either side of zero, where one is given.
    #[must_use]
    pub fn clipped(self, limit: Option<f32>) -> Self {
        Self { limit, ..self }
    }

    /// The same layer with its outputs multiplied by `factor`, before a residual is added. The weights stay as they are stored.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        Self { factor, ..self }
    }

    /// The same layer with `bias`, one number per output, in place of its own.
    #[must_use]
    pub fn with_bias(mut self, new: Vec<f32>) -> Self {
        match &mut self.form {
            Form::Host { bias, .. } => *bias = Some(new),
            Form::Device { bias, weight } => {
                let n = new.len();
                *bias = Some(Tensor::from_data(TensorData::new(new, [n]), &weight.device()));
            }
        }
        self
    }

    /// The weight, where it is one matrix on the host.
    pub(super) fn matrix(&self) -> Option<&Arc<PackedMatrix>> {
        match &self.form {
            Form::Host { weights, .. } => match weights.as_slice() {
                [weight] => Some(weight),
                _ => None,
            },
            Form::Device { .. } => None,
        }
    }

    /// # Shapes
    /// - x: n_tokens × inputs
    /// - result: n_tokens × outputs
    ///
    /// # Panics
    /// When `x` is not where the layer is.
    #[must_use]
    pub fn forward(&self, x: &Hidden) -> Hidden {
        let outputs = self.compute(x, None);
        match self.limit {
            Some(limit) => outputs.clipped(limit),
            None => outputs,
        }
    }

    /// [`forward`](Self::forward) plus `residual`, n_tokens × outputs.
    ///
    /// # Panics
    /// When `x` or `residual` is not where the layer is.
    #[must_use]
    pub fn forward_add(&self, x: &Hidden, residual: &Hidden) -> Hidden {
        self.compute(x, Some(residual))
    }

    fn compute(&self, x: &Hidden, residual: Option<&Hidden>) -> Hidden {
        if self.factor == 1.0 {
            return self.product(x, residual);
        }
        let scaled = self.product(x, None).times(self.factor);
        match residual {
            Some(residual) => scaled.plus(residual),
            None => scaled,
        }
    }

    /// Without the factor.
    fn product(&self, x: &Hidden, residual: Option<&Hidden>) -> Hidden {
        match (&self.form, x, residual) {
            (Form::Host { weights, bias }, Hidden::Host(x), None | Some(Hidden::Host(_))) => {
                let residual = residual.and_then(|residual| match residual {
                    Hidden::Host(residual) => Some(residual.values()),
                    Hidden::Device(_) => None,
                });
                let epilogue = Epilogue { bias: bias.as_deref(), activation: self.activation, residual };
                Hidden::Host(match weights.as_slice() {
                    [weight] => product(x, weight, &epilogue),
                    weights => side_by_side(x, weights, &epilogue),
                })
            }
            (Form::Device { weight, bias }, Hidden::Device(x), None | Some(Hidden::Device(_))) => {
                let product = x.clone().matmul(weight.clone());
                let sum = match bias {
                    Some(bias) => product + bias.clone().unsqueeze::<2>(),
                    None => product,
                };
                let result = activate(self.activation, sum);
                Hidden::Device(match residual {
                    Some(Hidden::Device(residual)) => result + residual.clone(),
                    _ => result,
                })
            }
            _ => unreachable!("a model's activations are where its weights are"),
        }
    }
}

fn product(x: &Matrix, weight: &PackedMatrix, epilogue: &Epilogue<'_>) -> Matrix {
    let mut out = x.unfilled(weight.outputs());
    gemm(x.team(), x.values(), weight, epilogue, out.values_mut());
    out
}

/// The products with several matrices, one beside the other.
fn side_by_side(x: &Matrix, weights: &[Arc<PackedMatrix>], epilogue: &Epilogue<'_>) -> Matrix {
    let width = weights.iter().map(|weight| weight.outputs()).sum();
    let mut out = x.unfilled(width);
    let mut start = 0;
    for weight in weights {
        let columns = start..start + weight.outputs();
        let bias = epilogue.bias.map(|bias| &bias[columns.clone()]);
        let part = product(x, weight, &Epilogue { bias, activation: epilogue.activation, residual: None });
        let rows = out.values_mut().chunks_exact_mut(width);
        rows.enumerate().for_each(|(i, row)| row[columns.clone()].copy_from_slice(part.row(i)));
        start = columns.end;
    }
    if let Some(residual) = epilogue.residual {
        out.values_mut().iter_mut().zip(residual).for_each(|(x, residual)| *x += residual);
    }
    out
}

/// The biases side by side, zeros where a piece has none; nothing when none has one.
fn joined_bias(pieces: &[Piece<'_>]) -> Result<Option<Vec<f32>>> {
    if !pieces.iter().any(|piece| piece.source.weights.has("bias")) {
        return Ok(None);
    }
    let mut bias = Vec::new();
    for piece in pieces {
        match piece.source.weights.has("bias") {
            true => bias.extend_from_slice(&piece.source.weights.floats("bias", &[piece.outputs])?),
            false => bias.resize(bias.len() + piece.outputs, 0.0),
        }
    }
    Ok(Some(bias))
}

/// An activation in tensor operations.
pub(super) fn activate(activation: Activation, x: Tensor<2>) -> Tensor<2> {
    match activation {
        Activation::Identity => x,
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Silu => activation::silu(x),
        Activation::Relu => activation::relu(x),
        Activation::Tanh => activation::tanh(x),
        Activation::Exp => x.exp(),
        Activation::Erf => x.erf(),
    }
}
