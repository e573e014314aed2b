//! Cuts the rows of a node in two, keeping their order.

use rayon::prelude::*;

use super::bins::LANES;

/// Fewer rows than these are cut by one thread.
const FEW: usize = 1 << 14;

/// Moves the rows whose bin in the word's place `lane` goes left to the front; returns how many. Both sides keep their
/// order. `spare` is as long as `rows`.
pub(super) fn partition(
    rows: &mut [u32],
    spare: &mut [u32],
    words: &[[u8; LANES]],
    lane: usize,
    left: &[bool; 256],
) -> usize {
    let n_pieces = if rows.len() < FEW { 1 } else { rayon::current_num_threads() };
    let size = rows.len().div_ceil(n_pieces).max(1);
    let cut = |rows: &mut [u32], spare: &mut [u32]| match lane {
        0 => cut::<0>(rows, spare, words, left),
        1 => cut::<1>(rows, spare, words, left),
        2 => cut::<2>(rows, spare, words, left),
        _ => cut::<3>(rows, spare, words, left),
    };
    let n_left: Vec<usize> = if n_pieces == 1 {
        vec![cut(rows, spare)]
    } else {
        rows.par_chunks_mut(size).zip(spare.par_chunks_mut(size)).map(|(rows, spare)| cut(rows, spare)).collect()
    };
    let mut end = 0;
    for (piece, n_left) in n_left.iter().enumerate() {
        rows.copy_within(piece * size..piece * size + n_left, end);
        end += n_left;
    }
    let total = end;
    for (piece, n_left) in n_left.iter().enumerate() {
        let start = piece * size;
        let n_right = size.min(rows.len() - start) - n_left;
        rows[end..end + n_right].copy_from_slice(&spare[start..start + n_right]);
        end += n_right;
    }
    total
}

/// Leaves what goes left at the front of `rows`, and what goes right at the front of `spare`.
fn cut<const LANE: usize>(rows: &mut [u32], spare: &mut [u32], words: &[[u8; LANES]], left: &[bool; 256]) -> usize {
    let mut n_left = 0;
    for i in 0..rows.len() {
        let row = rows[i];
        // Written on both sides, counted on one: there is no branch to mispredict.
        rows[n_left] = row;
        spare[i - n_left] = row;
        n_left += usize::from(left[usize::from(words[row as usize][LANE])]);
    }
    n_left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_their_order_on_any_number_of_threads() {
        let mut rng = fastrand::Rng::with_seed(3);
        let words: Vec<[u8; 4]> = (0..50_000).map(|_| rng.u32(..).to_le_bytes()).collect();
        let mut left = [false; 256];
        left[..100].fill(true);
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let mut rows: Vec<u32> = (0..50_000).collect();
            let mut spare = vec![0; rows.len()];
            let n_left = pool.install(|| partition(&mut rows, &mut spare, &words, 1, &left));
            let (expected_left, expected_right): (Vec<u32>, Vec<u32>) =
                (0..50_000).partition(|row| words[*row as usize][1] < 100);
            assert_eq!(n_left, expected_left.len());
            assert_eq!(rows, [expected_left, expected_right].concat(), "{threads} threads");
        }
    }
}
