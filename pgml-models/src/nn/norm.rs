//! Normalisation of each token's activations.

use burn::tensor::{Device, Tensor, TensorData};
use pgml_core::Result;

use super::{Hidden, Source};
use crate::kernels::{Norm, NormKind};

/// Layer normalisation (Ba, Kiros, Hinton 2016), with or without a bias, or root-mean-square normalisation (Zhang, Sennrich
/// 2019).
#[derive(Debug, Clone)]
pub struct LayerNorm {
    kind: NormKind,
    /// How many numbers are normalised together: as many as the weight has, or fewer where heads have weights of their own.
    width: usize,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    eps: f32,
}

impl LayerNorm {
    /// Reads `weight` and, where it is there, `bias`.
    ///
    /// # Errors
    /// Those of [`Weights::floats`](crate::checkpoint::Weights::floats).
    pub fn load(source: &Source<'_>, width: usize, eps: f64) -> Result<Self> {
        let weight = source.weights.floats("weight", &[width])?.into_owned();
        let bias = source.weights.has("bias").then(|| source.weights.floats("bias", &[width])).transpose()?;
        let bias = bias.map(std::borrow::Cow::into_owned);
        Ok(Self { kind: NormKind::Layer, width, weight, bias, eps: eps as f32 })
    }

    /// Root-mean-square normalisation: reads `weight` and adds `offset` to it (Gemma stores the distance from 1).
    ///
    /// # Errors
    /// Those of [`Weights::floats`](crate::checkpoint::Weights::floats).
    pub fn load_rms(source: &Source<'_>, width: usize, eps: f64, offset: f32) -> Result<Self> {
        let mut weight = source.weights.floats("weight", &[width])?.into_owned();
        weight.iter_mut().for_each(|x| *x += offset);
        Ok(Self { kind: NormKind::Rms, width, weight, bias: None, eps: eps as f32 })
    }

    /// Layer normalisation that has learnt nothing (OLMo).
    #[must_use]
    pub fn plain(width: usize, eps: f64) -> Self {
        Self { kind: NormKind::Layer, width, weight: vec![1.0; width], bias: None, eps: eps as f32 }
    }

    /// Layer normalisation of heads of `width` columns, each of which has a part of `weight` of its own; for
    /// [`forward_columns`](Self::forward_columns) of all of them.
    #[must_use]
    pub fn of_heads(weight: Vec<f32>, width: usize, eps: f64) -> Self {
        Self { kind: NormKind::Layer, width, weight, bias: None, eps: eps as f32 }
    }

    /// The same norm whose results are multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f32) -> Self {
        self.weight.iter_mut().chain(self.bias.iter_mut().flatten()).for_each(|x| *x *= factor);
        self
    }

    /// # Shapes
    /// x and result: rows × width
    #[must_use]
    pub fn forward(&self, x: Hidden) -> Hidden {
        match x {
            Hidden::Host(mut x) => {
                let width = x.width();
                let team = std::sync::Arc::clone(x.team());
                self.kernel(&self.weight).apply(&team, x.values_mut(), width);
                Hidden::Host(x)
            }
            Hidden::Device(x) => Hidden::Device(self.on_device(x)),
        }
    }

    /// The norm of `x`, which is left as it is: what a block reads whose input is added to its output.
    #[must_use]
    pub fn forward_beside(&self, x: &Hidden) -> Hidden {
        match x {
            Hidden::Host(x) => {
                let mut out = x.unfilled(x.width());
                self.kernel(&self.weight).apply_into(x.team(), x.values(), None, out.values_mut(), x.width());
                Hidden::Host(out)
            }
            Hidden::Device(x) => Hidden::Device(self.on_device(x.clone())),
        }
    }

    /// Normalises each head of the first `n_heads` of every row by itself.
    ///
    /// # Shapes
    /// x and result: n_tokens × width, the heads as wide as the norm
    #[must_use]
    pub fn forward_heads(&self, x: Hidden, n_heads: std::ops::Range<usize>) -> Hidden {
        let head_dim = self.weight.len();
        self.forward_columns(x, n_heads.start * head_dim..n_heads.end * head_dim)
    }

    /// Normalises those columns of every row, each stretch that is as wide as the norm by itself: heads one by one, or the
    /// whole of them.
    ///
    /// # Shapes
    /// x and result: n_tokens × width; there are a whole number of stretches
    #[must_use]
    pub fn forward_columns(&self, x: Hidden, columns: std::ops::Range<usize>) -> Hidden {
        match x {
            Hidden::Host(mut x) => {
                let (width, team) = (x.width(), std::sync::Arc::clone(x.team()));
                let stretch = columns.len() * self.width / self.weight.len().max(1);
                for row in x.values_mut().chunks_exact_mut(width) {
                    let parts = row[columns.clone()].chunks_exact_mut(stretch.max(1));
                    for (part, weight) in parts.zip(self.weight.chunks_exact(self.width)) {
                        self.kernel(weight).apply(&team, part, self.width);
                    }
                }
                Hidden::Host(x)
            }
            Hidden::Device(x) => Hidden::Device(self.columns_on_device(x, columns)),
        }
    }

    fn kernel<'a>(&'a self, weight: &'a [f32]) -> Norm<'a> {
        Norm { kind: self.kind, weight: Some(weight), bias: self.bias.as_deref(), epsilon: self.eps }
    }

    fn columns_on_device(&self, x: Tensor<2>, columns: std::ops::Range<usize>) -> Tensor<2> {
        let ([rows, width], own) = (x.dims(), self.weight.len());
        let heads = x.clone().slice_dim(1, columns.clone());
        let heads = self.normal(heads.reshape([rows * columns.len() / self.width, self.width]));
        let weighed = self.weighed(heads.reshape([rows * columns.len() / own, own]));
        let mut parts = vec![weighed.reshape([rows, columns.len()])];
        if columns.start > 0 {
            parts.insert(0, x.clone().slice_dim(1, 0..columns.start));
        }
        if columns.end < width {
            parts.push(x.slice_dim(1, columns.end..width));
        }
        Tensor::cat(parts, 1)
    }

    fn on_device(&self, x: Tensor<2>) -> Tensor<2> {
        self.weighed(self.normal(x))
    }

    /// Each row normalised.
    fn normal(&self, x: Tensor<2>) -> Tensor<2> {
        let centred = match self.kind {
            NormKind::Layer => x.clone() - x.mean_dim(1),
            NormKind::Rms => x,
        };
        let variance = centred.clone().square().mean_dim(1);
        centred / (variance + self.eps).sqrt()
    }

    /// Rows as wide as the weight, times it.
    fn weighed(&self, x: Tensor<2>) -> Tensor<2> {
        let device = x.device();
        let scaled = x * row(&self.weight, &device);
        match &self.bias {
            Some(bias) => scaled + row(bias, &device),
            None => scaled,
        }
    }
}

fn row(values: &[f32], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), device)
}
