//! The vector instructions that a block's questions are asked with, found at run time.
#![expect(unsafe_code, reason = "vector loads and instructions that only some processors have")]

use super::quick::{Question, ROWS, Word};

/// A set of instructions that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// AVX-512 F and CD: 16 rows of `f32` at a time.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and LZCNT: 8 rows of `f32` at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Instructions {
    /// All that this machine has, the best first.
    pub fn found() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let found = [
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512cd")).then_some(Self::Avx512),
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("lzcnt")).then_some(Self::Avx2),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let found: [Option<Self>; 0] = [];
        found.into_iter().flatten()
    }

    /// The leaves of the largest tree for which asking every node is faster than walking down.
    pub fn most_leaves(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 256,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 64,
        }
    }
}

/// A type of features that questions can be asked about.
pub trait Lanes: Sized {
    /// Writes the number of the leaf that each row reaches, counted from the tree's first.
    ///
    /// The tree's questions begin at `first` of `questions`, and `words` say where they end. `x` holds [`ROWS`] values of
    /// each column that they ask for.
    fn reach(
        instructions: Instructions,
        words: &[Word],
        questions: &[Question<Self>],
        first: u32,
        x: &[Self],
        reached: &mut [u32; ROWS],
    );
}

macro_rules! lanes {
    ($type:ty: $avx512:ident, $avx2:ident) => {
        impl Lanes for $type {
            #[inline]
            fn reach(
                instructions: Instructions,
                words: &[Word],
                questions: &[Question<Self>],
                first: u32,
                x: &[Self],
                reached: &mut [u32; ROWS],
            ) {
                match instructions {
                    // SAFETY: `Instructions` are found on the machine before they are used.
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx512 => unsafe { x86::$avx512(words, questions, first, x, reached) },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx2 => unsafe { x86::$avx2(words, questions, first, x, reached) },
                }
            }
        }
    };
}

lanes!(f32: avx512_f32, avx2_f32);
lanes!(f64: avx512_f64, avx2_f64);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Question, ROWS, Word};

    /// `x >= t`, false when `x` is NaN.
    const MISSING_LEFT: i32 = _CMP_GE_OQ;
    /// Not `x < t`, true when `x` is NaN.
    const MISSING_RIGHT: i32 = _CMP_NLT_UQ;

    /// One tree for one type of features: `$ask` strikes out leaves, the first that is left over is found here.
    macro_rules! avx512 {
        ($name:ident, $type:ty, $ask:ident) => {
            #[target_feature(enable = "avx512f,avx512cd")]
            pub fn $name(
                words: &[Word],
                questions: &[Question<$type>],
                first: u32,
                x: &[$type],
                reached: &mut [u32; ROWS],
            ) {
                let mut found = [_mm512_setzero_si512(); ROWS / 16];
                let mut start = first as usize;
                for (number, word) in words.iter().enumerate() {
                    let (middle, end) = (word.missing_left as usize, word.missing_right as usize);
                    let all = [_mm512_set1_epi32(-1); ROWS / 16];
                    let left = $ask::<MISSING_LEFT>(&questions[start..middle], x, all);
                    let left = $ask::<MISSING_RIGHT>(&questions[middle..end], x, left);
                    // So many leaves were struck out, and no leaf found, in the words before.
                    let none_yet = _mm512_set1_epi32(32 * number as i32);
                    for (found, left) in found.iter_mut().zip(left) {
                        let searching = _mm512_cmpeq_epi32_mask(*found, none_yet);
                        *found = _mm512_mask_add_epi32(*found, searching, *found, _mm512_lzcnt_epi32(left));
                    }
                    start = end;
                }
                for (reached, found) in reached.chunks_exact_mut(16).zip(found) {
                    // SAFETY: 16 numbers of 32 bits.
                    unsafe { _mm512_storeu_si512(reached.as_mut_ptr().cast(), found) };
                }
            }
        };
    }

    avx512!(avx512_f32, f32, ask_avx512_f32);
    avx512!(avx512_f64, f64, ask_avx512_f64);

    #[inline]
    #[target_feature(enable = "avx512f,avx512cd")]
    fn ask_avx512_f32<const COMPARE: i32>(
        questions: &[Question<f32>],
        x: &[f32],
        mut left: [__m512i; ROWS / 16],
    ) -> [__m512i; ROWS / 16] {
        for question in questions {
            let column = &x[question.column as usize * ROWS..][..ROWS];
            let (threshold, keep) = (_mm512_set1_ps(question.threshold), _mm512_set1_epi32(question.keep as i32));
            for (left, values) in left.iter_mut().zip(column.chunks_exact(16)) {
                // SAFETY: 16 values.
                let values = unsafe { _mm512_loadu_ps(values.as_ptr()) };
                let right = _mm512_cmp_ps_mask::<COMPARE>(values, threshold);
                *left = _mm512_mask_and_epi32(*left, right, *left, keep);
            }
        }
        left
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512cd")]
    fn ask_avx512_f64<const COMPARE: i32>(
        questions: &[Question<f64>],
        x: &[f64],
        mut left: [__m512i; ROWS / 16],
    ) -> [__m512i; ROWS / 16] {
        for question in questions {
            let column = &x[question.column as usize * ROWS..][..ROWS];
            let (threshold, keep) = (_mm512_set1_pd(question.threshold), _mm512_set1_epi32(question.keep as i32));
            for (left, values) in left.iter_mut().zip(column.chunks_exact(16)) {
                // SAFETY: 16 values.
                let (low, high) = unsafe { (_mm512_loadu_pd(values.as_ptr()), _mm512_loadu_pd(values[8..].as_ptr())) };
                let low = u16::from(_mm512_cmp_pd_mask::<COMPARE>(low, threshold));
                let high = u16::from(_mm512_cmp_pd_mask::<COMPARE>(high, threshold));
                *left = _mm512_mask_and_epi32(*left, high << 8 | low, *left, keep);
            }
        }
        left
    }

    /// As `avx512`, where a row's first leaf is found one row at a time.
    macro_rules! avx2 {
        ($name:ident, $type:ty, $ask:ident) => {
            #[target_feature(enable = "avx2,lzcnt")]
            pub fn $name(
                words: &[Word],
                questions: &[Question<$type>],
                first: u32,
                x: &[$type],
                reached: &mut [u32; ROWS],
            ) {
                reached.fill(0);
                let mut start = first as usize;
                for (number, word) in words.iter().enumerate() {
                    let (middle, end) = (word.missing_left as usize, word.missing_right as usize);
                    let all = [_mm256_set1_epi32(-1); ROWS / 8];
                    let left = $ask::<MISSING_LEFT>(&questions[start..middle], x, all);
                    let left = $ask::<MISSING_RIGHT>(&questions[middle..end], x, left);
                    let none_yet = 32 * number as u32;
                    for (reached, left) in reached.chunks_exact_mut(8).zip(left) {
                        let mut bits = [0_u32; 8];
                        // SAFETY: 8 numbers of 32 bits.
                        unsafe { _mm256_storeu_si256(bits.as_mut_ptr().cast(), left) };
                        for (reached, bits) in reached.iter_mut().zip(bits) {
                            *reached += if *reached == none_yet { bits.leading_zeros() } else { 0 };
                        }
                    }
                    start = end;
                }
            }
        };
    }

    avx2!(avx2_f32, f32, ask_avx2_f32);
    avx2!(avx2_f64, f64, ask_avx2_f64);

    #[inline]
    #[target_feature(enable = "avx2,lzcnt")]
    fn ask_avx2_f32<const COMPARE: i32>(
        questions: &[Question<f32>],
        x: &[f32],
        mut left: [__m256i; ROWS / 8],
    ) -> [__m256i; ROWS / 8] {
        for question in questions {
            let column = &x[question.column as usize * ROWS..][..ROWS];
            let (threshold, strike) = (_mm256_set1_ps(question.threshold), _mm256_set1_epi32(!question.keep as i32));
            for (left, values) in left.iter_mut().zip(column.chunks_exact(8)) {
                // SAFETY: 8 values.
                let values = unsafe { _mm256_loadu_ps(values.as_ptr()) };
                let right = _mm256_castps_si256(_mm256_cmp_ps::<COMPARE>(values, threshold));
                *left = _mm256_andnot_si256(_mm256_and_si256(right, strike), *left);
            }
        }
        left
    }

    #[inline]
    #[target_feature(enable = "avx2,lzcnt")]
    fn ask_avx2_f64<const COMPARE: i32>(
        questions: &[Question<f64>],
        x: &[f64],
        left: [__m256i; ROWS / 8],
    ) -> [__m256i; ROWS / 8] {
        // The instruction that halves eight answers puts rows 4 and 5 before rows 2 and 3; swapping twice undoes it.
        const SWAPPED: i32 = 0b11_01_10_00;
        let mut left = left.map(|left| _mm256_permute4x64_epi64::<SWAPPED>(left));
        for question in questions {
            let column = &x[question.column as usize * ROWS..][..ROWS];
            let (threshold, strike) = (_mm256_set1_pd(question.threshold), _mm256_set1_epi32(!question.keep as i32));
            for (left, values) in left.iter_mut().zip(column.chunks_exact(8)) {
                // SAFETY: 8 values.
                let (low, high) = unsafe { (_mm256_loadu_pd(values.as_ptr()), _mm256_loadu_pd(values[4..].as_ptr())) };
                let low = _mm256_castpd_ps(_mm256_cmp_pd::<COMPARE>(low, threshold));
                let high = _mm256_castpd_ps(_mm256_cmp_pd::<COMPARE>(high, threshold));
                let right = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(low, high));
                *left = _mm256_andnot_si256(_mm256_and_si256(right, strike), *left);
            }
        }
        left.map(|left| _mm256_permute4x64_epi64::<SWAPPED>(left))
    }
}
