//! Open files: each connection takes some, and a system's usual limit of 1,024 is less than a server with many sessions needs.

/// A connection's socket, and the pair that wakes its thread.
const OF_A_CONNECTION: u64 = 3;

/// Left for the files of models, downloads and libraries.
const OF_ALL_ELSE: u64 = 256;

/// Lets this process open as many files as it may, and says for how many connections they suffice.
#[must_use]
pub fn make_room() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls are given a structure that lives through them.
    #[allow(unsafe_code)]
    let known = unsafe {
        let known = libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0;
        let most = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if known && libc::setrlimit(libc::RLIMIT_NOFILE, &raw const most) == 0 {
            limit = most;
        }
        known
    };
    connections(if known { limit.rlim_cur } else { 1024 })
}

fn connections(files: u64) -> usize {
    usize::try_from(files.saturating_sub(OF_ALL_ELSE) / OF_A_CONNECTION).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_files_is_left_for_models() {
        assert_eq!(connections(1024), 256);
        assert_eq!(connections(20_000), 6581);
        assert_eq!(connections(100), 1);
        assert!(connections(u64::MAX) > 1 << 40);
    }
}
