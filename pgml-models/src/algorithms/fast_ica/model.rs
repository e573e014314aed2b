//! Fitted independent components.

use pgml_core::{MatrixRef, Model, Parts, Result, Transform, bail};

use crate::projection::Projection;

/// Means and the matrix that unmixes centred rows.
pub struct IcaModel {
    mean: Vec<f64>,
    /// One row per component.
    components: Vec<f64>,
    projection: Projection,
}

impl IcaModel {
    pub(super) fn new(mean: Vec<f64>, components: Vec<f64>) -> Result<Self> {
        if mean.iter().chain(&components).any(|x| !x.is_finite()) {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        let projection = Projection::new(&components, &mean);
        Ok(Self { mean, components, projection })
    }

    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let mean = parts.array::<f64>("mean")?.to_vec();
        let components = parts.array::<f64>("components")?.to_vec();
        let d = mean.len();
        if d == 0 || components.is_empty() || !components.len().is_multiple_of(d) {
            bail!(Corrupted, "stored fast_ica has {} weights of {d} features", components.len());
        }
        Self::new(mean, components).or_else(|_| bail!(Corrupted, "stored fast_ica has a value that is not finite"))
    }
}

impl Model for IcaModel {
    fn n_features(&self) -> usize {
        self.mean.len()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.projection.first_into(rows, out)
    }

    fn encode(&self) -> Result<Parts> {
        let d = self.mean.len();
        Ok(Parts::new().with("mean", self.mean.clone()).with_shape(
            "components",
            vec![self.components.len() / d, d],
            self.components.clone(),
        ))
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * (self.components.len() + self.mean.len()) + self.projection.bytes()
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        Some(self)
    }
}

impl Transform for IcaModel {
    fn n_components(&self) -> usize {
        self.projection.n_components()
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.projection.all_into(rows, out)
    }
}
