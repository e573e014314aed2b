//! Exponentials of whole slices: a polynomial without branches or tables, which compiles to vector instructions.

use super::kernels::for_each_cpu;

/// `1/k!` for k = 2, 3, …: the series converges to the last bit on half an octave.
const COEFFICIENTS: [f64; 12] = [
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];
/// `ln 2` in two parts, the first with so few bits that its multiples are exact (Cody, Waite 1980).
const LN_2: (f64, f64) = (f64::from_bits(0x3fe6_2e42_fee0_0000), 1.908_214_929_270_587_7e-10);
/// Adding it rounds to a whole number, which stands in the lowest bits of the sum.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Below, results lose bits and count as 0.
const LOWEST: f64 = -708.0;

#[inline(always)]
fn exp_one(x: f64) -> f64 {
    let clamped = x.clamp(LOWEST, 709.0);
    let shifted = clamped * std::f64::consts::LOG2_E + ROUND;
    let octaves = shifted - ROUND;
    let r = (clamped - octaves * LN_2.0) - octaves * LN_2.1;
    let tail = COEFFICIENTS.iter().rev().fold(0.0, |sum, c| sum * r + c);
    let mantissa = 1.0 + (r + r * r * tail);
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    if x < LOWEST { 0.0 } else { mantissa * power }
}

for_each_cpu! { up to avx512
    /// `xᵢ ← exp(xᵢ)` to about one unit in the last place; 0 below −708, the value at 709 beyond, NaN stays NaN.
    pub fn exp_in_place(values: &mut [f64]) {
        for x in values {
            *x = exp_one(*x);
        }
    }
}

for_each_cpu! { up to avx512
    /// `xᵢ ← tanh(xᵢ)` to about 10⁻¹⁶.
    pub fn tanh_in_place(values: &mut [f64]) {
        for x in values {
            let tail = 2.0 / (exp_one(2.0 * x.abs()) + 1.0);
            *x = (1.0 - tail).copysign(*x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_standard_library() {
        let x: Vec<f64> = (-7080..7090).map(|i| f64::from(i) * 0.1 + 0.0123).filter(|x| *x < 709.0).collect();
        let mut ours = x.clone();
        exp_in_place(&mut ours);
        for (x, ours) in x.iter().zip(ours) {
            let exact = x.exp();
            assert!((ours - exact).abs() <= 4.0 * f64::EPSILON * exact, "exp({x}) is {exact:e}, not {ours:e}");
        }
        let mut ours = x.clone();
        tanh_in_place(&mut ours);
        for (x, ours) in x.iter().zip(ours) {
            assert!((ours - x.tanh()).abs() <= 3e-16, "tanh({x}) is {}, not {ours}", x.tanh());
        }
    }

    #[test]
    fn far_out_it_is_nothing_and_nan_stays() {
        let mut ends = [-1e300, f64::NEG_INFINITY, f64::NAN, 0.0];
        exp_in_place(&mut ends);
        assert!(ends[0] == 0.0 && ends[1] == 0.0 && ends[2].is_nan() && ends[3] == 1.0, "{ends:?}");
    }
}
