//! Memory between two owners in one process.
#![expect(unsafe_code, reason = "a call of the C library's allocator")]

/// Gives the pages of freed memory back to the system. Columns that were freed lie below what was allocated after them,
/// where the allocator keeps them: they would count beside the library's own memory, and stay with the process for good.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: a call without arguments that matter; other threads may allocate meanwhile.
    unsafe {
        libc::malloc_trim(0);
    }
}
