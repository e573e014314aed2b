//! AVX2 with FMA and F16C.
#![allow(unsafe_code, reason = "intrinsics: an `Avx2` exists only where the processor has AVX2, FMA and F16C")]
// SAFETY of every block here: the token `self` proves that the processor has the instructions; pointers are the
// documented duty of the caller, slices are checked.

use std::arch::x86_64::*;

use super::Simd;

/// Proof that the processor has AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The processor has AVX2, FMA and F16C.
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
    (@ F) => { __m256 };
    (@ Signed) => { [__m256i; 2] };
    (@ I) => { __m256i };
    (@ $ty:ident) => { $ty };
}

/// 2ⁿ for integral n from −126 to 127.
#[inline(always)]
unsafe fn power_of_two(n: __m256) -> __m256 {
    unsafe {
        let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
    }
}

impl Simd for Avx2 {
    type F = __m256;
    type I = __m256i;
    /// Magnitudes, and the bytes themselves for their signs.
    type Signed = [__m256i; 2];
    const LANES: usize = 8;
    // 6 × 2 sums, 2 vectors of weights and one broadcast: 15 of 16 registers.
    const TILE_ROWS: usize = 6;

    ops! {
        splat(x: f32) -> F = _mm256_set1_ps(x);
        add(a: F, b: F) -> F = _mm256_add_ps(a, b);
        sub(a: F, b: F) -> F = _mm256_sub_ps(a, b);
        mul(a: F, b: F) -> F = _mm256_mul_ps(a, b);
        div(a: F, b: F) -> F = _mm256_div_ps(a, b);
        mul_add(a: F, b: F, c: F) -> F = _mm256_fmadd_ps(a, b, c);
        neg_mul_add(a: F, b: F, c: F) -> F = _mm256_fnmadd_ps(a, b, c);
        max(a: F, b: F) -> F = _mm256_max_ps(a, b);
        min(a: F, b: F) -> F = _mm256_min_ps(a, b);
        round(v: F) -> F = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v);
        scale_by_power(v: F, n: F) -> F = {
            // In three factors, each a normal number.
            let third = _mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(
                _mm256_mul_ps(n, _mm256_set1_ps(1.0 / 3.0)),
            );
            let rest = _mm256_sub_ps(_mm256_sub_ps(n, third), third);
            let factor = power_of_two(third);
            _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(v, power_of_two(rest)), factor), factor)
        };
        if_less(a: F, b: F, x: F, y: F) -> F = _mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b));
        copy_sign(magnitude: F, sign: F) -> F = {
            let mask = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_and_ps(mask, sign), _mm256_andnot_ps(mask, magnitude))
        };
        sum(v: F) -> f32 = {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        };
        largest(v: F) -> f32 = {
            let four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        };
        to_float(v: I) -> F = _mm256_cvtepi32_ps(v);
        splat_int(x: i32) -> I = _mm256_set1_epi32(x);
        bits(v: F) -> I = _mm256_castps_si256(v);
        of_bits(v: I) -> F = _mm256_castsi256_ps(v);
        and(a: I, b: I) -> I = _mm256_and_si256(a, b);
        or(a: I, b: I) -> I = _mm256_or_si256(a, b);
        xor(a: I, b: I) -> I = _mm256_xor_si256(a, b);
        shift_left_16(v: I) -> I = _mm256_slli_epi32::<16>(v);
        shift_left(v: I, bits: u32) -> I = _mm256_sll_epi32(v, _mm_cvtsi32_si128(bits.cast_signed()));
        shift_right(v: I, bits: u32) -> I = _mm256_srl_epi32(v, _mm_cvtsi32_si128(bits.cast_signed()));
        sub_int(a: I, b: I) -> I = _mm256_sub_epi32(a, b);
        mul_int(a: I, b: I) -> I = _mm256_mullo_epi32(a, b);
        dot_bytes(acc: I, a: I, b: I) -> I = {
            // `maddubs` would saturate (255 × 127 twice passes 32,767): even and odd bytes apart, widened to 16 bits.
            let even = _mm256_madd_epi16(
                _mm256_and_si256(a, _mm256_set1_epi16(0xff)),
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)),
            );
            let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
            _mm256_add_epi32(acc, _mm256_add_epi32(even, odd))
        };
        dot_small(acc: I, a: I, b: I) -> I = {
            let pairs = _mm256_maddubs_epi16(a, b);
            _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        };
        signed(v: I) -> Signed = [_mm256_abs_epi8(v), v];
        dot_signed(acc: I, a: Signed, b: I) -> I = {
            let pairs = _mm256_maddubs_epi16(a[0], _mm256_sign_epi8(b, a[1]));
            _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        };
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        assert!(from.len() >= 8);
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, v: __m256, to: &mut [f32]) {
        assert!(to.len() >= 8);
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), v) }
    }

    #[inline(always)]
    unsafe fn load_at(self, from: *const u32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_at(self, v: __m256i, to: *mut u32) {
        unsafe { _mm256_storeu_si256(to.cast(), v) }
    }

    #[inline(always)]
    unsafe fn store_bytes_at(self, v: __m256i, to: *mut u8) {
        unsafe {
            let low = _mm256_and_si256(v, _mm256_set1_epi32(0xff));
            let words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256::<1>(low));
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
    }

    #[inline(always)]
    unsafe fn load_halves_at(self, from: *const u16) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
}
