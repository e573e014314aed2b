//! Evidence of features for classes.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, MatrixRef, Model, Parts, Result, bail};

use crate::linear_model::Classes;
use crate::solvers::discriminants::{Largest, softmax};
use crate::solvers::kernels::dot;

/// What the value of a feature says, one row of numbers per class that was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// Features are normally distributed.
    Normal {
        /// Of each feature.
        means: Vec<f64>,
        /// Of each feature, positive.
        variances: Vec<f64>,
    },
    /// Features have weights.
    Linear {
        /// Of each feature.
        weights: Vec<f64>,
        /// Beyond which a feature counts as 1, else as 0; `None` takes it as it is.
        threshold: Option<f64>,
    },
}

/// A trained naive Bayes classifier.
pub struct NaiveBayesModel {
    classes: Classes,
    /// What counts for each class whatever the features are: a logarithm, −∞ for a class that is ruled out.
    offsets: Vec<f64>,
    evidence: Evidence,
    /// Halves of the inverse variances.
    precisions: Vec<f64>,
    n_features: usize,
}

impl NaiveBayesModel {
    pub(super) fn new(classes: Classes, offsets: Vec<f64>, evidence: Evidence) -> Result<Self> {
        let (values, more): (&[f64], &[f64]) = match &evidence {
            Evidence::Normal { means, variances } => (means, variances),
            Evidence::Linear { weights, .. } => (weights, &[]),
        };
        let precisions: Vec<f64> = more.iter().map(|v| 0.5 / v).collect();
        let numbers = values.iter().chain(more).chain(&precisions);
        if numbers.into_iter().any(|x| !x.is_finite()) || offsets.iter().any(|x| x.is_nan() || *x == f64::INFINITY) {
            bail!(InvalidData, "the evidence overflows: features are too large or too small, scale them in preprocess");
        }
        let n_features = values.len() / classes.seen.len();
        Ok(Self { classes, offsets, evidence, precisions, n_features })
    }

    /// Rebuilds a model from [`Model::encode`]'s parts.
    ///
    /// # Errors
    /// [`Corrupted`](pgml_core::ErrorKind::Corrupted) when they do not fit together.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let classes = Classes::decode(parts)?;
        let offsets = parts.array_of::<f64>("offsets", classes.seen.len())?.to_vec();
        let n_features: usize = parts.meta("n_features")?;
        let Some(n) = n_features.checked_mul(classes.seen.len()).filter(|n| *n > 0) else {
            bail!(Corrupted, "stored naive_bayes has {n_features} features");
        };
        let array = |name: &str| parts.array_of::<f64>(name, n).map(<[f64]>::to_vec);
        let evidence = match parts.meta::<String>("evidence")?.as_str() {
            "normal" => Evidence::Normal { means: array("means")?, variances: array("variances")? },
            "linear" => Evidence::Linear { weights: array("weights")?, threshold: parts.meta("threshold")? },
            other => bail!(Corrupted, "stored naive_bayes has the unknown evidence \"{other}\""),
        };
        if let Evidence::Normal { variances, .. } = &evidence
            && variances.iter().any(|v| *v <= 0.0)
        {
            bail!(Corrupted, "stored naive_bayes has a variance that is not positive");
        }
        Self::new(classes, offsets, evidence)
            .map_err(|e| pgml_core::Error::new(pgml_core::ErrorKind::Corrupted, e.message().to_owned()))
    }

    /// The logarithm of the joint probability of the row and a class, up to a constant.
    fn score(&self, class: usize, row: &[f64]) -> f64 {
        let of_class = class * self.n_features..(class + 1) * self.n_features;
        self.offsets[class]
            + match &self.evidence {
                Evidence::Normal { means, .. } => -squares(row, &means[of_class.clone()], &self.precisions[of_class]),
                Evidence::Linear { weights, threshold: None } => dot(row, &weights[of_class]),
                Evidence::Linear { weights, threshold: Some(t) } => {
                    row.iter().zip(&weights[of_class]).map(|(x, w)| if x > t { *w } else { 0.0 }).sum()
                }
            }
    }
}

/// `Σ (x − mean)² · precision`, in four lanes.
fn squares(row: &[f64], means: &[f64], precisions: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let cells = row.iter().zip(means).zip(precisions);
    for (at, ((x, mean), precision)) in cells.enumerate() {
        let gap = x - mean;
        lanes[at % 4] += gap * gap * precision;
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

impl Model for NaiveBayesModel {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, 1)?;
        require_finite(&rows)?;
        for (row, out) in rows.rows().zip(out) {
            let best = (0..self.classes.seen.len()).map(|class| self.score(class, row)).largest();
            *out = f64::from(self.classes.seen[best]);
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let shape = vec![self.classes.seen.len(), self.n_features];
        let parts = self.classes.encode(Parts::new())?.with("offsets", self.offsets.clone());
        let parts = parts.with_meta("n_features", &self.n_features)?;
        match &self.evidence {
            Evidence::Normal { means, variances } => parts
                .with_shape("means", shape.clone(), means.clone())
                .with_shape("variances", shape, variances.clone())
                .with_meta("evidence", &"normal"),
            Evidence::Linear { weights, threshold } => parts
                .with_shape("weights", shape, weights.clone())
                .with_meta("threshold", threshold)?
                .with_meta("evidence", &"linear"),
        }
    }

    fn bytes(&self) -> usize {
        let per_class = match &self.evidence {
            Evidence::Normal { .. } => 3 * self.n_features,
            Evidence::Linear { .. } => self.n_features,
        };
        size_of::<Self>() + 8 * self.classes.seen.len() * (per_class + 1)
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        Some(self)
    }
}

impl Classifier for NaiveBayesModel {
    fn n_classes(&self) -> usize {
        self.classes.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.classes.n_classes)?;
        require_finite(&rows)?;
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(self.classes.n_classes)) {
            softmax(&self.classes.seen, |class| self.score(class, row), out);
        }
        Ok(())
    }
}
