//! What every linear method learns: coefficients and intercepts, with or without classes behind them.

use pgml_core::estimator::expect_shape;
use pgml_core::explain::shares;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result, Run, bail};

use crate::solvers::kernels::dot;

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

/// Which classes the scores stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    /// All classes, seen or not.
    pub n_classes: usize,
    /// The classes that the training rows had, ascending, at least two. Two share one score, that of the second.
    pub seen: Vec<u32>,
}

impl Classes {
    /// The classes among `indices`.
    ///
    /// # Errors
    /// [`InvalidData`](pgml_core::ErrorKind::InvalidData) when there are fewer than two.
    pub fn seen_in(indices: &[f64], n_classes: usize) -> Result<Self> {
        let mut present = vec![false; n_classes];
        indices.iter().for_each(|c| present[*c as usize] = true);
        let seen: Vec<u32> = (0..n_classes as u32).filter(|c| present[*c as usize]).collect();
        if seen.len() < 2 {
            bail!(InvalidData, "classification needs at least two classes, but the training rows have {}", seen.len());
        }
        Ok(Self { n_classes, seen })
    }

    /// The position among the seen classes of each class index.
    #[must_use]
    pub fn positions(&self, indices: &[f64]) -> Vec<u32> {
        let mut position = vec![0; self.n_classes];
        self.seen.iter().zip(0..).for_each(|(c, p)| position[*c as usize] = p);
        indices.iter().map(|c| position[*c as usize]).collect()
    }

    /// Adds the stored form to `parts`.
    ///
    /// # Errors
    /// As [`Parts::with_meta`].
    pub fn encode(&self, parts: Parts) -> Result<Parts> {
        parts.with("classes", self.seen.clone()).with_meta("n_classes", &self.n_classes)
    }

    /// Reads what [`Classes::encode`] wrote.
    ///
    /// # Errors
    /// [`Corrupted`](pgml_core::ErrorKind::Corrupted) unless they are at least two, ascending and known.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let classes = Self { n_classes: parts.meta("n_classes")?, seen: parts.array::<u32>("classes")?.to_vec() };
        let ascending = classes.seen.windows(2).all(|pair| pair[0] < pair[1]);
        if classes.seen.len() < 2 || !ascending || classes.seen.iter().any(|c| *c as usize >= classes.n_classes) {
            bail!(Corrupted, "stored classes are not ascending indices below {}", classes.n_classes);
        }
        Ok(classes)
    }

    /// Scores per row: one for two classes, else one per class.
    #[must_use]
    pub fn n_scores(&self) -> usize {
        if self.seen.len() == 2 { 1 } else { self.seen.len() }
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

    #[inline]
    fn score(&self, k: usize, row: &[f64]) -> f64 {
        self.intercept[k] + dot(&self.coef[k * self.n_features..(k + 1) * self.n_features], row)
    }

    fn class(&self, classes: &Classes, row: &[f64]) -> f64 {
        if let [first, second] = classes.seen[..] {
            return f64::from(if self.score(0, row) > 0.0 { second } else { first });
        }
        let (mut best, mut best_score) = (0, f64::NEG_INFINITY);
        for k in 0..classes.seen.len() {
            let score = self.score(k, row);
            if score > best_score {
                (best, best_score) = (k, score);
            }
        }
        f64::from(classes.seen[best])
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
        require_finite(&rows)?;
        match self.head.classes() {
            None => {
                for (row, out) in rows.rows().zip(out.chunks_exact_mut(n_outputs)) {
                    out.iter_mut().enumerate().for_each(|(k, out)| *out = self.score(k, row));
                }
                if self.head == Head::Exponential {
                    out.iter_mut().for_each(|score| *score = score.min(MAX_EXPONENT).exp());
                }
            }
            Some(classes) => rows.rows().zip(out).for_each(|(row, out)| *out = self.class(classes, row)),
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
        require_finite(&rows)?;
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(classes.n_classes)) {
            out.fill(0.0);
            match (&classes.seen[..], squash) {
                ([first, second], _) => {
                    let (score, squash) = (self.score(0, row), squash.unwrap_or(Squash::Logistic));
                    out[*second as usize] = squash.probability(score);
                    out[*first as usize] = squash.probability(-score);
                }
                (_, Some(squash)) => self.one_vs_rest(classes, squash, row, out),
                (_, None) => self.softmax(classes, row, out),
            }
        }
        Ok(())
    }
}

impl LinearModel {
    fn softmax(&self, classes: &Classes, row: &[f64], out: &mut [f64]) {
        let mut highest = f64::NEG_INFINITY;
        for (k, class) in classes.seen.iter().enumerate() {
            out[*class as usize] = self.score(k, row);
            highest = highest.max(out[*class as usize]);
        }
        let mut total = 0.0;
        for class in &classes.seen {
            out[*class as usize] = (out[*class as usize] - highest).exp();
            total += out[*class as usize];
        }
        classes.seen.iter().for_each(|class| out[*class as usize] /= total);
    }

    fn one_vs_rest(&self, classes: &Classes, squash: Squash, row: &[f64], out: &mut [f64]) {
        let mut total = 0.0;
        for (k, class) in classes.seen.iter().enumerate() {
            out[*class as usize] = squash.probability(self.score(k, row));
            total += out[*class as usize];
        }
        let equal = 1.0 / classes.seen.len() as f64;
        for class in &classes.seen {
            let p = &mut out[*class as usize];
            // Where no class wants the row, none is more probable than another.
            *p = if total > 0.0 { *p / total } else { equal };
        }
    }
}
