//! `exp`, `erf`, `tanh` and the activation functions, one vector at a time.
//!
//! Largest errors over all floats, measured by the tests in `activation.rs`: `exp`, `tanh`, `erf` 2 units in the
//! last place (ulp), also where the result is subnormal. NaN gives NaN, infinities their limits. The polynomials are
//! minimax fits (Remez exchange, relative error), their own error below 4e-9.

use std::f32::consts::{LN_2, LOG2_E};

use super::simd::Simd;

/// A function of one float.
pub(super) trait Curve: Copy {
    fn at<S: Simd>(self, s: S, x: S::F) -> S::F;
}

/// `c[0] + c[1]·x + …`
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F, c: [f32; N]) -> S::F {
    let mut sum = s.splat(c[N - 1]);
    for c in c.iter().rev().skip(1) {
        sum = s.mul_add(sum, x, s.splat(*c));
    }
    sum
}

/// `2ˣ` for x from −300 to 300, or NaN.
#[inline(always)]
pub(super) fn exp2<S: Simd>(s: S, x: S::F) -> S::F {
    let n = s.round(x);
    let f = s.sub(x, n);
    let p = polynomial(s, f, [LN_2, 0.240_226_48, 0.055_503_324, 0.009_618_437, 0.001_339_887_4, 1.535_336_2e-4]);
    s.scale_by_power(s.mul_add(p, f, s.splat(1.0)), n)
}

/// `eˣ`
#[derive(Clone, Copy)]
pub(super) struct Exp;

impl Curve for Exp {
    #[inline(always)]
    fn at<S: Simd>(self, s: S, x: S::F) -> S::F {
        // Beyond these the result is zero or infinite anyway. The order of the operands lets NaN through.
        let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
        let n = s.round(s.mul(x, s.splat(LOG2_E)));
        // ln 2 in two parts, the first so short that n times it is exact without FMA too.
        let r = s.neg_mul_add(n, s.splat(0.693_359_4), x);
        let r = s.neg_mul_add(n, s.splat(-2.121_944_4e-4), r);
        let p = polynomial(s, r, [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_717, 0.001_381_459_9]);
        let tail = s.mul_add(s.mul(r, r), p, r);
        s.scale_by_power(s.add(s.splat(1.0), tail), n)
    }
}

/// The error function.
#[derive(Clone, Copy)]
pub(super) struct Erf;

impl Curve for Erf {
    #[inline(always)]
    fn at<S: Simd>(self, s: S, x: S::F) -> S::F {
        // erf(4) rounds to 1.
        let t = s.min(s.splat(4.0), s.abs(x));
        let near = polynomial(
            s,
            s.mul(t, t),
            [0.128_379_17, -0.376_126_35, 0.112_836_97, -0.026_859_5, 0.005_201_286, -8.145_597_5e-4, 8.382_39e-5],
        );
        let near = s.mul_add(near, t, t);
        // log₂ erfc(t)
        let far = polynomial(
            s,
            t,
            [-2.401_342e-4, -1.627_067_4, -0.918_962_24, -0.150_204_29, 0.032_194_04, -0.004_422_566_4, 2.859_703e-4],
        );
        let far = s.sub(s.splat(1.0), exp2(s, far));
        s.copy_sign(s.if_less(t, s.splat(0.92), near, far), x)
    }
}

/// The hyperbolic tangent.
#[derive(Clone, Copy)]
pub(super) struct Tanh;

impl Curve for Tanh {
    #[inline(always)]
    fn at<S: Simd>(self, s: S, x: S::F) -> S::F {
        // tanh(10) rounds to 1.
        let t = s.min(s.splat(10.0), s.abs(x));
        let square = s.mul(t, t);
        let near = polynomial(s, square, [-0.333_332_84, 0.133_314_9, -0.053_743_497, 0.020_650_588, -0.005_717_046]);
        let near = s.mul_add(s.mul(near, square), t, t);
        let e = Exp.at(s, s.add(t, t));
        let far = s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(e, s.splat(1.0))));
        s.copy_sign(s.if_less(t, s.splat(0.625), near, far), x)
    }
}

/// GELU with the error function, `x·Φ(x)`: within 1.5e-7 × max(1, |x|).
#[derive(Clone, Copy)]
pub(super) struct Gelu;

impl Curve for Gelu {
    #[inline(always)]
    fn at<S: Simd>(self, s: S, x: S::F) -> S::F {
        // x·Φ(x) = max(x, 0) − |x|·Φ(−|x|), and log₂ Φ(−t) is smooth: one polynomial and one power, no branches.
        // Beyond 20 Φ(−t) is zero in single precision.
        let t = s.min(s.splat(20.0), s.abs(x));
        let g = polynomial(
            s,
            t,
            [
                -1.0,
                -1.151_107_2,
                -0.459_190_3,
                -0.052_552_2,
                0.007_146_655,
                -2.022_913_2e-4,
                -1.584_864_1e-4,
                3.342_362_5e-5,
                -2.328_057_2e-6,
            ],
        );
        let g = s.max(s.splat(-300.0), g);
        s.neg_mul_add(t, exp2(s, g), s.max(s.splat(0.0), x))
    }
}

/// `x / (1 + 2^exponent)`
#[inline(always)]
fn gate<S: Simd>(s: S, x: S::F, exponent: S::F) -> S::F {
    let exponent = s.min(s.splat(150.0), s.max(s.splat(-150.0), exponent));
    s.div(x, s.add(s.splat(1.0), exp2(s, exponent)))
}

/// GELU's approximation with tanh, which is `x·sigmoid(2·√(2/π)·(x + 0.044715·x³))`.
#[derive(Clone, Copy)]
pub(super) struct GeluTanh;

impl Curve for GeluTanh {
    #[inline(always)]
    fn at<S: Simd>(self, s: S, x: S::F) -> S::F {
        // −2·√(2/π)·log₂ e
        const SCALE: f32 = -2.302_208_2;
        let cubic = s.mul_add(s.mul(x, x), s.splat(0.044_715 * SCALE), s.splat(SCALE));
        gate(s, x, s.mul(x, cubic))
    }
}

/// `x·sigmoid(x)`
#[derive(Clone, Copy)]
pub(super) struct Silu;

impl Curve for Silu {
    #[inline(always)]
    fn at<S: Simd>(self, s: S, x: S::F) -> S::F {
        gate(s, x, s.mul(x, s.splat(-LOG2_E)))
    }
}

/// `max(x, 0)`
#[derive(Clone, Copy)]
pub(super) struct Relu;

impl Curve for Relu {
    #[inline(always)]
    fn at<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.max(s.splat(0.0), x)
    }
}

/// `x`
#[derive(Clone, Copy)]
pub(super) struct Identity;

impl Curve for Identity {
    #[inline(always)]
    fn at<S: Simd>(self, _: S, x: S::F) -> S::F {
        x
    }
}
