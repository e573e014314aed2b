//! Activation functions, over slices and inside the matrix multiplication's epilogue.

use super::elementary::Curve;
use super::simd::{Simd, dispatch};
use super::team::Team;

/// A function that a layer applies to each of its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// None.
    #[default]
    Identity,
    /// `x·Φ(x)` with the error function (`gelu` in Hugging Face's configurations), within 1.5e-7 × max(1, |x|).
    Gelu,
    /// GELU's approximation with tanh (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// `x·sigmoid(x)` (`silu`, `swish`).
    Silu,
    /// `max(x, 0)`.
    Relu,
    /// The hyperbolic tangent, within 2 ulp.
    Tanh,
    /// `eˣ`, within 2 ulp.
    Exp,
    /// The error function, within 2 ulp.
    Erf,
}

/// Calls `$f(…, curve)` with the curve that `$activation` names.
macro_rules! with_curve {
    ($activation:expr, $f:ident($($arg:expr),*)) => {{
        use $crate::kernels::{activation::Activation as A, elementary as e};
        match $activation {
            A::Identity => $f($($arg,)* e::Identity),
            A::Gelu => $f($($arg,)* e::Gelu),
            A::GeluTanh => $f($($arg,)* e::GeluTanh),
            A::Silu => $f($($arg,)* e::Silu),
            A::Relu => $f($($arg,)* e::Relu),
            A::Tanh => $f($($arg,)* e::Tanh),
            A::Exp => $f($($arg,)* e::Exp),
            A::Erf => $f($($arg,)* e::Erf),
        }
    }};
}
pub(super) use with_curve;

/// Floats that one thread takes at a time: enough work to pay for handing it over.
const CHUNK: usize = 16 * 1024;

impl Activation {
    /// Applies the function to every element of `x` in place.
    pub fn apply(self, team: &Team, x: &mut [f32]) {
        team.for_each_chunk(x, CHUNK, |_, chunk| map(team.cpu(), chunk, self));
    }
}

dispatch! {
    fn map(x: &mut [f32], activation: Activation) = map_simd;
}

#[inline(always)]
fn map_simd<S: Simd>(s: S, x: &mut [f32], activation: Activation) {
    with_curve!(activation, map_curve(s, x));
}

#[inline(always)]
fn map_curve<S: Simd, C: Curve>(s: S, x: &mut [f32], curve: C) {
    let mut vectors = x.chunks_exact_mut(S::LANES);
    for v in &mut vectors {
        s.store(curve.at(s, s.load(v)), v);
    }
    let rest = vectors.into_remainder();
    if !rest.is_empty() {
        s.store_part(curve.at(s, s.load_part(rest, 0.0)), rest);
    }
}

/// `out[i] = activation(gate[i]) × up[i]`, the middle of GEGLU and SwiGLU.
///
/// # Panics
/// When the lengths differ.
pub fn gated(team: &Team, activation: Activation, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "gate and up have the same length");
    team.for_each_chunk(gate, CHUNK, |i, chunk| {
        map(team.cpu(), chunk, activation);
        let len = chunk.len();
        chunk.iter_mut().zip(&up[i * CHUNK..i * CHUNK + len]).for_each(|(x, up)| *x *= up);
    });
}

#[cfg(test)]
mod tests {
    use super::super::cpu::Cpu;
    use super::super::reference;
    use super::*;

    /// Distance in units in the last place of `want` rounded to f32, a bound that is fair for subnormals too.
    fn ulp_error(got: f32, want: f64) -> f64 {
        let rounded = want as f32;
        if rounded.is_infinite() || got == rounded {
            return if got == rounded { 0.0 } else { f64::INFINITY };
        }
        let exponent = (rounded.abs().max(f32::MIN_POSITIVE).to_bits() >> 23) as i32 - 150;
        (f64::from(got) - want).abs() / 2_f64.powi(exponent)
    }

    /// The tests look at every 1,021st float.
    const STRIDE: u64 = 1021;

    fn worst(activation: Activation, exact: impl Fn(f64) -> f64, error: impl Fn(f32, f32, f64) -> f64) -> f64 {
        let mut worst = 0.0_f64;
        for cpu in Cpu::available() {
            let team = Team::with_cpu(cpu, 1);
            let mut bits = 0_u64;
            while bits <= u64::from(u32::MAX) {
                let xs: Vec<f32> =
                    (0..1000).map(|i| f32::from_bits(((bits + i * STRIDE) % (1 << 32)) as u32)).collect();
                bits += 1000 * STRIDE;
                let mut ys = xs.clone();
                activation.apply(&team, &mut ys);
                for (x, y) in xs.iter().zip(&ys) {
                    if x.is_nan() {
                        assert!(y.is_nan(), "{activation:?}({x}) = {y} on {cpu:?}");
                    } else {
                        let e = error(*x, *y, exact(f64::from(*x)));
                        assert!(e.is_finite(), "{activation:?}({x}) = {y} on {cpu:?}");
                        worst = worst.max(e);
                    }
                }
            }
        }
        worst
    }

    #[test]
    fn exp_erf_and_tanh_are_within_two_ulp_over_all_floats() {
        let ulp = |_: f32, y: f32, want: f64| ulp_error(y, want);
        for (activation, exact) in [
            (Activation::Exp, f64::exp as fn(f64) -> f64),
            (Activation::Tanh, f64::tanh),
            (Activation::Erf, reference::erf),
        ] {
            let worst = worst(activation, exact, ulp);
            println!("{activation:?}: {worst:.2} ulp");
            assert!(worst <= 2.0, "{activation:?}: {worst} ulp");
        }
    }

    #[test]
    fn the_activations_are_close_to_their_definitions_over_all_floats() {
        let close = |x: f32, y: f32, want: f64| {
            if x.is_infinite() || want.is_infinite() {
                0.0
            } else {
                (f64::from(y) - want).abs() / f64::from(x.abs().max(1.0))
            }
        };
        for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Silu, Activation::Relu] {
            let worst = worst(activation, |x| reference::activate(activation, x), close);
            println!("{activation:?}: {worst:.1e}");
            assert!(worst <= 1.5e-7, "{activation:?}: {worst}");
        }
    }

    #[test]
    fn infinities_have_their_limits() {
        for cpu in Cpu::available() {
            let team = Team::with_cpu(cpu, 1);
            for (activation, low) in [(Activation::Gelu, 0.0), (Activation::Relu, 0.0), (Activation::Exp, 0.0)] {
                let mut x = [f32::INFINITY, f32::NEG_INFINITY];
                activation.apply(&team, &mut x);
                assert_eq!(x, [f32::INFINITY, low], "{activation:?} on {cpu:?}");
            }
        }
    }

    #[test]
    fn every_length_is_covered_and_a_gate_multiplies() {
        for cpu in Cpu::available() {
            let team = Team::with_cpu(cpu, 2);
            for len in [0, 1, 7, 8, 15, 16, 17, 33, 3 * CHUNK + 5] {
                let x: Vec<f32> = (0..len).map(|i| (i % 23) as f32 * 0.3 - 3.0).collect();
                let mut y = x.clone();
                gated(&team, Activation::Silu, &mut y, &x);
                for (x, y) in x.iter().zip(&y) {
                    let want = reference::activate(Activation::Silu, f64::from(*x)) * f64::from(*x);
                    assert!((f64::from(*y) - want).abs() < 1e-6 * want.abs().max(1.0), "{x} {y} {want}");
                }
            }
        }
    }
}
