//! Ward's linkage by a nearest-neighbour chain over centroids: memory is linear in the rows.

use pgml_core::{Dataset, Result, Run};

use super::Merge;
use crate::solvers::blocks::{copy_columns, ranges};
use crate::solvers::distance_rows::too_large;
use crate::solvers::kernels::for_each_cpu;

/// Clusters per block.
const BLOCK: usize = 256;

/// What clusters are left, in blocks whose centroids lie column after column.
struct Clusters {
    columns: Vec<f64>,
    d: usize,
    /// Rows per cluster, 0 for those that went into another.
    sizes: Vec<f64>,
    /// The row that each is named by.
    names: Vec<u32>,
    scratch: Vec<f64>,
}

/// The merges in the order in which the chain finds them. Centroids give the distance of two clusters at any time:
/// `√(2 nₐ n_b / (nₐ + n_b)) ‖cₐ − c_b‖`.
pub(super) fn merges(data: &Dataset, run: &Run) -> Result<Vec<Merge>> {
    let n = data.n_rows();
    let _memory = run.reserve(8 * (n * (data.n_features() + 8)) as u64, "the centroids of the clusters")?;
    let mut clusters = Clusters::new(data, run)?;
    let mut chain: Vec<u32> = Vec::new();
    let mut merges = Vec::with_capacity(n - 1);
    while merges.len() < n - 1 {
        run.check()?;
        if merges.len() % 1024 == 0 {
            run.progress("training", merges.len() as u64, n as u64);
        }
        if 2 * (n - merges.len()) < clusters.sizes.len() {
            clusters.compact(&mut chain);
        }
        if chain.is_empty() {
            chain.extend(clusters.sizes.iter().position(|size| *size > 0.0).map(|first| first as u32));
        }
        let (x, y, distance) = clusters.follow(&mut chain, run)?;
        let (gone, kept) = (x.min(y), x.max(y));
        merges.push(Merge { a: clusters.names[gone], b: clusters.names[kept], distance });
        clusters.merge(gone, kept);
    }
    Ok(merges)
}

impl Clusters {
    fn new(data: &Dataset, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let mut columns = vec![0.0; n * d];
        for rows in ranges(n, BLOCK) {
            run.check()?;
            let block = &mut columns[rows.start * d..rows.end * d];
            copy_columns(data, &rows, block);
        }
        Ok(Self { columns, d, sizes: vec![1.0; n], names: (0..n as u32).collect(), scratch: vec![0.0; n] })
    }

    /// Where feature 0 of cluster `i` lies, and how far it is to the next feature.
    fn place(&self, i: usize) -> (usize, usize) {
        let first = i / BLOCK * BLOCK;
        (first * self.d + i - first, BLOCK.min(self.sizes.len() - first))
    }

    fn centroid(&self, i: usize) -> Vec<f64> {
        let (begin, step) = self.place(i);
        (0..self.d).map(|j| self.columns[begin + j * step]).collect()
    }

    fn follow(&mut self, chain: &mut Vec<u32>, run: &Run) -> Result<(usize, usize, f64)> {
        loop {
            run.check()?;
            let x = chain[chain.len() - 1] as usize;
            let before = chain.len().checked_sub(2).map(|at| chain[at] as usize);
            self.measure(x);
            let mut best = before.map_or((x, f64::INFINITY), |y| (y, self.scratch[y]));
            for (i, distance) in self.scratch.iter().enumerate() {
                if *distance < best.1 {
                    best = (i, *distance);
                }
            }
            if best.1 == f64::INFINITY {
                return Err(too_large());
            }
            if before == Some(best.0) {
                chain.truncate(chain.len() - 2);
                return Ok((x, best.0, best.1.sqrt()));
            }
            chain.push(best.0 as u32);
        }
    }

    /// Writes the squared distances of cluster `x` to all into the scratch: infinity to itself and to what is gone.
    fn measure(&mut self, x: usize) {
        let (centroid, size) = (self.centroid(x), self.sizes[x]);
        for slots in ranges(self.sizes.len(), BLOCK) {
            let columns = &self.columns[slots.start * self.d..slots.end * self.d];
            ward_distances(columns, &centroid, size, &self.sizes[slots.clone()], &mut self.scratch[slots]);
        }
        self.scratch[x] = f64::INFINITY;
    }

    fn merge(&mut self, gone: usize, kept: usize) {
        let (from, to) = (self.place(gone), self.place(kept));
        let (a, b) = (self.sizes[gone], self.sizes[kept]);
        for j in 0..self.d {
            let (x, y) = (self.columns[from.0 + j * from.1], &mut self.columns[to.0 + j * to.1]);
            *y = (a * x + b * *y) / (a + b);
        }
        self.sizes[gone] = 0.0;
        self.sizes[kept] = a + b;
    }

    /// Forgets what is gone; names in the chain follow.
    fn compact(&mut self, chain: &mut [u32]) {
        let kept: Vec<usize> = (0..self.sizes.len()).filter(|i| self.sizes[*i] > 0.0).collect();
        let centroids: Vec<Vec<f64>> = kept.iter().map(|i| self.centroid(*i)).collect();
        chain.iter_mut().for_each(|i| *i = kept.partition_point(|old| old < &(*i as usize)) as u32);
        self.sizes = kept.iter().map(|i| self.sizes[*i]).collect();
        self.names = kept.iter().map(|i| self.names[*i]).collect();
        self.scratch.truncate(kept.len());
        self.columns.truncate(kept.len() * self.d);
        for (i, centroid) in centroids.iter().enumerate() {
            let (begin, step) = self.place(i);
            centroid.iter().enumerate().for_each(|(j, x)| self.columns[begin + j * step] = *x);
        }
    }
}

for_each_cpu! {
    fn ward_distances(columns: &[f64], centroid: &[f64], size: f64, sizes: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (c, column) in centroid.iter().zip(columns.chunks_exact(sizes.len())) {
            for (out, x) in out.iter_mut().zip(column) {
                *out += (x - c) * (x - c);
            }
        }
        for (out, other) in out.iter_mut().zip(sizes) {
            let scaled = *out * (2.0 * size * other / (size + other));
            *out = if *other > 0.0 { scaled } else { f64::INFINITY };
        }
    }
}
