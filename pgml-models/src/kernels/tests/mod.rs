//! The kernels against their plain forms, on every level that the machine has.

mod attention;
mod blocks;
mod gemm;
mod rows;

use super::*;

/// `len` numbers between −1 and 1.
fn random(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..len).map(|_| rng.f32() * 2.0 - 1.0).collect()
}

/// Teams of one and of three threads on every level.
fn teams() -> Vec<Team> {
    Cpu::available().into_iter().flat_map(|cpu| [1, 3].map(|threads| Team::with_cpu(cpu, threads))).collect()
}

/// Fails where `got` is further than `tolerance` from `want`.
fn assert_close(got: &[f32], want: &[f64], tolerance: f64, what: &dyn std::fmt::Display) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let far = (f64::from(*got) - want).abs();
        assert!(far <= tolerance, "{what}: element {i} is {got}, not {want}");
    }
}

/// Cosine of the angle between the two.
fn cosine(a: &[f32], b: &[f64]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum();
    let (a, b): (f64, f64) = (a.iter().map(|a| f64::from(*a).powi(2)).sum(), b.iter().map(|b| b * b).sum());
    dot / (a * b).sqrt()
}
