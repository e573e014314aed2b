//! A forward pass in MiniLM-L6's shape with random weights, built from the kernels alone.

use pgml_models::kernels::{
    Activation, Attention, Bias, Epilogue, Norm, NormKind, Offsets, PackedMatrix, Precision, Team, Tokens, Weights,
    Window, gemm,
};

const LAYERS: usize = 6;
const WIDTH: usize = 384;
const HEADS: usize = 12;
const FFN: usize = 1536;

/// Multiplications and additions of a forward pass over `sequences` of `length` tokens.
pub fn flops(sequences: usize, length: usize) -> f64 {
    let tokens = (sequences * length) as f64;
    let per_token = 4 * WIDTH * WIDTH + 2 * WIDTH * FFN + 2 * length * WIDTH;
    2.0 * LAYERS as f64 * tokens * per_token as f64
}

/// `count` numbers between −scale and scale.
pub fn random(rng: &mut fastrand::Rng, count: usize, scale: f32) -> Vec<f32> {
    (0..count).map(|_| (rng.f32() * 2.0 - 1.0) * scale).collect()
}

struct Linear {
    weights: PackedMatrix,
    bias: Vec<f32>,
}

impl Linear {
    fn new(rng: &mut fastrand::Rng, team: &Team, precision: Precision, inputs: usize, outputs: usize) -> Self {
        let weights = random(rng, inputs * outputs, 1.7 / (inputs as f32).sqrt());
        let weights = PackedMatrix::new(team.cpu(), precision, &[Weights::F32(&weights)], inputs);
        Self { weights, bias: random(rng, outputs, 0.1) }
    }

    fn apply(&self, team: &Team, x: &[f32], activation: Activation, residual: Option<&[f32]>, out: &mut [f32]) {
        let epilogue = Epilogue { bias: Some(&self.bias), activation, residual };
        gemm(team, x, &self.weights, &epilogue, out);
    }
}

struct Layer {
    qkv: Linear,
    output: Linear,
    up: Linear,
    down: Linear,
    norms: [(Vec<f32>, Vec<f32>); 2],
}

impl Layer {
    fn new(rng: &mut fastrand::Rng, team: &Team, precision: Precision) -> Self {
        let mut norm = || (random(rng, WIDTH, 1.0), random(rng, WIDTH, 0.1));
        let norms = [norm(), norm()];
        let mut linear = |inputs, outputs| Linear::new(rng, team, precision, inputs, outputs);
        let (qkv, output) = (linear(WIDTH, 3 * WIDTH), linear(WIDTH, WIDTH));
        Self { qkv, output, up: linear(WIDTH, FFN), down: linear(FFN, WIDTH), norms }
    }

    fn forward(&self, team: &Team, x: &mut [f32], offsets: &[usize], buffers: &mut Buffers) {
        let Buffers { wide, mixed, next } = buffers;
        self.qkv.apply(team, x, Activation::Identity, None, &mut wide[..3 * x.len()]);
        let head_dim = WIDTH / HEADS;
        let attention = Attention {
            heads: HEADS,
            kv_heads: HEADS,
            head_dim,
            scale: 1.0 / (head_dim as f32).sqrt(),
            window: Window::ALL,
            softcap: None,
            bias: Bias::None,
        };
        let part = |i: usize| Tokens { data: &wide[i * WIDTH..], stride: 3 * WIDTH };
        attention.apply(team, part(0), part(1), part(2), Offsets { queries: offsets, keys: offsets }, mixed);
        self.output.apply(team, mixed, Activation::Identity, Some(x), next);
        self.norm(0, team, next);
        self.up.apply(team, next, Activation::Gelu, None, &mut wide[..4 * x.len()]);
        self.down.apply(team, &wide[..4 * x.len()], Activation::Identity, Some(next), x);
        self.norm(1, team, x);
    }

    fn norm(&self, i: usize, team: &Team, x: &mut [f32]) {
        let (weight, bias) = (Some(&self.norms[i].0[..]), Some(&self.norms[i].1[..]));
        Norm { kind: NormKind::Layer, weight, bias, epsilon: 1e-12 }.apply(team, x, WIDTH);
    }
}

#[derive(Default)]
struct Buffers {
    wide: Vec<f32>,
    mixed: Vec<f32>,
    next: Vec<f32>,
}

/// The model: its layers, and nothing before or after them.
pub struct MiniLm {
    layers: Vec<Layer>,
}

impl MiniLm {
    pub fn new(team: &Team, precision: Precision) -> Self {
        let mut rng = fastrand::Rng::with_seed(1);
        Self { layers: (0..LAYERS).map(|_| Layer::new(&mut rng, team, precision)).collect() }
    }

    /// Hidden states of `sequences` × `length` tokens, a few hundred tokens at a time so that they stay in the cache.
    pub fn forward(&self, team: &Team, x: &[f32], length: usize, tokens_at_once: usize) -> Vec<f32> {
        let group = (tokens_at_once / length).max(1) * length;
        let mut buffers = Buffers::default();
        let mut out = Vec::with_capacity(x.len());
        for x in x.chunks(group * WIDTH) {
            buffers.wide.resize(4 * x.len(), 0.0);
            buffers.mixed.resize(x.len(), 0.0);
            buffers.next.resize(x.len(), 0.0);
            let offsets: Vec<usize> = (0..=x.len() / WIDTH).step_by(length).collect();
            let mut x = x.to_vec();
            self.layers.iter().for_each(|layer| layer.forward(team, &mut x, &offsets, &mut buffers));
            out.extend_from_slice(&x);
        }
        out
    }
}

/// Inputs for `sequences` of `length` tokens.
pub fn inputs(sequences: usize, length: usize) -> Vec<f32> {
    random(&mut fastrand::Rng::with_seed(2), sequences * length * WIDTH, 1.0)
}
