//! What principal component analysis and its kin learn: orthogonal axes, and how much of the variance each explains.

use pgml_core::{MatrixRef, Model, Parts, Result, Transform, bail};

use crate::projection::{Projection, fix_sign};

/// Axes of the features' space, the most important first.
pub struct PrincipalAxes {
    mean: Vec<f64>,
    /// One row per component.
    components: Vec<f64>,
    variances: Vec<f64>,
    ratios: Vec<f64>,
    whiten: bool,
    projection: Projection,
}

impl PrincipalAxes {
    /// Axes (one row of `mean.len()` per variance) through `mean` with the variance of rows along each and its share
    /// of the whole. Components are divided by their standard deviation if `whiten`.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn new(
        mean: Vec<f64>,
        mut components: Vec<f64>,
        variances: Vec<f64>,
        ratios: Vec<f64>,
        whiten: bool,
    ) -> Result<Self> {
        let all = mean.iter().chain(&components).chain(&variances).chain(&ratios);
        if all.into_iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        components.chunks_exact_mut(mean.len()).for_each(fix_sign);
        let projection = if whiten {
            // A component without variance has no standard deviation to divide by.
            let scale = |v: &f64| v.sqrt().max(f64::EPSILON).recip();
            let scaled = components.chunks_exact(mean.len()).zip(&variances);
            let scaled: Vec<f64> = scaled.flat_map(|(axis, v)| axis.iter().map(move |x| x * scale(v))).collect();
            Projection::new(&scaled, &mean)
        } else {
            Projection::new(&components, &mean)
        };
        Ok(Self { mean, components, variances, ratios, whiten, projection })
    }

    /// Rebuilds stored axes.
    ///
    /// # Errors
    /// [`pgml_core::ErrorKind::Corrupted`] when the parts do not make any.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let mean = parts.array::<f64>("mean")?.to_vec();
        let variances = parts.array::<f64>("explained_variance")?.to_vec();
        let (d, k) = (mean.len(), variances.len());
        let Some(cells) = d.checked_mul(k).filter(|cells| *cells > 0) else {
            bail!(Corrupted, "the stored model has {k} components of {d} features");
        };
        let components = parts.array_of("components", cells)?.to_vec();
        let ratios = parts.array_of("explained_variance_ratio", k)?.to_vec();
        match Self::new(mean, components, variances, ratios, parts.meta("whiten")?) {
            Ok(axes) if axes.variances.iter().all(|v| *v >= 0.0) => Ok(axes),
            _ => bail!(Corrupted, "the stored model has a value that is not finite or a negative variance"),
        }
    }
}

impl Model for PrincipalAxes {
    fn n_features(&self) -> usize {
        self.mean.len()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.projection.first_into(rows, out)
    }

    fn encode(&self) -> Result<Parts> {
        Parts::new()
            .with("mean", self.mean.clone())
            .with_shape("components", vec![self.variances.len(), self.mean.len()], self.components.clone())
            .with("explained_variance", self.variances.clone())
            .with("explained_variance_ratio", self.ratios.clone())
            .with_meta("whiten", &self.whiten)
    }

    fn bytes(&self) -> usize {
        let numbers = self.components.len() + self.mean.len() + 2 * self.variances.len();
        size_of::<Self>() + 8 * numbers + self.projection.bytes()
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        Some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("cumulative_explained_variance", self.ratios.iter().sum())]
    }
}

impl Transform for PrincipalAxes {
    fn n_components(&self) -> usize {
        self.variances.len()
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.projection.all_into(rows, out)
    }
}
