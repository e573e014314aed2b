//! Memory of activations, used again: a large block that goes back to the system costs a page fault for every 4 KiB when
//! it is asked for anew.

use std::cell::RefCell;

/// Blocks that a thread keeps.
const KEPT: usize = 8;

/// The most floats that a thread keeps (128 MiB).
const KEPT_FLOATS: usize = 32 << 20;

thread_local! {
    static POOL: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// `len` floats of any value.
pub(super) fn take(len: usize) -> Vec<f32> {
    let fitting = POOL.with_borrow_mut(|pool| {
        let smallest = (0..pool.len()).filter(|&i| pool[i].len() >= len).min_by_key(|&i| pool[i].len());
        smallest.map(|i| pool.swap_remove(i))
    });
    match fitting {
        Some(mut buffer) => {
            buffer.truncate(len);
            buffer
        }
        None => vec![0.0; len],
    }
}

/// Keeps a block for the next [`take`], or frees it.
pub(super) fn give_back(mut buffer: Vec<f32>) {
    // What lies between length and capacity has been written before or costs its zeros once.
    buffer.resize(buffer.capacity(), 0.0);
    // A thread that ends has no pool any more; the block is freed then.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        pool.push(buffer);
        while pool.len() > KEPT || pool.iter().map(Vec::len).sum::<usize>() > KEPT_FLOATS {
            let smallest = (0..pool.len()).min_by_key(|&i| pool[i].len());
            smallest.map(|i| pool.swap_remove(i));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_used_again_and_the_pool_stays_small() {
        let first = take(1000);
        let address = first.as_ptr();
        give_back(first);
        let second = take(900);
        assert_eq!((second.as_ptr(), second.len()), (address, 900));
        for len in 0..100 {
            give_back(vec![0.0; len]);
        }
        assert_eq!(POOL.with_borrow(Vec::len), KEPT);
    }
}
