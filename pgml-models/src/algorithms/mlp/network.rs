//! Layers of weighted sums and activations, forwards and backwards.

use std::ops::Range;

use crate::solvers::exponential::{exp_in_place, tanh_in_place};
use crate::solvers::kernels::{axpy, dot};
use crate::solvers::product::{Left, Panels, add_product};

/// What hidden units do with their sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `1 / (1 + e^−x)`.
    Logistic,
    /// The hyperbolic tangent.
    Tanh,
    /// Nothing above 0, 0 below.
    Relu,
}

impl Activation {
    /// All, under the names that scikit-learn has for them.
    const NAMES: [(&'static str, Self); 4] =
        [("identity", Self::Identity), ("logistic", Self::Logistic), ("tanh", Self::Tanh), ("relu", Self::Relu)];

    /// The activation of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, activation)| *activation)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, activation)| *activation == self).map_or("", |(name, _)| name)
    }

    fn apply(self, values: &mut [f64]) {
        match self {
            Self::Identity => {}
            Self::Logistic => logistic(values),
            Self::Tanh => tanh_in_place(values),
            Self::Relu => values.iter_mut().for_each(|x| *x = x.max(0.0)),
        }
    }

    /// Multiplies slopes by the derivative at what the unit answered.
    fn derive(self, answers: &[f64], slopes: &mut [f64]) {
        let pairs = slopes.iter_mut().zip(answers);
        match self {
            Self::Identity => {}
            Self::Logistic => pairs.for_each(|(s, a)| *s *= a * (1.0 - a)),
            Self::Tanh => pairs.for_each(|(s, a)| *s *= 1.0 - a * a),
            Self::Relu => pairs.for_each(|(s, a)| *s = if *a > 0.0 { *s } else { 0.0 }),
        }
    }
}

fn logistic(values: &mut [f64]) {
    values.iter_mut().for_each(|x| *x = -*x);
    exp_in_place(values);
    values.iter_mut().for_each(|x| *x = 1.0 / (1.0 + *x));
}

/// What the outputs are, and with it the loss whose slope is the output less the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Numbers; half the squared error.
    Identity,
    /// Means of counts; the Poisson deviance.
    Exponential,
    /// The probability of the second of two classes.
    Logistic,
    /// The probabilities of several classes.
    Softmax,
}

impl Output {
    fn apply(self, values: &mut [f64], n_outputs: usize) {
        match self {
            Self::Identity => {}
            Self::Exponential => exp_in_place(values),
            Self::Logistic => logistic(values),
            Self::Softmax => {
                for row in values.chunks_exact_mut(n_outputs) {
                    let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    row.iter_mut().for_each(|x| *x -= highest);
                }
                exp_in_place(values);
                for row in values.chunks_exact_mut(n_outputs) {
                    let total: f64 = row.iter().sum();
                    row.iter_mut().for_each(|x| *x /= total);
                }
            }
        }
    }

    /// The loss of one output.
    fn loss(self, y: f64, p: f64) -> f64 {
        // Probabilities of 0 and 1 have no logarithm.
        let sure = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        match self {
            Self::Identity => 0.5 * (y - p) * (y - p),
            Self::Exponential => p - y + if y > 0.0 { y * (y / p).ln() } else { 0.0 },
            Self::Logistic => -(y * sure.ln() + (1.0 - y) * (1.0 - sure).ln()),
            Self::Softmax if y > 0.0 => -y * sure.ln(),
            Self::Softmax => 0.0,
        }
    }
}

/// The form of a network; its parameters are all weights, layer after layer, each `fan-in × fan-out` row-major, then all
/// intercepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Units per layer, from the features to the outputs.
    pub units: Vec<usize>,
    /// Of hidden units.
    pub activation: Activation,
    /// Of output units.
    pub output: Output,
}

impl Network {
    /// How many outputs there are.
    #[must_use]
    pub fn n_outputs(&self) -> usize {
        self.units.last().copied().unwrap_or(0)
    }

    fn n_layers(&self) -> usize {
        self.units.len() - 1
    }

    /// Where the weights of a layer are.
    #[must_use]
    pub fn weights(&self, layer: usize) -> Range<usize> {
        let size = |l: usize| self.units[l] * self.units[l + 1];
        let first: usize = (0..layer).map(size).sum();
        first..first + size(layer)
    }

    /// How many weights there are.
    #[must_use]
    pub fn n_weights(&self) -> usize {
        (0..self.n_layers()).map(|l| self.units[l] * self.units[l + 1]).sum()
    }

    /// Where the intercepts of a layer are.
    #[must_use]
    pub fn intercepts(&self, layer: usize) -> Range<usize> {
        let first = self.n_weights() + self.units[1..=layer].iter().sum::<usize>();
        first..first + self.units[layer + 1]
    }

    /// How many parameters there are.
    #[must_use]
    pub fn n_params(&self) -> usize {
        self.n_weights() + self.units[1..].iter().sum::<usize>()
    }

    /// Numbers that a pass over `n_rows` rows needs room for, forwards and backwards.
    #[must_use]
    pub fn room(&self, n_rows: usize) -> usize {
        2 * n_rows * self.units.iter().sum::<usize>()
    }

    /// Weights and intercepts drawn evenly around 0 (Glorot, Bengio 2010).
    #[must_use]
    pub fn draw(&self, rng: &mut fastrand::Rng) -> Vec<f64> {
        let mut params = vec![0.0; self.n_params()];
        let factor = if self.activation == Activation::Logistic { 2.0 } else { 6.0 };
        for layer in 0..self.n_layers() {
            let bound = (factor / (self.units[layer] + self.units[layer + 1]) as f64).sqrt();
            for range in [self.weights(layer), self.intercepts(layer)] {
                params[range].iter_mut().for_each(|x| *x = bound * (2.0 * rng.f64() - 1.0));
            }
        }
        params
    }
}

/// The weights of a layer, ready to be multiplied with.
pub struct Layer {
    /// Packed, or as they are where there is one output.
    weights: Result<Panels, Vec<f64>>,
    intercepts: Vec<f64>,
    fan_in: usize,
}

impl Layer {
    fn new(network: &Network, params: &[f64], layer: usize) -> Self {
        let (fan_in, fan_out) = (network.units[layer], network.units[layer + 1]);
        let weights = &params[network.weights(layer)];
        let weights = if fan_out == 1 { Err(weights.to_vec()) } else { Ok(Panels::pack(weights, fan_out)) };
        Self { weights, intercepts: params[network.intercepts(layer)].to_vec(), fan_in }
    }

    /// The sums of every row.
    fn apply(&self, rows: &[f64], out: &mut [f64]) {
        match &self.weights {
            Ok(panels) => {
                out.chunks_exact_mut(self.intercepts.len()).for_each(|out| out.copy_from_slice(&self.intercepts));
                add_product(Left::rows(rows, self.fan_in), panels, out);
            }
            Err(weights) => {
                for (row, out) in rows.chunks_exact(self.fan_in).zip(out) {
                    *out = self.intercepts[0] + dot(row, weights);
                }
            }
        }
    }

    /// Bytes taken.
    fn bytes(&self) -> usize {
        8 * self.intercepts.len() + self.weights.as_ref().map_or_else(|w| 8 * w.len(), Panels::bytes)
    }
}

/// A network with its parameters, to be asked.
pub struct Forward {
    network: Network,
    layers: Vec<Layer>,
}

impl Forward {
    /// Prepares the parameters.
    #[must_use]
    pub fn new(network: &Network, params: &[f64]) -> Self {
        let layers = (0..network.n_layers()).map(|layer| Layer::new(network, params, layer)).collect();
        Self { network: network.clone(), layers }
    }

    /// The form.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(Layer::bytes).sum()
    }

    /// What every layer answers to rows, the first being the rows themselves.
    fn all(&self, rows: &[f64], answers: &mut [Vec<f64>]) {
        let n_rows = rows.len() / self.network.units[0];
        let last = self.layers.len() - 1;
        for (l, layer) in self.layers.iter().enumerate() {
            let (before, after) = answers.split_at_mut(l);
            let input = if l == 0 { rows } else { &before[l - 1] };
            let out = &mut after[0];
            out.resize(n_rows * self.network.units[l + 1], 0.0);
            layer.apply(input, out);
            match l == last {
                true => self.network.output.apply(out, self.network.n_outputs()),
                false => self.network.activation.apply(out),
            }
        }
    }

    /// The outputs for rows; `scratch` has a buffer per layer, kept from call to call.
    pub fn outputs<'s>(&self, rows: &[f64], scratch: &'s mut Vec<Vec<f64>>) -> &'s [f64] {
        scratch.resize_with(self.layers.len(), Vec::new);
        self.all(rows, scratch);
        &scratch[self.layers.len() - 1]
    }
}

/// Buffers of a pass forwards and backwards.
#[derive(Default)]
pub struct Scratch {
    answers: Vec<Vec<f64>>,
    slopes: Vec<f64>,
    before: Vec<f64>,
}

impl Forward {
    /// Adds to `gradient` the slopes of the summed weighted losses of rows, and returns that sum. `y` has as many numbers
    /// per row as there are outputs.
    pub fn add_gradient(
        &self,
        params: &[f64],
        rows: &[f64],
        y: &[f64],
        weight: Option<&[f64]>,
        gradient: &mut [f64],
        scratch: &mut Scratch,
    ) -> f64 {
        let network = &self.network;
        let (n_outputs, last) = (network.n_outputs(), self.layers.len() - 1);
        scratch.answers.resize_with(self.layers.len(), Vec::new);
        self.all(rows, &mut scratch.answers);
        let p = &scratch.answers[last];
        let weight = |row: usize| weight.map_or(1.0, |w| w[row]);
        let losses = y.chunks_exact(n_outputs).zip(p.chunks_exact(n_outputs)).enumerate();
        let of_row = |y: &[f64], p: &[f64]| y.iter().zip(p).map(|(y, p)| network.output.loss(*y, *p)).sum::<f64>();
        let loss = losses.map(|(row, (y, p))| weight(row) * of_row(y, p)).sum();
        scratch.slopes.clear();
        scratch.slopes.extend(p.iter().zip(y).enumerate().map(|(i, (p, y))| weight(i / n_outputs) * (p - y)));
        for layer in (0..=last).rev() {
            let input = if layer == 0 { rows } else { &scratch.answers[layer - 1] };
            add_layer_gradient(network, layer, input, &scratch.slopes, gradient);
            if layer > 0 {
                slopes_before(network, layer, params, &scratch.slopes, &mut scratch.before);
                network.activation.derive(input, &mut scratch.before);
                std::mem::swap(&mut scratch.slopes, &mut scratch.before);
            }
        }
        loss
    }
}

fn add_layer_gradient(network: &Network, layer: usize, input: &[f64], slopes: &[f64], gradient: &mut [f64]) {
    let (fan_in, fan_out) = (network.units[layer], network.units[layer + 1]);
    let weights = &mut gradient[network.weights(layer)];
    if fan_out == 1 {
        input.chunks_exact(fan_in).zip(slopes).for_each(|(row, slope)| axpy(*slope, row, weights));
    } else {
        add_product(Left::transposed(input, fan_in), &Panels::pack(slopes, fan_out), weights);
    }
    let intercepts = &mut gradient[network.intercepts(layer)];
    slopes.chunks_exact(fan_out).for_each(|slopes| axpy(1.0, slopes, intercepts));
}

/// The slopes of the answers that went into a layer.
fn slopes_before(network: &Network, layer: usize, params: &[f64], slopes: &[f64], out: &mut Vec<f64>) {
    let (fan_in, fan_out) = (network.units[layer], network.units[layer + 1]);
    let weights = &params[network.weights(layer)];
    out.clear();
    out.resize(slopes.len() / fan_out * fan_in, 0.0);
    if fan_out == 1 {
        out.chunks_exact_mut(fan_in).zip(slopes).for_each(|(out, slope)| axpy(*slope, weights, out));
    } else {
        add_product(Left::rows(slopes, fan_out), &Panels::pack_transposed(weights, fan_out), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut rng = fastrand::Rng::with_seed(4);
        for activation in [Activation::Identity, Activation::Logistic, Activation::Tanh, Activation::Relu] {
            for (output, n_outputs) in [
                (Output::Identity, 1),
                (Output::Identity, 3),
                (Output::Exponential, 1),
                (Output::Logistic, 1),
                (Output::Softmax, 4),
            ] {
                for hidden in [vec![], vec![5], vec![6, 1, 3]] {
                    let units = [vec![3], hidden, vec![n_outputs]].concat();
                    let network = Network { units, activation, output };
                    let mut params = network.draw(&mut rng);
                    let rows: Vec<f64> = (0..21).map(|_| rng.f64() - 0.5).collect();
                    let mut y = vec![0.0; 7 * n_outputs];
                    match output {
                        Output::Softmax => (0..7).for_each(|i| y[i * 4 + i % 4] = 1.0),
                        _ => y.iter_mut().for_each(|y| *y = f64::from(rng.u32(0..2))),
                    }
                    let weight: Vec<f64> = (0..7).map(|_| rng.f64()).collect();
                    let value = |params: &[f64], gradient: &mut [f64]| {
                        let forward = Forward::new(&network, params);
                        forward.add_gradient(params, &rows, &y, Some(&weight), gradient, &mut Scratch::default())
                    };
                    let mut gradient = vec![0.0; params.len()];
                    value(&params, &mut gradient);
                    for j in 0..params.len() {
                        let (step, at, mut unused) = (1e-6, params[j], vec![0.0; params.len()]);
                        params[j] = at + step;
                        let high = value(&params, &mut unused);
                        params[j] = at - step;
                        let low = value(&params, &mut unused);
                        params[j] = at;
                        let difference = (high - low) / (2.0 * step);
                        let gap = (difference - gradient[j]).abs();
                        assert!(gap < 1e-6, "{network:?} {j}: {} is not {difference}", gradient[j]);
                    }
                }
            }
        }
    }
}
