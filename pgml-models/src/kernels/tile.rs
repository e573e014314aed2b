//! The innermost loop of every matrix product: a tile of sums, a few rows high and two vectors wide, that stays in
//! registers while it runs along the inputs.
//!
//! One loop serves all precisions but blocks, because an element of a row is always four bytes: one float, two bf16, or
//! four 8-bit integers, and a step adds one, two or four products to each sum. That of blocks is `blocks/tile.rs`.
// SAFETY of the blocks here: the pointers of a `Tile` are good for the whole tile by the promise of the function's
// caller; instructions beyond the baseline run only behind the `Cpu` that has them, see `Kernel::of`.

use super::blocks::{self, Correction};
use super::cpu::{Cpu, Level};
use super::packed::Precision;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};

/// Steps of a panel that are multiplied with all tiles of a block before the next: 64 kB of weights.
const STEPS_PER_PASS: usize = 512;

/// What one call computes: `sums[r][c] (+)= Σ_step a[r][step] · b[step][c]`.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Length of the loop.
    pub steps: usize,
    /// The elements of row `r` and step `s` are at `a[r × a_row + s × a_step]`: one of four bytes, or a block's.
    pub a: *const u32,
    pub a_row: usize,
    pub a_step: usize,
    /// Step `s` has its weights for `2 × LANES` columns from `b[s × b_step]` on.
    pub b: *const u32,
    pub b_step: usize,
    /// Row `r` has its `2 × LANES` sums (`f32`, or `i32` for integers) from `sums[r × sums_row]` on.
    pub sums: *mut u32,
    pub sums_row: usize,
    /// Add to what `sums` has, instead of starting at zero.
    pub accumulate: bool,
}

/// The loop for one precision, compiled for one processor.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    /// Elements in a vector; a tile is twice as wide.
    pub lanes: usize,
    /// Rows that a tile can have at most.
    pub max_rows: usize,
    /// Inputs of one step, and how many words they take: in a row, and in a panel.
    pub inputs: usize,
    pub a_step: usize,
    pub b_step: usize,
    /// Steps of a panel that are multiplied with all tiles of a block before the next.
    pub pass: usize,
    /// Of blocks: what the rows make good for.
    pub correction: Correction,
    pub run: unsafe fn(usize, &Tile),
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("lanes", &self.lanes).field("max_rows", &self.max_rows).finish_non_exhaustive()
    }
}

impl Kernel {
    /// The best kernel for `precision` that `cpu` has.
    pub(super) fn of(cpu: Cpu, precision: Precision) -> Self {
        #[cfg(target_arch = "x86_64")]
        match cpu.level() {
            Level::Avx512 => {
                let run = match precision {
                    Precision::Blocks(format) => return blocks::kernel(cpu, format),
                    Precision::F32 => avx512_f32,
                    Precision::F16 => avx512_f16,
                    Precision::Bf16 if cpu.has_bf16() => avx512_bf16,
                    Precision::Bf16 => avx512_bf16_emulated,
                    Precision::Int8 if cpu.has_vnni() => avx512_vnni,
                    Precision::Int8 => avx512_bytes,
                };
                return Self::of_steps::<Avx512>(precision, run);
            }
            Level::Avx2 => {
                let run = match precision {
                    Precision::Blocks(format) => return blocks::kernel(cpu, format),
                    Precision::F32 => avx2_f32,
                    Precision::F16 => avx2_f16,
                    Precision::Bf16 => avx2_bf16,
                    Precision::Int8 => avx2_bytes,
                };
                return Self::of_steps::<Avx2>(precision, run);
            }
            Level::Portable => {}
        }
        let _ = (cpu, Level::Portable);
        let run = match precision {
            Precision::Blocks(format) => return blocks::kernel(cpu, format),
            Precision::F32 => portable_f32,
            Precision::F16 => portable_f16,
            Precision::Bf16 => portable_bf16,
            Precision::Int8 => portable_bytes,
        };
        Self::of_steps::<Portable>(precision, run)
    }

    /// A kernel whose steps are one element of a row each.
    fn of_steps<S: Simd>(precision: Precision, run: unsafe fn(usize, &Tile)) -> Self {
        let (inputs, b_step) = match precision {
            Precision::F16 => (1, S::LANES),
            Precision::Bf16 => (2, 2 * S::LANES),
            Precision::Int8 => (4, 2 * S::LANES),
            Precision::F32 | Precision::Blocks(_) => (1, 2 * S::LANES),
        };
        let (lanes, max_rows, pass) = (S::LANES, S::TILE_ROWS, STEPS_PER_PASS);
        Self { lanes, max_rows, inputs, a_step: 1, b_step, pass, correction: Correction::default(), run }
    }

    /// Width of a tile.
    pub(super) fn width(&self) -> usize {
        2 * self.lanes
    }

    /// Computes a tile of `rows` rows, 1 to `max_rows`.
    ///
    /// # Safety
    /// Every element that `tile` describes for `rows` rows lies in memory that may be read, its sums in memory that may
    /// be written and that nobody else uses.
    #[inline]
    pub(super) unsafe fn run(&self, rows: usize, tile: &Tile) {
        debug_assert!((1..=self.max_rows).contains(&rows));
        unsafe { (self.run)(rows, tile) }
    }
}

/// How one step adds to the sums.
trait Dot: Copy {
    type S: Simd;
    type Sum: Copy;
    /// An element of `a` in all lanes.
    type A: Copy;
    /// A vector of `b`.
    type B: Copy;
    fn simd(self) -> Self::S;
    fn sum(self, bits: <Self::S as Simd>::I) -> Self::Sum;
    fn bits(self, sum: Self::Sum) -> <Self::S as Simd>::I;
    fn spread(self, a: u32) -> Self::A;
    /// The vector with the columns from `column` on of the step that starts at `b`.
    ///
    /// # Safety
    /// `b` points to a whole step.
    unsafe fn vector(self, b: *const u32, column: usize) -> Self::B;
    fn add(self, sum: Self::Sum, a: Self::A, b: Self::B) -> Self::Sum;
}

#[inline(always)]
unsafe fn tile<D: Dot, const ROWS: usize>(d: D, t: &Tile) {
    unsafe {
        let s = d.simd();
        let lanes = <D::S as Simd>::LANES;
        let mut sums = [[d.sum(s.splat_int(0)); 2]; ROWS];
        if t.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                let from = t.sums.add(r * t.sums_row);
                *sums = [d.sum(s.load_at(from)), d.sum(s.load_at(from.add(lanes)))];
            }
        }
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.steps {
            let b0 = d.vector(b, 0);
            let b1 = d.vector(b, lanes);
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = d.spread(*a.add(r * t.a_row));
                *sums = [d.add(sums[0], x, b0), d.add(sums[1], x, b1)];
            }
            a = a.add(t.a_step);
            b = b.add(t.b_step);
        }
        for (r, sums) in sums.iter().enumerate() {
            let to = t.sums.add(r * t.sums_row);
            s.store_at(d.bits(sums[0]), to);
            s.store_at(d.bits(sums[1]), to.add(lanes));
        }
    }
}

/// Single precision.
#[derive(Clone, Copy)]
struct F32<S>(S);

impl<S: Simd> Dot for F32<S> {
    type S = S;
    type Sum = S::F;
    type A = S::F;
    type B = S::F;
    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    fn sum(self, bits: S::I) -> S::F {
        self.0.of_bits(bits)
    }
    #[inline(always)]
    fn bits(self, sum: S::F) -> S::I {
        self.0.bits(sum)
    }
    #[inline(always)]
    fn spread(self, a: u32) -> S::F {
        self.0.splat(f32::from_bits(a))
    }
    #[inline(always)]
    unsafe fn vector(self, b: *const u32, column: usize) -> S::F {
        unsafe { self.0.of_bits(self.0.load_at(b.add(column))) }
    }
    #[inline(always)]
    fn add(self, sum: S::F, a: S::F, b: S::F) -> S::F {
        self.0.mul_add(a, b, sum)
    }
}

/// Half-precision weights and single-precision inputs.
#[derive(Clone, Copy)]
struct F16<S>(S);

impl<S: Simd> Dot for F16<S> {
    type S = S;
    type Sum = S::F;
    type A = S::F;
    type B = S::F;
    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    fn sum(self, bits: S::I) -> S::F {
        self.0.of_bits(bits)
    }
    #[inline(always)]
    fn bits(self, sum: S::F) -> S::I {
        self.0.bits(sum)
    }
    #[inline(always)]
    fn spread(self, a: u32) -> S::F {
        self.0.splat(f32::from_bits(a))
    }
    #[inline(always)]
    unsafe fn vector(self, b: *const u32, column: usize) -> S::F {
        unsafe { self.0.load_halves_at(b.cast::<u16>().add(column)) }
    }
    #[inline(always)]
    fn add(self, sum: S::F, a: S::F, b: S::F) -> S::F {
        self.0.mul_add(a, b, sum)
    }
}

/// Pairs of bf16, widened to two floats, where the processor cannot multiply them.
#[derive(Clone, Copy)]
struct Bf16<S>(S);

impl<S: Simd> Bf16<S> {
    /// The earlier and the later of each pair.
    #[inline(always)]
    fn widen(self, pairs: S::I) -> [S::F; 2] {
        let s = self.0;
        [s.of_bits(s.shift_left_16(pairs)), s.of_bits(s.and(pairs, s.splat_int(-0x1_0000)))]
    }
}

impl<S: Simd> Dot for Bf16<S> {
    type S = S;
    type Sum = S::F;
    type A = [S::F; 2];
    type B = [S::F; 2];
    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    fn sum(self, bits: S::I) -> S::F {
        self.0.of_bits(bits)
    }
    #[inline(always)]
    fn bits(self, sum: S::F) -> S::I {
        self.0.bits(sum)
    }
    #[inline(always)]
    fn spread(self, a: u32) -> Self::A {
        [self.0.splat(f32::from_bits(a << 16)), self.0.splat(f32::from_bits(a & 0xffff_0000))]
    }
    #[inline(always)]
    unsafe fn vector(self, b: *const u32, column: usize) -> Self::B {
        unsafe { self.widen(self.0.load_at(b.add(column))) }
    }
    #[inline(always)]
    fn add(self, sum: S::F, a: Self::A, b: Self::B) -> S::F {
        self.0.mul_add(a[1], b[1], self.0.mul_add(a[0], b[0], sum))
    }
}

/// Groups of four bytes: unsigned inputs, signed weights.
#[derive(Clone, Copy)]
struct Bytes<S>(S);

impl<S: Simd> Dot for Bytes<S> {
    type S = S;
    type Sum = S::I;
    type A = S::I;
    type B = S::I;
    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    fn sum(self, bits: S::I) -> S::I {
        bits
    }
    #[inline(always)]
    fn bits(self, sum: S::I) -> S::I {
        sum
    }
    #[inline(always)]
    fn spread(self, a: u32) -> S::I {
        self.0.splat_int(a.cast_signed())
    }
    #[inline(always)]
    unsafe fn vector(self, b: *const u32, column: usize) -> S::I {
        unsafe { self.0.load_at(b.add(column)) }
    }
    #[inline(always)]
    fn add(self, sum: S::I, a: S::I, b: S::I) -> S::I {
        self.0.dot_bytes(sum, a, b)
    }
}

#[cfg(target_arch = "x86_64")]
mod native {
    //! What AVX-512 BF16 and VNNI do in one instruction.

    use std::arch::x86_64::*;

    use super::{Avx512, Dot};

    /// Pairs of bf16. Exists only behind `Cpu::has_bf16`.
    #[derive(Clone, Copy)]
    pub(super) struct Bf16(pub Avx512);

    impl Dot for Bf16 {
        type S = Avx512;
        type Sum = __m512;
        type A = __m512i;
        type B = __m512i;
        #[inline(always)]
        fn simd(self) -> Avx512 {
            self.0
        }
        #[inline(always)]
        fn sum(self, bits: __m512i) -> __m512 {
            unsafe { _mm512_castsi512_ps(bits) }
        }
        #[inline(always)]
        fn bits(self, sum: __m512) -> __m512i {
            unsafe { _mm512_castps_si512(sum) }
        }
        #[inline(always)]
        fn spread(self, a: u32) -> __m512i {
            unsafe { _mm512_set1_epi32(a.cast_signed()) }
        }
        #[inline(always)]
        unsafe fn vector(self, b: *const u32, column: usize) -> __m512i {
            unsafe { _mm512_loadu_si512(b.add(column).cast()) }
        }
        #[inline(always)]
        fn add(self, sum: __m512, a: __m512i, b: __m512i) -> __m512 {
            // SAFETY: both are 512 bits of plain data.
            unsafe {
                _mm512_dpbf16_ps(
                    sum,
                    std::mem::transmute::<__m512i, __m512bh>(a),
                    std::mem::transmute::<__m512i, __m512bh>(b),
                )
            }
        }
    }

    /// Groups of four bytes. Exists only behind `Cpu::has_vnni`.
    #[derive(Clone, Copy)]
    pub(super) struct Vnni(pub Avx512);

    impl Dot for Vnni {
        type S = Avx512;
        type Sum = __m512i;
        type A = __m512i;
        type B = __m512i;
        #[inline(always)]
        fn simd(self) -> Avx512 {
            self.0
        }
        #[inline(always)]
        fn sum(self, bits: __m512i) -> __m512i {
            bits
        }
        #[inline(always)]
        fn bits(self, sum: __m512i) -> __m512i {
            sum
        }
        #[inline(always)]
        fn spread(self, a: u32) -> __m512i {
            unsafe { _mm512_set1_epi32(a.cast_signed()) }
        }
        #[inline(always)]
        unsafe fn vector(self, b: *const u32, column: usize) -> __m512i {
            unsafe { _mm512_loadu_si512(b.add(column).cast()) }
        }
        #[inline(always)]
        fn add(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
            unsafe { _mm512_dpbusd_epi32(sum, a, b) }
        }
    }
}

/// Defines `$name(rows, tile)`: the loop over `$dot`, compiled once per number of rows with `$attribute`.
macro_rules! kernel {
    ($name:ident, [$($attribute:meta)?], $dot:expr, $($rows:literal)*) => {
        unsafe fn $name(rows: usize, t: &Tile) {
            $(#[$attribute])?
            unsafe fn run<const ROWS: usize>(t: &Tile) {
                #[allow(unused_unsafe, reason = "the portable token is made without a promise")]
                unsafe { tile::<_, ROWS>($dot, t) }
            }
            match rows {
                $($rows => unsafe { run::<$rows>(t) },)*
                _ => unreachable!("a tile has 1 to max_rows rows"),
            }
        }
    };
}

macro_rules! avx512_kernel {
    ($name:ident, $features:literal, $dot:expr) => {
        #[cfg(target_arch = "x86_64")]
        kernel!($name, [target_feature(enable = $features)], $dot, 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    };
}

macro_rules! avx2_kernel {
    ($name:ident, $dot:expr) => {
        #[cfg(target_arch = "x86_64")]
        kernel!($name, [target_feature(enable = "avx2,fma,f16c")], $dot, 1 2 3 4 5 6);
    };
}

avx512_kernel!(avx512_f32, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", F32(Avx512::assume()));
avx512_kernel!(avx512_f16, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", F16(Avx512::assume()));
avx512_kernel!(avx512_bf16, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512bf16", native::Bf16(Avx512::assume()));
avx512_kernel!(avx512_bf16_emulated, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", Bf16(Avx512::assume()));
avx512_kernel!(avx512_vnni, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512vnni", native::Vnni(Avx512::assume()));
avx512_kernel!(avx512_bytes, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", Bytes(Avx512::assume()));
avx2_kernel!(avx2_f32, F32(Avx2::assume()));
avx2_kernel!(avx2_f16, F16(Avx2::assume()));
avx2_kernel!(avx2_bf16, Bf16(Avx2::assume()));
avx2_kernel!(avx2_bytes, Bytes(Avx2::assume()));
kernel!(portable_f32, [], F32(Portable), 1 2 3 4 5 6);
kernel!(portable_f16, [], F16(Portable), 1 2 3 4 5 6);
kernel!(portable_bf16, [], Bf16(Portable), 1 2 3 4 5 6);
kernel!(portable_bytes, [], Bytes(Portable), 1 2 3 4 5 6);
