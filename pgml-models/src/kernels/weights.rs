//! Checkpoint weights as they lie in a mapped file, read row by row as `f32`.

/// A matrix in row-major order, or a part of one, as a checkpoint stores it. Bytes are little-endian, of any alignment.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// Floats in memory.
    F32(&'a [f32]),
    /// IEEE single precision.
    F32Bytes(&'a [u8]),
    /// IEEE half precision.
    F16Bytes(&'a [u8]),
    /// The upper half of an IEEE single.
    Bf16Bytes(&'a [u8]),
}

impl Weights<'_> {
    /// Elements in all.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F32Bytes(bytes) => bytes.len() / 4,
            Self::F16Bytes(bytes) | Self::Bf16Bytes(bytes) => bytes.len() / 2,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the `out.len()` elements from `start` on into `out`.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn read(&self, start: usize, out: &mut [f32]) {
        let end = start + out.len();
        match self {
            Self::F32(values) => out.copy_from_slice(&values[start..end]),
            Self::F32Bytes(bytes) => {
                let values = bytes[4 * start..4 * end].chunks_exact(4);
                out.iter_mut().zip(values).for_each(|(out, b)| *out = f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            }
            Self::F16Bytes(bytes) => {
                let values = bytes[2 * start..2 * end].chunks_exact(2);
                out.iter_mut().zip(values).for_each(|(out, b)| *out = f16_to_f32(u16::from_le_bytes([b[0], b[1]])));
            }
            Self::Bf16Bytes(bytes) => {
                let values = bytes[2 * start..2 * end].chunks_exact(2);
                out.iter_mut().zip(values).for_each(|(out, b)| *out = bf16_to_f32(u16::from_le_bytes([b[0], b[1]])));
            }
        }
    }
}

/// The value of a half-precision float.
fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    let value = match magnitude >> 10 {
        // Subnormal: an integral multiple of 2⁻²⁴.
        0 => (magnitude as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        31 => 0x7f80_0000 | magnitude << 13,
        _ => (magnitude << 13) + (112 << 23),
    };
    f32::from_bits(sign | value)
}

/// The value of a bf16.
pub(super) fn bf16_to_f32(bits: u16) -> f32 {
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
    fn every_dtype_reads_the_same_numbers_from_unaligned_bytes() {
        let values = [1.0_f32, -0.5, 0.0, 1024.0, 3.25];
        let f32_bytes: Vec<u8> = std::iter::once(0).chain(values.iter().flat_map(|v| v.to_le_bytes())).collect();
        let bf16: Vec<u8> =
            std::iter::once(0).chain(values.iter().flat_map(|v| f32_to_bf16(*v).to_le_bytes())).collect();
        let f16: Vec<u8> = [0x3c00_u16, 0xb800, 0, 0x6400, 0x4280].iter().flat_map(|b| b.to_le_bytes()).collect();
        let all = [
            Weights::F32(&values),
            Weights::F32Bytes(&f32_bytes[1..]),
            Weights::Bf16Bytes(&bf16[1..]),
            Weights::F16Bytes(&f16),
        ];
        for weights in all {
            let mut out = [0.0; 3];
            weights.read(1, &mut out);
            assert_eq!((weights.len(), out), (5, [-0.5, 0.0, 1024.0]), "{weights:?}");
        }
    }
}
