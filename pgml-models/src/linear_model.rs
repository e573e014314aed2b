//! What every linear method learns: coefficients and intercepts, with or without classes behind them.

mod classes;

use pgml_core::estimator::expect_shape;
use pgml_core::explain::shares;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result, Run, bail};

pub use self::classes::Classes;
use crate::solvers::exponential::exp_in_place;
use crate::solvers::kernels::{affine, dot};

/// Scores that are held at a time, and rows of models whose scores are the prediction.
const BLOCK: usize = 256;
/// The largest score with a finite exponential: rows far beyond the training rows get its exponential, not infinity.
const MAX_EXPONENT: f64 = 709.0;

/// How scores become predictions.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// The scores are the prediction.
    Value,
    /// The exponentials of the scores are the prediction.
    Exponential,
    /// The class of the highest score, or of the sign where there is one score.
    Decision(Classes),
    /// As `Decision`, and the logistic or softmax function of the scores are probabilities.
    Probability(Classes),
    /// As `Decision`; each score alone gives its class a probability, and their sum is brought to 1.
    OneVsRest(Classes, Squash),
}

impl Head {
    /// The classes, if the scores stand for such.
    #[must_use]
    pub fn classes(&self) -> Option<&Classes> {
        match self {
            Self::Value | Self::Exponential => None,
            Self::Decision(classes) | Self::Probability(classes) | Self::OneVsRest(classes, _) => Some(classes),
        }
    }

    /// The name in the stored form.
    fn name(&self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Exponential => "exponential",
            Self::Decision(_) => "decision",
            Self::Probability(_) => "probability",
            Self::OneVsRest(_, Squash::Logistic) => "one_vs_rest_logistic",
            Self::OneVsRest(_, Squash::Clip) => "one_vs_rest_clip",
        }
    }
}

/// How a score becomes a probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Squash {
    /// `1 / (1 + e^−s)`.
    Logistic,
    /// `(s + 1) / 2` within 0 and 1, as the modified Huber loss wants it (Zhang 2004, appendix B).
    Clip,
}

impl Squash {
    fn probability(self, score: f64) -> f64 {
        match self {
            Self::Logistic => 1.0 / (1.0 + (-score).exp()),
            Self::Clip => 0.5 * (score.clamp(-1.0, 1.0) + 1.0),
        }
    }
}

/// A trained linear model.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    n_features: usize,
    /// One row of `n_features` per score.
    coef: Vec<f64>,
    /// One per score.
    intercept: Vec<f64>,
    head: Head,
}

impl LinearModel {
    /// A model of coefficients (one row per score) and intercepts.
    ///
    /// # Errors
    /// [`InvalidData`](pgml_core::ErrorKind::InvalidData) when a value is not finite: the features were too large to
    /// compute with.
    pub fn new(coef: Vec<f64>, intercept: Vec<f64>, head: Head) -> Result<Self> {
        if coef.iter().chain(&intercept).any(|x| !x.is_finite()) {
            bail!(
                InvalidData,
                "the coefficients overflow: features or targets are too large, scale them in preprocess"
            );
        }
        Ok(Self { n_features: coef.len() / intercept.len().max(1), coef, intercept, head })
    }

    /// Coefficients, one row of `n_features` per score.
    #[must_use]
    pub fn coef(&self) -> &[f64] {
        &self.coef
    }

    /// Intercepts, one per score.
    #[must_use]
    pub fn intercept(&self) -> &[f64] {
        &self.intercept
    }

    /// Rebuilds a model from [`Model::encode`]'s parts.
    ///
    /// # Errors
    /// [`Corrupted`](pgml_core::ErrorKind::Corrupted) when they do not fit together.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let n_features: usize = parts.meta("n_features")?;
        let intercept = parts.array::<f64>("intercept")?.to_vec();
        let head = decode_head(parts)?;
        let n_scores = intercept.len();
        let expected = head.classes().map_or(n_scores.max(1), Classes::n_scores);
        let Some(n_coef) = n_features.checked_mul(n_scores).filter(|n| *n > 0 && n_scores == expected) else {
            bail!(Corrupted, "stored linear model has {n_scores} intercepts for {n_features} features");
        };
        let coef = parts.array_of::<f64>("coef", n_coef)?.to_vec();
        if coef.iter().chain(&intercept).any(|x| !x.is_finite()) {
            bail!(Corrupted, "stored linear model has a coefficient that is not finite");
        }
        Ok(Self { n_features, coef, intercept, head })
    }

    /// Calls `take` with the scores of some rows after another and those rows' part of `out`, `width` numbers per row.
    fn each_block(
        &self,
        rows: MatrixRef<'_>,
        out: &mut [f64],
        width: usize,
        mut take: impl FnMut(&[f64], &mut [f64]),
    ) -> Result<()> {
        let n_scores = self.intercept.len();
        // Few scores need no allocation, which would cost a single row more than its scores do.
        let (mut few, mut many) = ([0.0; BLOCK], vec![0.0; if n_scores > BLOCK { n_scores } else { 0 }]);
        let scores = if n_scores > BLOCK { &mut many[..] } else { &mut few };
        let at_a_time = scores.len() / n_scores;
        for (rows, out) in rows.blocks(at_a_time).zip(out.chunks_mut(at_a_time * width)) {
            require_finite(&rows)?;
            let scores = &mut scores[..rows.n_rows() * n_scores];
            affine(rows.as_slice(), &self.coef, &self.intercept, scores);
            take(scores, out);
        }
        Ok(())
    }
}

fn decode_head(parts: &Parts) -> Result<Head> {
    let head: String = parts.meta("head")?;
    match head.as_str() {
        "value" => return Ok(Head::Value),
        "exponential" => return Ok(Head::Exponential),
        _ => {}
    }
    let classes = Classes::decode(parts)?;
    match head.as_str() {
        "decision" => Ok(Head::Decision(classes)),
        "probability" => Ok(Head::Probability(classes)),
        "one_vs_rest_logistic" => Ok(Head::OneVsRest(classes, Squash::Logistic)),
        "one_vs_rest_clip" => Ok(Head::OneVsRest(classes, Squash::Clip)),
        other => bail!(Corrupted, "stored linear model has the unknown head \"{other}\""),
    }
}

impl Model for LinearModel {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_outputs(&self) -> usize {
        if self.head.classes().is_none() { self.intercept.len() } else { 1 }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let n_outputs = self.n_outputs();
        expect_shape(&rows, self.n_features, out, n_outputs)?;
        if let Some(classes) = self.head.classes() {
            let n_scores = self.intercept.len();
            return self.each_block(rows, out, 1, |scores, out| {
                out.iter_mut()
                    .zip(scores.chunks_exact(n_scores))
                    .for_each(|(out, scores)| *out = classes.decide(scores));
            });
        }
        for (rows, out) in rows.blocks(BLOCK).zip(out.chunks_mut(BLOCK * n_outputs)) {
            require_finite(&rows)?;
            affine(rows.as_slice(), &self.coef, &self.intercept, out);
            if self.head == Head::Exponential {
                out.iter_mut().for_each(|score| *score = score.min(MAX_EXPONENT));
                exp_in_place(out);
            }
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let shape = vec![self.intercept.len(), self.n_features];
        let parts = Parts::new()
            .with_shape("coef", shape, self.coef.clone())
            .with("intercept", self.intercept.clone())
            .with_meta("n_features", &self.n_features)?
            .with_meta("head", &self.head.name())?;
        match self.head.classes() {
            None => Ok(parts),
            Some(classes) => classes.encode(parts),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * (self.coef.len() + self.intercept.len())
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        matches!(self.head, Head::Probability(_) | Head::OneVsRest(..)).then_some(self as &dyn Classifier)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }
}

impl Explain for LinearModel {
    fn unit(&self) -> &'static str {
        match &self.head {
            Head::Value => "value",
            Head::Exponential => "logarithm",
            Head::Probability(classes) | Head::OneVsRest(classes, Squash::Logistic) if classes.n_scores() == 1 => {
                "log-odds"
            }
            _ => "score",
        }
    }

    fn explain_row(
        &self,
        row: &[f64],
        typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        _run: &Run,
    ) -> Result<f64> {
        let (k, sign) = match self.head.classes() {
            None => (output, 1.0),
            Some(classes) => {
                let position = classes.seen.iter().position(|class| *class as usize == output).unwrap_or(0);
                // Two classes share the score of the second.
                match classes.n_scores() {
                    1 => (0, if position == 1 { 1.0 } else { -1.0 }),
                    _ => (position, 1.0),
                }
            }
        };
        let Some(coef) = self.coef.get(k * self.n_features..(k + 1) * self.n_features) else {
            bail!(WrongDimension, "the model has no score number {output}");
        };
        let base = self.intercept[k] + self::contributions(coef, row, typical, contributions);
        contributions.iter_mut().for_each(|x| *x *= sign);
        Ok(sign * base)
    }

    fn importance(&self, deviations: &[f64]) -> Result<Vec<f64>> {
        let columns: Vec<Vec<f64>> = (0..self.n_features)
            .map(|j| self.coef.iter().skip(j).step_by(self.n_features).copied().collect())
            .collect();
        Ok(importance(columns.iter().map(Vec::as_slice), deviations))
    }
}

/// Writes what each feature adds to a weighted sum beyond what it adds in the typical row, and returns that row's sum: the
/// Shapley values of a linear function of independent features.
pub fn contributions(coef: &[f64], row: &[f64], typical: &[f64], contributions: &mut [f64]) -> f64 {
    for (((contribution, coef), x), typical) in contributions.iter_mut().zip(coef).zip(row).zip(typical) {
        *contribution = coef * (x - typical);
    }
    dot(coef, typical)
}

/// How far each feature moves the scores when it moves by its standard deviation, as shares of the whole: the means of the
/// absolute coefficients of its column, one column per feature.
pub fn importance<'a>(columns: impl Iterator<Item = &'a [f64]>, deviations: &[f64]) -> Vec<f64> {
    let size = |column: &[f64]| column.iter().map(|c| c.abs()).sum::<f64>() / column.len().max(1) as f64;
    shares(columns.zip(deviations).map(|(column, deviation)| size(column) * deviation).collect())
}

impl Classifier for LinearModel {
    fn n_classes(&self) -> usize {
        self.head.classes().map_or(0, |classes| classes.n_classes)
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let (classes, squash) = match &self.head {
            Head::Probability(classes) => (classes, None),
            Head::OneVsRest(classes, squash) => (classes, Some(*squash)),
            Head::Value | Head::Exponential | Head::Decision(_) => {
                bail!(NotSupported, "this model has no class probabilities")
            }
        };
        expect_shape(&rows, self.n_features, out, classes.n_classes)?;
        let n_scores = self.intercept.len();
        self.each_block(rows, out, classes.n_classes, |scores, out| {
            for (scores, out) in scores.chunks_exact(n_scores).zip(out.chunks_exact_mut(classes.n_classes)) {
                out.fill(0.0);
                match (&classes.seen[..], squash) {
                    ([first, second], _) => {
                        let squash = squash.unwrap_or(Squash::Logistic);
                        out[*second as usize] = squash.probability(scores[0]);
                        out[*first as usize] = squash.probability(-scores[0]);
                    }
                    (_, Some(squash)) => classes.one_vs_rest(squash, scores, out),
                    (_, None) => classes.softmax(scores, out),
                }
            }
        })
    }
}
