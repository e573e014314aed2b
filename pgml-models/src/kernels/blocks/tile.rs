//! The innermost loop over packed blocks: integer products of groups, scaled and added to a tile of floats.
// SAFETY of the blocks here: the pointers of a `Tile` are good for the whole tile by the promise of the function's
// caller; instructions beyond the baseline run only behind the `Cpu` that has them, see `kernel`.

use super::super::cpu::{Cpu, Level};
#[cfg(target_arch = "x86_64")]
use super::super::simd::{Avx2, Avx512};
use super::super::simd::{Portable, Simd};
use super::super::tile::{Kernel, Tile};
use super::operand::{BLOCK_WORDS, Correction};
use super::{BlockFormat, Format, Place, Q4_0, Q4K, Q5K, Q6K, Q8_0};

/// Weights per column that are multiplied with all tiles of a block of rows before the next: what a panel has of them
/// stays in the first-level cache.
const PASS: usize = 512;

/// The best kernel for `format` that `cpu` has.
pub(crate) fn kernel(cpu: Cpu, format: BlockFormat) -> Kernel {
    match format {
        BlockFormat::Q8_0 => of::<Q8_0>(cpu),
        BlockFormat::Q4_0 => of::<Q4_0>(cpu),
        BlockFormat::Q4K => of::<Q4K>(cpu),
        BlockFormat::Q5K => of::<Q5K>(cpu),
        BlockFormat::Q6K => of::<Q6K>(cpu),
    }
}

fn of<F: Format>(cpu: Cpu) -> Kernel {
    #[cfg(target_arch = "x86_64")]
    match cpu.level() {
        Level::Avx512 if cpu.has_vnni() => return describe::<F, native::Vnni>(avx512_vnni::<F>, 6),
        Level::Avx512 => return describe::<F, Bytes<Avx512>>(avx512::<F>, 6),
        Level::Avx2 => return describe::<F, Bytes<Avx2>>(avx2::<F>, 3),
        Level::Portable => {}
    }
    let _ = (cpu, Level::Portable);
    describe::<F, Bytes<Portable>>(portable::<F>, 2)
}

fn describe<F: Format, D: ByteDot>(run: unsafe fn(usize, &Tile), max_rows: usize) -> Kernel {
    let lanes = D::S::LANES;
    let offset = if D::centres::<F>() { 0 } else { F::OFFSET };
    Kernel {
        lanes,
        max_rows,
        inputs: F::LEN,
        a_step: F::LEN / 32 * BLOCK_WORDS,
        b_step: F::LAYOUT.panel_words(2 * lanes),
        pass: PASS / F::LEN,
        correction: Correction { offset, group: F::GROUP },
        run,
    }
}

/// How codes are multiplied with signed bytes.
trait ByteDot: Copy {
    type S: Simd;
    /// A vector of codes.
    type W: Copy;
    fn simd(self) -> Self::S;
    /// Whether products are those of `code − OFFSET`.
    fn centres<F: Format>() -> bool;
    fn prepare<F: Format>(self, codes: <Self::S as Simd>::I) -> Self::W;
    fn add<F: Format>(self, sum: <Self::S as Simd>::I, w: Self::W, x: <Self::S as Simd>::I) -> <Self::S as Simd>::I;
}

/// By pairs of bytes: codes that take all eight bits are multiplied as signed bytes, because sums of pairs must fit into 16.
#[derive(Clone, Copy)]
struct Bytes<S>(S);

#[derive(Clone, Copy)]
enum Codes<S: Simd> {
    Small(S::I),
    Signed(S::Signed),
}

impl<S: Simd> ByteDot for Bytes<S> {
    type S = S;
    type W = Codes<S>;
    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    fn centres<F: Format>() -> bool {
        F::OFFSET == 128
    }
    #[inline(always)]
    fn prepare<F: Format>(self, codes: S::I) -> Codes<S> {
        let s = self.0;
        if Self::centres::<F>() {
            // Flips each byte's highest bit: minus 128.
            Codes::Signed(s.signed(s.xor(codes, s.splat_int(i32::from_le_bytes([0x80; 4])))))
        } else {
            Codes::Small(codes)
        }
    }
    #[inline(always)]
    fn add<F: Format>(self, sum: S::I, w: Codes<S>, x: S::I) -> S::I {
        match w {
            Codes::Small(w) => self.0.dot_small(sum, w, x),
            Codes::Signed(w) => self.0.dot_signed(sum, w, x),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod native {
    //! What AVX-512 VNNI does in one instruction.

    use std::arch::x86_64::*;

    use super::{Avx512, ByteDot, Format};

    /// Exists only behind `Cpu::has_vnni`.
    #[derive(Clone, Copy)]
    pub(super) struct Vnni(pub Avx512);

    impl ByteDot for Vnni {
        type S = Avx512;
        type W = __m512i;
        #[inline(always)]
        fn simd(self) -> Avx512 {
            self.0
        }
        #[inline(always)]
        fn centres<F: Format>() -> bool {
            false
        }
        #[inline(always)]
        fn prepare<F: Format>(self, codes: __m512i) -> __m512i {
            codes
        }
        #[inline(always)]
        fn add<F: Format>(self, sum: __m512i, w: __m512i, x: __m512i) -> __m512i {
            unsafe { _mm512_dpbusd_epi32(sum, w, x) }
        }
    }
}

/// No closures here: what they call would be compiled without the instructions.
#[inline(always)]
unsafe fn tile<F: Format, D: ByteDot, const ROWS: usize>(d: D, t: &Tile) {
    unsafe {
        let s = d.simd();
        let lanes = D::S::LANES;
        let mut sums = [[s.splat(0.0); 2]; ROWS];
        let mut rows = [t.a; ROWS];
        for r in 0..ROWS {
            rows[r] = t.a.add(r * t.a_row);
            if t.accumulate {
                let from = t.sums.add(r * t.sums_row);
                sums[r] = [s.of_bits(s.load_at(from)), s.of_bits(s.load_at(from.add(lanes)))];
            }
        }
        let mut left = Place { block: t.b, width: 2 * lanes, column: 0 };
        for _ in 0..t.steps {
            let right = Place { column: lanes, ..left };
            for part in 0..F::LEN / 32 {
                for group in 0..32 / F::GROUP {
                    let mut ints = [[s.splat_int(0); 2]; ROWS];
                    for r in 0..ROWS {
                        ints[r] = [s.splat_int((*rows[r].add(9 + group)).cast_signed()); 2];
                    }
                    for step in group * F::GROUP / 4..(group + 1) * F::GROUP / 4 {
                        let w0 = d.prepare::<F>(F::codes(s, left, part, step));
                        let w1 = d.prepare::<F>(F::codes(s, right, part, step));
                        for r in 0..ROWS {
                            let x = s.splat_int((*rows[r].add(step)).cast_signed());
                            ints[r] = [d.add::<F>(ints[r][0], w0, x), d.add::<F>(ints[r][1], w1, x)];
                        }
                    }
                    let index = part * (32 / F::GROUP) + group;
                    let (scale0, scale1) = (F::scale(s, left, index), F::scale(s, right, index));
                    for r in 0..ROWS {
                        let x = s.splat(f32::from_bits(*rows[r].add(8)));
                        let [sum0, sum1] = sums[r];
                        sums[r] = [
                            s.mul_add(s.to_float(ints[r][0]), s.mul(scale0, x), sum0),
                            s.mul_add(s.to_float(ints[r][1]), s.mul(scale1, x), sum1),
                        ];
                    }
                }
                if F::MINIMA {
                    let (minimum0, minimum1) = (F::minimum(s, left, part), F::minimum(s, right, part));
                    for r in 0..ROWS {
                        let x = s.splat(f32::from_bits(*rows[r].add(11)));
                        let [sum0, sum1] = sums[r];
                        sums[r] = [s.neg_mul_add(minimum0, x, sum0), s.neg_mul_add(minimum1, x, sum1)];
                    }
                }
                for row in &mut rows {
                    *row = row.add(BLOCK_WORDS);
                }
            }
            left.block = left.block.add(t.b_step);
        }
        for (r, sums) in sums.iter().enumerate() {
            let to = t.sums.add(r * t.sums_row);
            s.store_at(s.bits(sums[0]), to);
            s.store_at(s.bits(sums[1]), to.add(lanes));
        }
    }
}

/// Defines `$name::<F>(rows, tile)`: the loop over `$dot`, compiled once per number of rows with `$attribute`.
macro_rules! kernel {
    ($name:ident, [$($attribute:meta)?], $dot:expr, $($rows:literal)*) => {
        unsafe fn $name<F: Format>(rows: usize, t: &Tile) {
            $(#[$attribute])?
            unsafe fn run<F: Format, const ROWS: usize>(t: &Tile) {
                #[allow(unused_unsafe, reason = "the portable token is made without a promise")]
                unsafe { tile::<F, _, ROWS>($dot, t) }
            }
            match rows {
                $($rows => unsafe { run::<F, $rows>(t) },)*
                _ => unreachable!("a tile has 1 to max_rows rows"),
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernel!(
    avx512_vnni,
    [target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,avx512vnni")],
    native::Vnni(Avx512::assume()),
    1 2 3 4 5 6
);
#[cfg(target_arch = "x86_64")]
kernel!(
    avx512,
    [target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")],
    Bytes(Avx512::assume()),
    1 2 3 4 5 6
);
#[cfg(target_arch = "x86_64")]
kernel!(avx2, [target_feature(enable = "avx2,fma,f16c")], Bytes(Avx2::assume()), 1 2 3);
kernel!(portable, [], Bytes(Portable), 1 2);
