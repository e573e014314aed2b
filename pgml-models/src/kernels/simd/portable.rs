//! Plain Rust over arrays, which the compiler turns into SSE2 or NEON.
#![allow(unsafe_code, reason = "loads and stores through the pointers that tiles are made of")]

use std::array::from_fn;

use super::Simd;
use crate::kernels::half::f16_to_f32;

const LANES: usize = 8;

/// Needs nothing of the processor.
#[derive(Clone, Copy)]
pub(in super::super) struct Portable;

/// One rounding where the target has the instruction; a library call would be a hundred times slower than two roundings.
const HAS_FMA: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

#[inline(always)]
fn map2<A: Copy, B: Copy, R>(a: [A; LANES], b: [B; LANES], f: impl Fn(A, B) -> R) -> [R; LANES] {
    from_fn(|i| f(a[i], b[i]))
}

/// 2ⁿ for integral n from −126 to 127.
#[inline(always)]
fn power_of_two(n: f32) -> f32 {
    f32::from_bits((((n as i32) + 127) as u32) << 23)
}

impl Simd for Portable {
    type F = [f32; LANES];
    type I = [i32; LANES];
    type Signed = [i32; LANES];
    const LANES: usize = LANES;
    // 16 or 32 registers of four floats: two rows of 16 on SSE2, six on NEON.
    const TILE_ROWS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 2 };

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        from_fn(|i| from[i])
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32]) {
        to[..LANES].copy_from_slice(&v);
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        from_fn(|i| if HAS_FMA { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] })
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn round(self, v: Self::F) -> Self::F {
        // 1.5 × 2²³: adding it leaves no place for a fraction. Right below 2²², and callers stay far below that.
        const MAGIC: f32 = 12_582_912.0;
        v.map(|v| (v + MAGIC) - MAGIC)
    }
    #[inline(always)]
    fn scale_by_power(self, v: Self::F, n: Self::F) -> Self::F {
        // In three factors, each a normal number.
        map2(v, n, |v, n| {
            let third = ((n as i32) / 3) as f32;
            let factor = power_of_two(third);
            v * power_of_two(n - third - third) * factor * factor
        })
    }
    #[inline(always)]
    fn if_less(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F {
        from_fn(|i| if a[i] < b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    fn copy_sign(self, magnitude: Self::F, sign: Self::F) -> Self::F {
        map2(magnitude, sign, f32::copysign)
    }
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        let four: [f32; 4] = from_fn(|i| v[i] + v[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
    #[inline(always)]
    fn largest(self, v: Self::F) -> f32 {
        v.into_iter().fold(f32::NEG_INFINITY, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn to_float(self, v: Self::I) -> Self::F {
        v.map(|v| v as f32)
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> Self::I {
        [x; LANES]
    }
    #[inline(always)]
    fn bits(self, v: Self::F) -> Self::I {
        v.map(|v| v.to_bits().cast_signed())
    }
    #[inline(always)]
    fn of_bits(self, v: Self::I) -> Self::F {
        v.map(|v| f32::from_bits(v.cast_unsigned()))
    }
    #[inline(always)]
    fn and(self, a: Self::I, b: Self::I) -> Self::I {
        map2(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, a: Self::I, b: Self::I) -> Self::I {
        map2(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn xor(self, a: Self::I, b: Self::I) -> Self::I {
        map2(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn shift_left_16(self, v: Self::I) -> Self::I {
        v.map(|v| v << 16)
    }
    #[inline(always)]
    fn shift_left(self, v: Self::I, bits: u32) -> Self::I {
        v.map(|v| v << bits)
    }
    #[inline(always)]
    fn shift_right(self, v: Self::I, bits: u32) -> Self::I {
        v.map(|v| (v.cast_unsigned() >> bits).cast_signed())
    }
    #[inline(always)]
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I {
        map2(a, b, i32::wrapping_sub)
    }
    #[inline(always)]
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I {
        map2(a, b, i32::wrapping_mul)
    }
    #[inline(always)]
    fn dot_bytes(self, acc: Self::I, a: Self::I, b: Self::I) -> Self::I {
        from_fn(|i| {
            let (a, b) = (a[i].to_le_bytes(), b[i].to_le_bytes());
            let product = |j: usize| i32::from(a[j]) * i32::from(b[j].cast_signed());
            acc[i].wrapping_add(product(0) + product(1) + product(2) + product(3))
        })
    }
    #[inline(always)]
    fn dot_small(self, acc: Self::I, a: Self::I, b: Self::I) -> Self::I {
        self.dot_bytes(acc, a, b)
    }
    #[inline(always)]
    fn signed(self, v: Self::I) -> Self::Signed {
        v
    }
    #[inline(always)]
    fn dot_signed(self, acc: Self::I, a: Self::Signed, b: Self::I) -> Self::I {
        from_fn(|i| {
            let (a, b) = (a[i].to_le_bytes(), b[i].to_le_bytes());
            let product = |j: usize| i32::from(a[j].cast_signed()) * i32::from(b[j].cast_signed());
            acc[i].wrapping_add(product(0) + product(1) + product(2) + product(3))
        })
    }

    #[inline(always)]
    unsafe fn load_at(self, from: *const u32) -> Self::I {
        // SAFETY: the caller vouches for `LANES` readable values.
        unsafe { from.cast::<Self::I>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_at(self, v: Self::I, to: *mut u32) {
        // SAFETY: the caller vouches for `LANES` writable values.
        unsafe { to.cast::<Self::I>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn store_bytes_at(self, v: Self::I, to: *mut u8) {
        // SAFETY: the caller vouches for `LANES` writable bytes.
        unsafe { to.cast::<[u8; LANES]>().write(v.map(|v| v as u8)) }
    }

    #[inline(always)]
    unsafe fn load_halves_at(self, from: *const u16) -> Self::F {
        // SAFETY: the caller vouches for `LANES` readable values.
        unsafe { from.cast::<[u16; LANES]>().read_unaligned().map(f16_to_f32) }
    }
}
