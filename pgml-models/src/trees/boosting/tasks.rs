//! The work on one node, cut by columns into tasks for any number of threads.

use rayon::prelude::*;

use super::bins::{BinnedRows, LANES};
use super::histogram::{ColumnHistogram, fill};
use super::split::{Column, Scan, Search, Split};

/// What splitting a node takes to be done with some columns: sums of the smaller child, those of the larger one, which
/// are left of the parent's, and the best split of either.
pub(super) struct SplitWork<'a> {
    pub(super) binned: &'a BinnedRows,
    pub(super) columns: &'a [Column],
    /// The smaller child's.
    pub(super) rows: &'a [u32],
    pub(super) pairs: &'a [[f32; 2]],
    pub(super) counted: bool,
    pub(super) allowed: &'a [u32],
    /// Columns to look at and how, for the smaller and the larger child.
    pub(super) drawn: [&'a [u32]; 2],
    pub(super) searches: [Search<'a>; 2],
}

impl SplitWork<'_> {
    pub(super) fn columns(
        &self,
        first: usize,
        small: &mut [ColumnHistogram],
        large: &mut [ColumnHistogram],
    ) -> [Option<Split>; 2] {
        let within = |column: &&u32| (first..first + small.len()).contains(&(**column as usize));
        if !self.allowed.iter().any(|column| within(&column)) {
            return [None, None];
        }
        fill(self.binned.words(first), first % LANES, self.rows, self.pairs, self.counted, small);
        for (column, (large, small)) in self.columns[first..].iter().zip(large.iter_mut().zip(small.iter())) {
            large.subtract(small, column.n_bins);
        }
        let histograms: [&[ColumnHistogram]; 2] = [small, large];
        let mut scan = Scan::new();
        [0, 1].map(|child| {
            let columns = self.drawn[child]
                .iter()
                .filter(|column| (first..first + histograms[child].len()).contains(&(**column as usize)));
            let splits = columns.filter_map(|column| {
                let column = *column as usize;
                self.searches[child].best(&self.columns[column], &histograms[child][column - first], &mut scan)
            });
            splits.reduce(|best, split| if split.gain > best.gain { split } else { best })
        })
    }
}

/// Calls `work` with the number of the first column and the histograms of some columns that stand in the same words:
/// all of them for one thread, half of them otherwise, so that an odd number of words is shared evenly.
pub(super) fn each_task<R: Send>(
    small: &mut [ColumnHistogram],
    large: &mut [ColumnHistogram],
    work: impl Fn(usize, &mut [ColumnHistogram], &mut [ColumnHistogram]) -> R + Sync,
) -> Vec<R> {
    let threads = rayon::current_num_threads();
    let size = if threads == 1 { LANES } else { LANES / 2 };
    let n_tasks = small.len().div_ceil(size);
    let mut larges: Vec<&mut [ColumnHistogram]> = large.chunks_mut(size).collect();
    larges.resize_with(n_tasks, Default::default);
    let tasks = small.chunks_mut(size).zip(larges).enumerate();
    if threads == 1 {
        return tasks.map(|(task, (small, large))| work(task * size, small, large)).collect();
    }
    let tasks: Vec<_> = tasks.collect();
    tasks.into_par_iter().map(|(task, (small, large))| work(task * size, small, large)).collect()
}
