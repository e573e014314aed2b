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
        let mut lines = Vec::with_capacity(len.div_ceil(16));
        ask_for_large_pages(lines.spare_capacity_mut());
        lines.resize(len.div_ceil(16), Line([0; 16]));
        Self(lines)
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

/// Has the whole pages of `memory` made large (2 MB) where the system can: memory is read up to half as fast again, because
/// the processor looks ahead within a page only and finds its place more quickly. Takes no more memory, and may fail.
fn ask_for_large_pages<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        const WORTH_IT: usize = 2 << 20;
        let (start, len) = (memory.as_ptr().addr(), size_of_val(memory));
        let first = start.next_multiple_of(PAGE);
        if len >= WORTH_IT {
            let len = (start + len - first) / PAGE * PAGE;
            // SAFETY: the pages lie within `memory`, which is ours; the advice changes no contents.
            unsafe {
                libc::madvise(memory.as_mut_ptr().wrapping_byte_add(first - start).cast(), len, libc::MADV_HUGEPAGE)
            };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}
