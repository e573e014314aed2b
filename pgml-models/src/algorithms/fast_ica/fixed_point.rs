//! The fixed-point iteration of FastICA on whitened rows.

use pgml_core::{Dataset, Result, Run, bail};

use super::contrast::Contrast;
use crate::solvers::blocks::{copy_columns, ranges};
use crate::solvers::kernels::{axpy, dot, norm};
use crate::solvers::product::{Left, Panels, add_product, product};
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};

/// Rows per block: its signals stay in the cache.
const BLOCK: usize = 512;

/// Whitened rows in blocks that lie component after component.
pub struct Sources {
    blocks: Vec<Vec<f64>>,
    n_rows: usize,
    /// How many components a row has.
    pub n_components: usize,
}

impl Sources {
    /// Centres rows and multiplies them by `whitening · √n`, or takes them as they are without one.
    pub fn new(data: &Dataset, mean: &[f64], whitening: Option<&[f64]>, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let n_components = whitening.map_or(d, |whitening| whitening.len() / d);
        let scaled: Option<Vec<f64>> = whitening.map(|w| w.iter().map(|x| x * (n as f64).sqrt()).collect());
        let mut blocks = Vec::new();
        for rows in ranges(n, BLOCK) {
            run.check()?;
            let mut columns = vec![0.0; rows.len() * d];
            copy_columns(data, &rows, &mut columns);
            for (column, mean) in columns.chunks_exact_mut(rows.len()).zip(mean) {
                column.iter_mut().for_each(|x| *x -= mean);
            }
            blocks.push(match &scaled {
                Some(whitening) => product(whitening, &columns, d, rows.len(), run)?,
                None => columns,
            });
        }
        Ok(Self { blocks, n_rows: n, n_components })
    }

    /// All components together, kept orthogonal by symmetric decorrelation.
    pub fn all_at_once(
        &self,
        first: &[f64],
        contrast: Contrast,
        (tol, max_iter): (f64, usize),
        run: &Run,
    ) -> Result<Vec<f64>> {
        let k = self.n_components;
        let mut unmixing = decorrelated(first, k, run)?;
        for iteration in 0..max_iter {
            run.progress("training", iteration as u64, max_iter as u64);
            let next = decorrelated(&self.step(&unmixing, contrast, run)?, k, run)?;
            let pairs = next.chunks_exact(k).zip(unmixing.chunks_exact(k));
            let turn = pairs.map(|(new, old)| (dot(new, old).abs() - 1.0).abs()).fold(0.0, f64::max);
            unmixing = next;
            if turn < tol {
                return Ok(unmixing);
            }
        }
        run.warn("fast_ica did not converge: raise max_iter or tol");
        Ok(unmixing)
    }

    /// One component after another, each orthogonal to those before.
    pub fn one_by_one(
        &self,
        first: &[f64],
        contrast: Contrast,
        (tol, max_iter): (f64, usize),
        run: &Run,
    ) -> Result<Vec<f64>> {
        let k = self.n_components;
        let mut found: Vec<f64> = Vec::with_capacity(k * k);
        let mut settled = true;
        for start in first.chunks_exact(k) {
            run.progress("training", (found.len() / k) as u64, k as u64);
            let mut own = start.to_vec();
            to_unit_length(&mut own)?;
            let mut turn = f64::INFINITY;
            for _ in 0..max_iter {
                let mut next = self.step(&own, contrast, run)?;
                let overlaps: Vec<f64> = found.chunks_exact(k).map(|other| dot(&next, other)).collect();
                for (overlap, other) in overlaps.iter().zip(found.chunks_exact(k)) {
                    axpy(-overlap, other, &mut next);
                }
                to_unit_length(&mut next)?;
                turn = (dot(&next, &own).abs() - 1.0).abs();
                own = next;
                if turn < tol {
                    break;
                }
            }
            settled &= turn < tol;
            found.extend(own);
        }
        if !settled {
            run.warn("fast_ica did not converge: raise max_iter or tol");
        }
        Ok(found)
    }

    /// `E[g(w·x) x] − E[g′(w·x)] w` for each row `w` of `unmixing`.
    fn step(&self, unmixing: &[f64], contrast: Contrast, run: &Run) -> Result<Vec<f64>> {
        let k = self.n_components;
        let n_signals = unmixing.len() / k;
        let mut next = vec![0.0; unmixing.len()];
        let mut curvatures = vec![0.0; n_signals];
        let mut signals = vec![0.0; n_signals * BLOCK];
        for block in &self.blocks {
            run.check()?;
            let len = block.len() / k;
            let signals = &mut signals[..n_signals * len];
            signals.fill(0.0);
            add_product(Left::rows(unmixing, k), &Panels::pack(block, len), signals);
            for (signal, curvature) in signals.chunks_exact_mut(len).zip(&mut curvatures) {
                *curvature += contrast.derive(signal);
            }
            add_product(Left::rows(signals, len), &Panels::pack_transposed(block, len), &mut next);
        }
        let n = self.n_rows as f64;
        for ((next, own), curvature) in next.chunks_exact_mut(k).zip(unmixing.chunks_exact(k)).zip(&curvatures) {
            next.iter_mut().zip(own).for_each(|(next, own)| *next = *next / n - curvature / n * own);
        }
        if next.iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        Ok(next)
    }

    /// Divides each row of `unmixing` by the standard deviation of the component that it makes of unscaled whitened rows.
    pub fn to_unit_variance(&self, unmixing: &mut [f64], run: &Run) -> Result<()> {
        let k = self.n_components;
        let mut signals = vec![0.0; k * BLOCK];
        let mut squares = vec![0.0; k];
        for block in &self.blocks {
            run.check()?;
            let len = block.len() / k;
            let signals = &mut signals[..k * len];
            signals.fill(0.0);
            add_product(Left::rows(unmixing, k), &Panels::pack(block, len), signals);
            signals.chunks_exact(len).zip(&mut squares).for_each(|(signal, square)| *square += dot(signal, signal));
        }
        let n = self.n_rows as f64;
        for (row, square) in unmixing.chunks_exact_mut(k).zip(squares) {
            // The blocks hold rows scaled by √n.
            let deviation = (square / n).sqrt() / n.sqrt();
            row.iter_mut().for_each(|x| *x /= deviation);
        }
        Ok(())
    }
}

/// `(W Wᵀ)^(−½) W`.
fn decorrelated(w: &[f64], k: usize, run: &Run) -> Result<Vec<f64>> {
    let gram: Vec<f64> = (0..k * k).map(|i| dot(&w[i / k * k..][..k], &w[i % k * k..][..k])).collect();
    let Eigen { values, vectors } = symmetric_eigen(gram, k, run)?;
    let mut root = vec![0.0; k * k];
    for (value, vector) in values.iter().zip(vectors.chunks_exact(k)) {
        let scale = value.max(f64::MIN_POSITIVE).sqrt().recip();
        for (row, x) in root.chunks_exact_mut(k).zip(vector) {
            axpy(scale * x, vector, row);
        }
    }
    product(&root, w, k, k, run)
}

fn to_unit_length(w: &mut [f64]) -> Result<()> {
    let length = norm(w);
    if length == 0.0 || !length.is_finite() {
        bail!(InvalidData, "fast_ica by deflation lost a component: try algorithm \"parallel\" or another w_init");
    }
    w.iter_mut().for_each(|x| *x /= length);
    Ok(())
}
