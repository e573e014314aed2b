//! A trained linear discriminant: a linear classifier, and components.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, MatrixRef, Model, Parts, Result, Transform, bail};

use super::solve::Components;
use crate::linear_model::LinearModel;
use crate::solvers::kernels::dot;

/// A linear classifier, and what rows are expressed by.
pub struct LinearDiscriminantModel {
    classifier: LinearModel,
    /// One row of features per component; none after the solver `lsqr`.
    scalings: Vec<f64>,
    /// `−centre · component`, so that rows need no centring.
    offset: Vec<f64>,
}

impl LinearDiscriminantModel {
    /// A model that keeps the first `n_components` of `axes`.
    pub(super) fn new(classifier: LinearModel, axes: Option<Components>, n_components: usize) -> Result<Self> {
        let d = classifier.n_features();
        let Components { mut scalings, centre } =
            axes.unwrap_or(Components { scalings: Vec::new(), centre: Vec::new() });
        scalings.truncate(n_components * d);
        scalings.chunks_exact_mut(d).for_each(fix_sign);
        let offset: Vec<f64> = scalings.chunks_exact(d).map(|row| -dot(row, &centre)).collect();
        if scalings.iter().chain(&offset).any(|x| !x.is_finite()) {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        Ok(Self { classifier, scalings, offset })
    }

    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let classifier = LinearModel::decode(parts)?;
        let offset = parts.array::<f64>("component_offsets")?.to_vec();
        let Some(n_cells) = classifier.n_features().checked_mul(offset.len()) else {
            bail!(Corrupted, "stored linear_discriminant has {} components", offset.len());
        };
        let scalings = parts.array_of::<f64>("components", n_cells)?.to_vec();
        if classifier.classifier().is_none() || scalings.iter().chain(&offset).any(|x| !x.is_finite()) {
            bail!(Corrupted, "stored linear_discriminant is no classifier, or has a value that is not finite");
        }
        Ok(Self { classifier, scalings, offset })
    }
}

/// The entry of largest size is positive: eigenvectors have no sign of their own.
fn fix_sign(component: &mut [f64]) {
    let largest = component.iter().fold(0.0_f64, |a, b| if b.abs() > a.abs() { *b } else { a });
    if largest < 0.0 {
        component.iter_mut().for_each(|x| *x = -*x);
    }
}

impl Model for LinearDiscriminantModel {
    fn n_features(&self) -> usize {
        self.classifier.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.classifier.predict_into(rows, out)
    }

    fn encode(&self) -> Result<Parts> {
        let shape = vec![self.offset.len(), self.n_features()];
        let parts = self.classifier.encode()?;
        Ok(parts.with_shape("components", shape, self.scalings.clone()).with("component_offsets", self.offset.clone()))
    }

    fn bytes(&self) -> usize {
        self.classifier.bytes() + 8 * (self.scalings.len() + self.offset.len())
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        self.classifier.classifier()
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        (!self.offset.is_empty()).then_some(self)
    }
}

impl Transform for LinearDiscriminantModel {
    fn n_components(&self) -> usize {
        self.offset.len()
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, self.n_components())?;
        require_finite(&rows)?;
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(self.n_components())) {
            let axes = self.scalings.chunks_exact(row.len()).zip(&self.offset);
            out.iter_mut().zip(axes).for_each(|(out, (axis, offset))| *out = dot(axis, row) + offset);
        }
        Ok(())
    }
}
