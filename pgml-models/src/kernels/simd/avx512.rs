//! AVX-512.
#![allow(unsafe_code, reason = "intrinsics: an `Avx512` exists only where the processor has AVX-512 F, BW, DQ and VL")]
// SAFETY of every block here: the token `self` proves that the processor has the instructions; pointers are the
// documented duty of the caller, slices are checked.

use std::arch::x86_64::*;

use super::Simd;

/// Proof that the processor has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The processor has AVX-512 F, BW, DQ, VL, AVX2 and FMA.
    pub(in super::super) unsafe fn assume() -> Self {
        Self(())
    }
}

macro_rules! ops {
    ($($name:ident($($arg:ident: $ty:ident),*) -> $ret:ident = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: ops!(@ $ty)),*) -> ops!(@ $ret) {
            unsafe { $body }
        }
    )*};
    (@ F) => { __m512 };
    (@ Signed) => { (__m512i, __mmask64) };
    (@ I) => { __m512i };
    (@ $ty:ident) => { $ty };
}

impl Simd for Avx512 {
    type F = __m512;
    type I = __m512i;
    /// Magnitudes, and which bytes are negative.
    type Signed = (__m512i, __mmask64);
    const LANES: usize = 16;
    // 14 × 2 sums, 2 vectors of weights and one broadcast: 31 of 32 registers.
    const TILE_ROWS: usize = 14;

    ops! {
        splat(x: f32) -> F = _mm512_set1_ps(x);
        add(a: F, b: F) -> F = _mm512_add_ps(a, b);
        sub(a: F, b: F) -> F = _mm512_sub_ps(a, b);
        mul(a: F, b: F) -> F = _mm512_mul_ps(a, b);
        div(a: F, b: F) -> F = _mm512_div_ps(a, b);
        mul_add(a: F, b: F, c: F) -> F = _mm512_fmadd_ps(a, b, c);
        neg_mul_add(a: F, b: F, c: F) -> F = _mm512_fnmadd_ps(a, b, c);
        max(a: F, b: F) -> F = _mm512_max_ps(a, b);
        min(a: F, b: F) -> F = _mm512_min_ps(a, b);
        round(v: F) -> F = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        scale_by_power(v: F, n: F) -> F = _mm512_scalef_ps(v, n);
        if_less(a: F, b: F, x: F, y: F) -> F = _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), y, x);
        copy_sign(magnitude: F, sign: F) -> F = {
            let mask = _mm512_set1_epi32(i32::MAX);
            let bits = _mm512_ternarylogic_epi32::<0xca>(mask, _mm512_castps_si512(magnitude), _mm512_castps_si512(sign));
            _mm512_castsi512_ps(bits)
        };
        sum(v: F) -> f32 = _mm512_reduce_add_ps(v);
        largest(v: F) -> f32 = _mm512_reduce_max_ps(v);
        to_float(v: I) -> F = _mm512_cvtepi32_ps(v);
        splat_int(x: i32) -> I = _mm512_set1_epi32(x);
        bits(v: F) -> I = _mm512_castps_si512(v);
        of_bits(v: I) -> F = _mm512_castsi512_ps(v);
        and(a: I, b: I) -> I = _mm512_and_si512(a, b);
        or(a: I, b: I) -> I = _mm512_or_si512(a, b);
        xor(a: I, b: I) -> I = _mm512_xor_si512(a, b);
        shift_left_16(v: I) -> I = _mm512_slli_epi32::<16>(v);
        shift_left(v: I, bits: u32) -> I = _mm512_sll_epi32(v, _mm_cvtsi32_si128(bits.cast_signed()));
        shift_right(v: I, bits: u32) -> I = _mm512_srl_epi32(v, _mm_cvtsi32_si128(bits.cast_signed()));
        sub_int(a: I, b: I) -> I = _mm512_sub_epi32(a, b);
        mul_int(a: I, b: I) -> I = _mm512_mullo_epi32(a, b);
        dot_bytes(acc: I, a: I, b: I) -> I = {
            // As in AVX2: without VNNI, `maddubs` would saturate.
            let even = _mm512_madd_epi16(
                _mm512_and_si512(a, _mm512_set1_epi16(0xff)),
                _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(b)),
            );
            let odd = _mm512_madd_epi16(_mm512_srli_epi16::<8>(a), _mm512_srai_epi16::<8>(b));
            _mm512_add_epi32(acc, _mm512_add_epi32(even, odd))
        };
        dot_small(acc: I, a: I, b: I) -> I = {
            let pairs = _mm512_maddubs_epi16(a, b);
            _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        };
        signed(v: I) -> Signed = (_mm512_abs_epi8(v), _mm512_movepi8_mask(v));
        dot_signed(acc: I, a: Signed, b: I) -> I = {
            let b = _mm512_mask_sub_epi8(b, a.1, _mm512_setzero_si512(), b);
            let pairs = _mm512_maddubs_epi16(a.0, b);
            _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        };
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        assert!(from.len() >= 16);
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, v: __m512, to: &mut [f32]) {
        assert!(to.len() >= 16);
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), v) }
    }

    #[inline(always)]
    fn load_part(self, from: &[f32], fill: f32) -> __m512 {
        let mask = (u32::MAX >> (32 - from.len().clamp(1, 16))) as u16;
        assert!(!from.is_empty() && from.len() <= 16);
        unsafe { _mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask, from.as_ptr()) }
    }

    #[inline(always)]
    fn store_part(self, v: __m512, to: &mut [f32]) {
        let mask = (u32::MAX >> (32 - to.len().clamp(1, 16))) as u16;
        assert!(!to.is_empty() && to.len() <= 16);
        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), mask, v) }
    }

    #[inline(always)]
    unsafe fn load_at(self, from: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_at(self, v: __m512i, to: *mut u32) {
        unsafe { _mm512_storeu_si512(to.cast(), v) }
    }

    #[inline(always)]
    unsafe fn store_bytes_at(self, v: __m512i, to: *mut u8) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(v)) }
    }

    #[inline(always)]
    unsafe fn load_halves_at(self, from: *const u16) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
}
