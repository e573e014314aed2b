//! The 16-bit floats.

/// The value of a half-precision float.
#[inline(always)]
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    // 2¹¹² makes good the smaller exponent, of subnormal numbers too.
    let value = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    let special = if magnitude >= 0x0f80_0000 { 0x7f80_0000 } else { 0 };
    f32::from_bits(sign | value | special)
}

/// The nearest half-precision float, ties to even; NaN stays NaN.
pub(super) fn f32_to_f16(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = x.to_bits() & 0x7fff_ffff;
    let rounded = match magnitude {
        // A sum with ½ has no place for what is less than 2⁻²⁴, the unit of subnormal numbers.
        0..0x3880_0000 => (f32::from_bits(magnitude) + 0.5).to_bits() - 0x3f00_0000,
        0x3880_0000..0x477f_f000 => ((magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13) - (112 << 10),
        0x477f_f000..=0x7f80_0000 => 0x7c00,
        _ => 0x7e00,
    };
    sign | rounded as u16
}

/// The value of a bf16.
#[inline(always)]
pub(crate) fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bf16, ties to even; NaN stays NaN.
#[inline(always)]
pub(super) fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if x.is_nan() { 0x7fc0 } else { rounded as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_has_the_values_of_the_standard() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x03ff, 6.097_555e-5),
            (0x0001, 5.960_464_5e-8),
            (0x8000, -0.0),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(f16_to_f32(bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn bf16_rounds_to_nearest_even_and_keeps_nan() {
        let bf16 = |bits: u32| f32_to_bf16(f32::from_bits(bits));
        assert_eq!(bf16(0x3f80_8000), 0x3f80, "a tie goes to even");
        assert_eq!(bf16(0x3f81_8000), 0x3f82, "a tie goes to even");
        assert_eq!(bf16(0x3f80_8001), 0x3f81);
        assert_eq!(bf16(0x7f7f_ffff), 0x7f80, "the largest float rounds to infinity");
        assert!(bf16_to_f32(bf16(0x7fff_ffff)).is_nan());
        assert!((0..=u16::MAX).all(|b| bf16_to_f32(b).is_nan() || f32_to_bf16(bf16_to_f32(b)) == b));
    }

    #[test]
    fn half_precision_rounds_to_nearest_even() {
        for bits in (0..=u32::MAX).step_by(997) {
            let x = f32::from_bits(bits);
            let want = half::f16::from_f32(x);
            if x.is_nan() {
                assert!(f16_to_f32(f32_to_f16(x)).is_nan(), "{bits:#x}");
            } else {
                assert_eq!(f32_to_f16(x), want.to_bits(), "{x} {bits:#x}");
            }
        }
        assert!((0..=u16::MAX).all(|b| f16_to_f32(b).is_nan() || f32_to_f16(f16_to_f32(b)) == b));
    }
}
