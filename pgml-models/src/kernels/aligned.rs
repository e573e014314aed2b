//! Memory that starts on a cache line: a vector load that crosses two lines costs two.

/// A cache line of 32-bit values.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// 32-bit values (floats, pairs of bf16, groups of four bytes) from the start of a cache line on.
#[derive(Debug, Default)]
pub(super) struct Aligned(Vec<Line>);

impl Aligned {
    pub(super) fn zeros(len: usize) -> Self {
        Self(vec![Line([0; 16]); len.div_ceil(16)])
    }

    /// Makes room for at least `len` values; what they are is unspecified.
    pub(super) fn reserve(&mut self, len: usize) {
        if self.0.len() < len.div_ceil(16) {
            self.0.resize(len.div_ceil(16), Line([0; 16]));
        }
    }

    pub(super) fn as_slice(&self) -> &[u32] {
        // SAFETY: a line is 16 plain values without padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 16) }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u32] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16) }
    }

    /// The values as floats.
    pub(super) fn floats_mut(&mut self) -> &mut [f32] {
        // SAFETY: `f32` and `u32` have the same size and alignment, and every bit pattern is valid for both.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16) }
    }
}
