//! A block of rows through symmetric trees: tests in vector registers, then sums of several trees at a time.

use super::forest::{BLOCK, Forest, TreeRef};
use crate::solvers::kernels::for_each_cpu;

/// Trees whose leaves are found before their values are added: sums then stay in registers for as many additions.
const TREES: usize = 4;

/// The leaf of each row of a block in some trees.
type Leaves = [[u16; BLOCK]; TREES];

for_each_cpu! {
    /// Adds the leaf values of several rows, at most [`BLOCK`], tree by tree: `bins` are `columns × n_rows`, `scores`
    /// `n_rows × dims`.
    pub(super) fn add_block(forest: &Forest, bins: &[u8], n_rows: usize, scores: &mut [f64]) {
        let mut leaves: Leaves = [[0; BLOCK]; TREES];
        let mut values: [&[f64]; TREES] = [&[]; TREES];
        let mut waiting = 0;
        for tree in forest.trees() {
            find_leaves(&tree, bins, n_rows, &mut leaves[waiting]);
            values[waiting] = tree.values;
            waiting += 1;
            if waiting == TREES {
                add(forest.dims, &leaves, &values, n_rows, scores);
                waiting = 0;
            }
        }
        for tree in 0..waiting {
            add(forest.dims, &[leaves[tree]], &[values[tree]], n_rows, scores);
        }
    }
}

/// The number of each row's leaf, a bit for each test.
#[inline(always)]
fn find_leaves(tree: &TreeRef<'_>, bins: &[u8], n_rows: usize, leaves: &mut [u16; BLOCK]) {
    let tests = tree.columns.iter().zip(tree.thresholds).enumerate();
    // Up to eight levels fit in a byte, and the processor compares more bytes at once.
    let mut low = [0_u8; BLOCK];
    let low = &mut low[..n_rows];
    for (level, (column, threshold)) in tests.clone().take(8) {
        let (bins, bit) = (&bins[*column as usize * n_rows..][..n_rows], 1 << level);
        low.iter_mut().zip(bins).for_each(|(leaf, bin)| *leaf |= if bin > threshold { bit } else { 0 });
    }
    let leaves = &mut leaves[..n_rows];
    leaves.iter_mut().zip(low).for_each(|(leaf, low)| *leaf = u16::from(*low));
    for (level, (column, threshold)) in tests.skip(8) {
        let (bins, bit) = (&bins[*column as usize * n_rows..][..n_rows], 1 << level);
        leaves.iter_mut().zip(bins).for_each(|(leaf, bin)| *leaf |= if bin > threshold { bit } else { 0 });
    }
}

/// Adds the values of `leaves` to `scores`, for each row in the order of the trees.
#[inline(always)]
fn add<const N: usize>(dims: usize, leaves: &[[u16; BLOCK]; N], values: &[&[f64]], n_rows: usize, scores: &mut [f64]) {
    // The compiler lays out sums of a number that it knows in registers.
    match dims {
        1 => add_known::<N, 1>(leaves, values, n_rows, scores),
        2 => add_known::<N, 2>(leaves, values, n_rows, scores),
        3 => add_known::<N, 3>(leaves, values, n_rows, scores),
        4 => add_known::<N, 4>(leaves, values, n_rows, scores),
        _ => {
            for (row, scores) in scores.chunks_exact_mut(dims).enumerate().take(n_rows) {
                for (leaves, values) in leaves.iter().zip(values) {
                    let values = &values[usize::from(leaves[row]) * dims..][..dims];
                    scores.iter_mut().zip(values).for_each(|(score, value)| *score += value);
                }
            }
        }
    }
}

#[inline(always)]
fn add_known<const N: usize, const DIMS: usize>(
    leaves: &[[u16; BLOCK]; N],
    values: &[&[f64]],
    n_rows: usize,
    scores: &mut [f64],
) {
    let values: [&[[f64; DIMS]]; N] = std::array::from_fn(|tree| values[tree].as_chunks().0);
    for (row, scores) in scores.as_chunks_mut::<DIMS>().0.iter_mut().enumerate().take(n_rows) {
        let mut sums = *scores;
        for tree in 0..N {
            let value = &values[tree][usize::from(leaves[tree][row])];
            for i in 0..DIMS {
                sums[i] += value[i];
            }
        }
        *scores = sums;
    }
}
