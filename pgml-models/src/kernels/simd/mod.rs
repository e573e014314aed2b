//! Vectors of `f32` and `i32` behind one trait, so that every kernel is written once.
//!
//! A value of a type that implements [`Simd`] is the proof that the processor has its instructions: only
//! [`dispatch!`](super) makes one, after asking [`Cpu`](super::Cpu). That is why the methods are safe to call. Everything
//! generic over `Simd` is `#[inline(always)]`, so that it is compiled inside a function that has the instructions enabled.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
pub(super) use portable::Portable;

/// The widest vector, in floats.
pub(super) const MAX_LANES: usize = 16;

/// One vector instruction set.
pub(super) trait Simd: Copy + Send + Sync {
    /// `LANES` floats.
    type F: Copy;
    /// `LANES` 32-bit integers.
    type I: Copy;
    /// `LANES` groups of four signed bytes, prepared for products.
    type Signed: Copy;
    /// Elements in a vector.
    const LANES: usize;
    /// Rows of a matrix-multiplication tile two vectors wide that fit into the registers.
    const TILE_ROWS: usize;

    fn splat(self, x: f32) -> Self::F;
    /// The first `LANES` of `from`; panics when there are fewer.
    fn load(self, from: &[f32]) -> Self::F;
    /// Writes to the first `LANES` of `to`; panics when there are fewer.
    fn store(self, v: Self::F, to: &mut [f32]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a × b + c`, rounded once where the processor can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a > b ? a : b`: `b` when either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a < b ? a : b`: `b` when either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// To the nearest integer, ties to even.
    fn round(self, v: Self::F) -> Self::F;
    /// `v × 2ⁿ` for integral `n` from −300 to 300, right where the result is infinite or subnormal too.
    fn scale_by_power(self, v: Self::F, n: Self::F) -> Self::F;
    /// `x` where `a < b`, else `y`.
    fn if_less(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F;
    /// The magnitude of `magnitude` with the sign of `sign`.
    fn copy_sign(self, magnitude: Self::F, sign: Self::F) -> Self::F;
    /// Sum of the lanes, in one fixed order.
    fn sum(self, v: Self::F) -> f32;
    /// The largest lane, if none is NaN.
    fn largest(self, v: Self::F) -> f32;
    fn to_float(self, v: Self::I) -> Self::F;

    fn splat_int(self, x: i32) -> Self::I;
    fn bits(self, v: Self::F) -> Self::I;
    fn of_bits(self, v: Self::I) -> Self::F;
    fn and(self, a: Self::I, b: Self::I) -> Self::I;
    fn or(self, a: Self::I, b: Self::I) -> Self::I;
    fn xor(self, a: Self::I, b: Self::I) -> Self::I;
    fn shift_left_16(self, v: Self::I) -> Self::I;
    fn shift_left(self, v: Self::I, bits: u32) -> Self::I;
    /// Fills up with zeros.
    fn shift_right(self, v: Self::I, bits: u32) -> Self::I;
    fn sub_int(self, a: Self::I, b: Self::I) -> Self::I;
    fn mul_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// Adds to each lane the four products of `a`'s unsigned and `b`'s signed bytes. Exact.
    fn dot_bytes(self, acc: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// As [`dot_bytes`](Self::dot_bytes), quicker, for `a` below 128.
    fn dot_small(self, acc: Self::I, a: Self::I, b: Self::I) -> Self::I;
    fn signed(self, v: Self::I) -> Self::Signed;
    /// Adds to each lane the four products of signed bytes, those of `b` being at least −127. Exact.
    fn dot_signed(self, acc: Self::I, a: Self::Signed, b: Self::I) -> Self::I;

    /// # Safety
    /// `from` points to `LANES` readable 32-bit values; no alignment is needed.
    unsafe fn load_at(self, from: *const u32) -> Self::I;
    /// # Safety
    /// `to` points to `LANES` writable 32-bit values; no alignment is needed.
    unsafe fn store_at(self, v: Self::I, to: *mut u32);
    /// The lowest byte of each lane.
    /// # Safety
    /// `to` points to `LANES` writable bytes.
    unsafe fn store_bytes_at(self, v: Self::I, to: *mut u8);
    /// `LANES` half-precision floats.
    /// # Safety
    /// `from` points to `LANES` readable 16-bit values; no alignment beyond that is needed.
    unsafe fn load_halves_at(self, from: *const u16) -> Self::F;

    /// Up to `LANES` elements of `from`, the lanes after them being `fill`.
    #[inline(always)]
    fn load_part(self, from: &[f32], fill: f32) -> Self::F {
        let mut lanes = [fill; MAX_LANES];
        lanes[..from.len()].copy_from_slice(from);
        self.load(&lanes)
    }

    /// Writes the first `to.len()` lanes, at most `LANES`.
    #[inline(always)]
    fn store_part(self, v: Self::F, to: &mut [f32]) {
        let mut lanes = [0.0; MAX_LANES];
        self.store(v, &mut lanes);
        to.copy_from_slice(&lanes[..to.len()]);
    }

    #[inline(always)]
    fn abs(self, v: Self::F) -> Self::F {
        self.of_bits(self.and(self.bits(v), self.splat_int(0x7fff_ffff)))
    }

    /// `c − a × b`, rounded once where the processor can.
    #[inline(always)]
    fn neg_mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        self.mul_add(self.sub(self.splat(0.0), a), b, c)
    }
}

/// Defines `$name(cpu, …)`, which runs the generic kernel `$generic(simd, …)` with the instructions that `cpu` has.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $generic:ident;) => {
        $(#[$doc])*
        #[allow(unsafe_code, clippy::too_many_arguments, reason = "calls code compiled for instructions found at run time")]
        $vis fn $name(cpu: $crate::kernels::cpu::Cpu, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::{cpu::Level, simd::{Avx2, Avx512}};
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                fn avx512(simd: Avx512, $($arg: $ty),*) $(-> $ret)? {
                    $generic(simd, $($arg),*)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2(simd: Avx2, $($arg: $ty),*) $(-> $ret)? {
                    $generic(simd, $($arg),*)
                }
                match cpu.level() {
                    // SAFETY: a `Cpu` of this level exists only on processors with these instructions.
                    Level::Avx512 => return unsafe { avx512(Avx512::assume(), $($arg),*) },
                    // SAFETY: as above.
                    Level::Avx2 => return unsafe { avx2(Avx2::assume(), $($arg),*) },
                    Level::Portable => {}
                }
            }
            let _ = cpu;
            $generic($crate::kernels::simd::Portable, $($arg),*)
        }
    };
}
pub(super) use dispatch;
