//! The kernels under the transformers: matrix products beside the `gemm` crate, element-wise work, attention, and a forward
//! pass in MiniLM's shape.
//!
//! `cargo bench -p pgml-bench --features kernels --bench kernels`. On a shared machine absolute times mean little: compare
//! lines of one run. Throughput is in floating-point operations (`elem/s`) or bytes.

#![allow(missing_docs, reason = "criterion_group! makes a public function without one")]

mod minilm;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gemm::Parallelism;
use minilm::random;
use pgml_models::kernels::{
    Activation, Attention, Bias, Epilogue, Norm, NormKind, Offsets, PackedMatrix, Precision, Team, Tokens, Weights,
    Window, gemm, softmax,
};

const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

/// Rows, outputs, inputs: MiniLM and BERT-base in bulk, a short sentence, and token-by-token decoding.
const SHAPES: [(usize, usize, usize); 8] = [
    (2048, 1152, 384),
    (2048, 1536, 384),
    (2048, 384, 1536),
    (2048, 768, 3072),
    (16, 1536, 384),
    (16, 384, 1536),
    (1, 4096, 4096),
    (1, 32_000, 896),
];

fn products(c: &mut Criterion) {
    let rng = &mut fastrand::Rng::with_seed(1);
    for (rows, outputs, inputs) in SHAPES {
        let (x, w) = (random(rng, rows * inputs, 1.0), random(rng, outputs * inputs, 1.0));
        let mut out = vec![0.0; rows * outputs];
        let mut group = c.benchmark_group(format!("product/{rows}x{outputs}x{inputs}"));
        group.sample_size(20).throughput(Throughput::Elements(2 * (rows * outputs * inputs) as u64));
        for threads in [1, 2] {
            let team = Team::new(threads);
            for precision in PRECISIONS {
                let packed = PackedMatrix::new(team.cpu(), precision, &[Weights::F32(&w)], inputs);
                group.bench_function(BenchmarkId::new(format!("{precision:?}"), threads), |b| {
                    b.iter(|| gemm(&team, black_box(&x), &packed, &Epilogue::default(), &mut out));
                });
            }
            group.bench_function(BenchmarkId::new("crate_gemm_f32", threads), |b| {
                b.iter(|| peer(threads, black_box(&x), &w, inputs, &mut out));
            });
        }
        group.finish();
    }
}

/// `out = x·Wᵀ` by the `gemm` crate.
#[allow(unsafe_code, reason = "the peer takes pointers")]
fn peer(threads: usize, x: &[f32], w: &[f32], inputs: usize, out: &mut [f32]) {
    let (rows, outputs) = (x.len() / inputs, w.len() / inputs);
    assert_eq!(out.len(), rows * outputs);
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    let step = inputs as isize;
    // SAFETY: the slices have rows × inputs, outputs × inputs and rows × outputs numbers.
    unsafe {
        let (x, w, to) = (x.as_ptr(), w.as_ptr(), out.as_mut_ptr());
        let (m, n) = (rows, outputs);
        gemm::gemm(
            m,
            n,
            inputs,
            to,
            1,
            n as isize,
            false,
            x,
            1,
            step,
            w,
            step,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn element_wise(c: &mut Criterion) {
    let (team, width, len) = (Team::new(1), 384, 256 * 384);
    let mut x = random(&mut fastrand::Rng::with_seed(2), len, 3.0);
    let mut group = c.benchmark_group("element_wise");
    group.throughput(Throughput::Elements(len as u64));
    for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Silu, Activation::Tanh, Activation::Erf] {
        group.bench_function(format!("{activation:?}"), |b| b.iter(|| activation.apply(&team, black_box(&mut x))));
    }
    for kind in [NormKind::Layer, NormKind::Rms] {
        let norm = Norm { kind, weight: None, bias: None, epsilon: 1e-5 };
        group.bench_function(format!("{kind:?}Norm"), |b| b.iter(|| norm.apply(&team, black_box(&mut x), width)));
    }
    group.bench_function("softmax", |b| b.iter(|| softmax(&team, black_box(&mut x), width)));
    group.finish();
}

fn attention(c: &mut Criterion) {
    let (heads, head_dim) = (12, 32);
    let mut group = c.benchmark_group("attention/12x32");
    for (sequences, length) in [(32, 64), (8, 512), (1, 16)] {
        let tokens = sequences * length;
        let qkv = random(&mut fastrand::Rng::with_seed(3), tokens * 3 * heads * head_dim, 1.0);
        let mut out = vec![0.0; tokens * heads * head_dim];
        let offsets: Vec<usize> = (0..=tokens).step_by(length).collect();
        let part = |i: usize| Tokens { data: &qkv[i * heads * head_dim..], stride: 3 * heads * head_dim };
        let (window, bias) = (Window::ALL, Bias::None);
        let what = Attention { heads, kv_heads: heads, head_dim, scale: 0.2, window, bias };
        let at = Offsets { queries: &offsets, keys: &offsets };
        group.throughput(Throughput::Elements((4 * tokens * length * heads * head_dim) as u64));
        for threads in [1, 2] {
            let team = Team::new(threads);
            group.bench_function(BenchmarkId::new(format!("{sequences}x{length}"), threads), |b| {
                b.iter(|| what.apply(&team, part(0), part(1), part(2), at, &mut out));
            });
        }
    }
    group.finish();
}

fn hand_over(c: &mut Criterion) {
    let team = Team::new(2);
    c.bench_function("team/two_empty_rounds", |b| b.iter(|| team.for_each(2, |i| _ = black_box(i))));
}

fn forward(c: &mut Criterion) {
    let mut group = c.benchmark_group("minilm");
    group.sample_size(10);
    for precision in PRECISIONS {
        let model = minilm::MiniLm::new(&Team::new(1), precision);
        for (sequences, length) in [(32, 64), (32, 128), (1, 16)] {
            let x = minilm::inputs(sequences, length);
            group.throughput(Throughput::Elements(minilm::flops(sequences, length) as u64));
            for threads in [1, 2] {
                let team = Team::new(threads);
                group.bench_function(BenchmarkId::new(format!("{precision:?}/{sequences}x{length}"), threads), |b| {
                    b.iter(|| model.forward(&team, black_box(&x), length, 256));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, products, element_wise, attention, hand_over, forward);
criterion_main!(benches);
