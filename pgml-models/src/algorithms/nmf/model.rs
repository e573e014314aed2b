//! Fitted non-negative components.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{MatrixRef, Model, Parts, Result, Transform, bail};

use super::coordinate_descent::{LANES, descend, gram, with_ridge};
use super::divergence::Divergence;
use super::multiplicative::{self, Scratch};
use super::{Found, Penalty, Stop};
use crate::solvers::product::{Left, Panels, add_product};

/// Components, and how the coordinates of a row are found: as in training, with the components fixed.
pub struct NmfModel {
    n_features: usize,
    /// One row per component.
    components: Vec<f64>,
    error: f64,
    stop: Stop,
    penalty: Penalty,
    divergence: Divergence,
    solver: Solver,
}

enum Solver {
    Descent { by_feature: Panels, gram: Vec<f64> },
    Multiplicative(Box<multiplicative::Parts>),
}

impl NmfModel {
    pub(super) fn by_descent(found: Found, d: usize, penalty: Penalty, stop: Stop) -> Result<Self> {
        let k = found.components.len() / d;
        let gram = with_ridge(gram(&found.components, k, d), k, penalty.l2);
        if gram.iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        let solver = Solver::Descent { by_feature: Panels::pack_transposed(&found.components, d), gram };
        Self::new(found, d, Divergence::new(2.0), penalty, stop, solver)
    }

    pub(super) fn by_multiplication(
        found: Found,
        d: usize,
        divergence: Divergence,
        penalty: Penalty,
        stop: Stop,
    ) -> Result<Self> {
        let parts = multiplicative::Parts::new(&found.components, d, divergence, penalty);
        Self::new(found, d, divergence, penalty, stop, Solver::Multiplicative(Box::new(parts)))
    }

    fn new(
        Found { components, error }: Found,
        n_features: usize,
        divergence: Divergence,
        penalty: Penalty,
        stop: Stop,
        solver: Solver,
    ) -> Result<Self> {
        if components.iter().any(|x| !x.is_finite() || *x < 0.0) || !error.is_finite() {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        Ok(Self { n_features, components, error, stop, penalty, divergence, solver })
    }

    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let d: usize = parts.meta("n_features")?;
        let components = parts.array::<f64>("components")?.to_vec();
        if d == 0 || components.is_empty() || !components.len().is_multiple_of(d) {
            bail!(Corrupted, "stored nmf has {} weights of {d} features", components.len());
        }
        let error = parts.array_of::<f64>("error", 1)?[0];
        let &[l1, l2, beta, tol] = parts.array_of::<f64>("settings", 4)? else {
            bail!(Corrupted, "stored nmf has no settings");
        };
        if [l1, l2, tol].iter().any(|x| !x.is_finite() || *x < 0.0) || !beta.is_finite() {
            bail!(Corrupted, "stored nmf has settings out of range");
        }
        let stop = Stop { tol, max_iter: parts.meta("max_iter")? };
        let (found, penalty) = (Found { components, error }, Penalty { l1, l2 });
        match parts.meta::<String>("solver")?.as_str() {
            "cd" => Self::by_descent(found, d, penalty, stop),
            "mu" => Self::by_multiplication(found, d, Divergence::new(beta), penalty, stop),
            other => bail!(Corrupted, "stored nmf has the unknown solver {other}"),
        }
        .or_else(|_| bail!(Corrupted, "stored nmf has a weight out of range"))
    }

    /// Calls `write` with the coordinates of each row.
    fn each(&self, rows: &MatrixRef<'_>, mut write: impl FnMut(usize, &[f64])) -> Result<()> {
        require_finite(rows)?;
        if let Some(at) = rows.as_slice().iter().position(|x| *x < 0.0) {
            let (feature, value) = (at % self.n_features, rows.as_slice()[at]);
            bail!(
                InvalidData,
                "feature {} of the row is {value}, but this model knows no negative values",
                feature + 1
            );
        }
        match &self.solver {
            Solver::Descent { by_feature, gram } => self.each_by_descent(rows, by_feature, gram, write),
            Solver::Multiplicative(parts) => {
                let (mut w, mut scratch) = (vec![0.0; self.n_components()], Scratch::default());
                for (i, row) in rows.rows().enumerate() {
                    parts.solve(row, &mut w, self.stop, &mut scratch);
                    expect_finite(&w)?;
                    write(i, &w);
                }
                Ok(())
            }
        }
    }

    /// As [`NmfModel::each`], a few rows at a time.
    fn each_by_descent(
        &self,
        rows: &MatrixRef<'_>,
        by_feature: &Panels,
        gram: &[f64],
        mut write: impl FnMut(usize, &[f64]),
    ) -> Result<()> {
        let (d, k) = (self.n_features, self.n_components());
        let (mut w, mut gradient) = (vec![[0.0; LANES]; k], vec![[0.0; LANES]; k]);
        let mut by_row = vec![0.0; LANES.min(rows.n_rows()) * k];
        for (few, rows) in rows.as_slice().chunks(LANES * d).enumerate() {
            let by_row = &mut by_row[..rows.len() / d * k];
            by_row.fill(0.0);
            add_product(Left::rows(rows, d), by_feature, by_row);
            w.fill([0.0; LANES]);
            gradient.fill([0.0; LANES]);
            for (lane, row) in by_row.chunks_exact(k).enumerate() {
                gradient.iter_mut().zip(row).for_each(|(cells, target)| cells[lane] = self.penalty.l1 - target);
            }
            descend(&mut w, &mut gradient, gram, self.stop.tol, self.stop.max_iter);
            for (lane, row) in by_row.chunks_exact_mut(k).enumerate() {
                row.iter_mut().zip(&w).for_each(|(x, cells)| *x = cells[lane]);
                expect_finite(row)?;
                write(few * LANES + lane, row);
            }
        }
        Ok(())
    }
}

fn expect_finite(w: &[f64]) -> Result<()> {
    if w.iter().any(|x| !x.is_finite()) {
        bail!(InvalidData, "the coordinates of the row overflow: its values are too large");
    }
    Ok(())
}

impl Model for NmfModel {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, 1)?;
        self.each(&rows, |i, w| out[i] = w[0])
    }

    fn encode(&self) -> Result<Parts> {
        let solver = if matches!(self.solver, Solver::Descent { .. }) { "cd" } else { "mu" };
        Parts::new()
            .with_shape("components", vec![self.n_components(), self.n_features], self.components.clone())
            .with("error", vec![self.error])
            .with("settings", vec![self.penalty.l1, self.penalty.l2, self.divergence.beta(), self.stop.tol])
            .with_meta("n_features", &self.n_features)?
            .with_meta("max_iter", &self.stop.max_iter)?
            .with_meta("solver", &solver)
    }

    fn bytes(&self) -> usize {
        let k = self.n_components();
        size_of::<Self>() + 8 * (3 * self.components.len() + 2 * k * k + 8 * (k + self.n_features))
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        Some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("reconstruction_error", self.error)]
    }
}

impl Transform for NmfModel {
    fn n_components(&self) -> usize {
        self.components.len() / self.n_features
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let k = self.n_components();
        expect_shape(&rows, self.n_features, out, k)?;
        self.each(&rows, |i, w| out[i * k..(i + 1) * k].copy_from_slice(w))
    }
}
