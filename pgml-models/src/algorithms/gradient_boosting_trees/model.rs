//! A sum of trees, and what becomes of it.

use pgml_core::estimator::expect_shape;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result, Run, bail};
use serde::{Deserialize, Serialize};

use super::loss::logistic;
use crate::linear_model::Classes;
use crate::solvers::discriminants::softmax;
use crate::trees::FlatForest;
use crate::trees::averaged::largest;

/// How scores become predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Link {
    /// The score is the value.
    Identity,
    /// The score is the log-odds of the second class.
    LogOdds,
    /// The score is half of the log-odds of the second class.
    HalfLogOdds,
    /// Scores are logarithms of class probabilities, up to what is common to all.
    Softmax,
}

/// A trained gradient boosting.
#[derive(Debug)]
pub struct GradientBoostingModel {
    /// One output per score; leaves are scaled by the learning rate.
    forest: FlatForest<f32, f64>,
    /// The scores before the first tree.
    init: Vec<f64>,
    link: Link,
    /// `None` for regression.
    classes: Option<Classes>,
}

impl GradientBoostingModel {
    /// A model of trees that add to `init`.
    pub(super) fn new(
        forest: FlatForest<f32, f64>,
        init: Vec<f64>,
        link: Link,
        classes: Option<Classes>,
    ) -> Result<Self> {
        let n_scores = match (&classes, link) {
            (None, Link::Identity) => 1,
            (Some(classes), Link::Softmax) if classes.seen.len() > 2 => classes.seen.len(),
            (Some(classes), Link::LogOdds | Link::HalfLogOdds) if classes.seen.len() == 2 => 1,
            _ => bail!(Corrupted, "a stored model whose scores of the kind {link:?} do not fit its classes"),
        };
        if forest.n_outputs() != n_scores || init.len() != n_scores || init.iter().any(|x| !x.is_finite()) {
            bail!(Corrupted, "a stored model of {} scores that begin at {init:?}", forest.n_outputs());
        }
        Ok(Self { forest, init, link, classes })
    }

    /// Reads what [`Model::encode`] wrote.
    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let link = parts.meta("link")?;
        let classes = if link == Link::Identity { None } else { Some(Classes::decode(parts)?) };
        Self::new(FlatForest::decode(parts)?, parts.array::<f64>("init")?.to_vec(), link, classes)
    }

    /// The probability of the second of two classes.
    fn second(&self, score: f64) -> f64 {
        logistic(if self.link == Link::HalfLogOdds { 2.0 * score } else { score })
    }
}

impl Model for GradientBoostingModel {
    fn n_features(&self) -> usize {
        self.forest.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        match &self.classes {
            None => {
                out.fill(self.init[0]);
                self.forest.add_leaves(rows.as_slice(), out);
            }
            Some(classes) => self.forest.each_sum(rows, &self.init, out, |scores, class| {
                let position = if let [score] = scores { usize::from(*score >= 0.0) } else { largest(scores) };
                class[0] = f64::from(classes.seen[position]);
            }),
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let parts = Parts::new().with("init", self.init.clone()).with_meta("link", &self.link)?;
        self.forest.encode(match &self.classes {
            Some(classes) => classes.encode(parts)?,
            None => parts,
        })
    }

    fn bytes(&self) -> usize {
        self.forest.bytes()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        self.classes.is_some().then_some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }
}

impl Explain for GradientBoostingModel {
    fn unit(&self) -> &'static str {
        match self.link {
            Link::Identity => "value",
            Link::LogOdds | Link::HalfLogOdds => "log-odds",
            Link::Softmax => "score",
        }
    }

    fn explain_row(
        &self,
        row: &[f64],
        _typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        run: &Run,
    ) -> Result<f64> {
        let position = self.classes.as_ref().map_or(Ok(0), |classes| classes.position(output))?;
        // Two classes share the score of the second.
        let (score, factor) = match self.link {
            Link::Identity | Link::Softmax => (position, 1.0),
            Link::LogOdds => (0, if position == 0 { -1.0 } else { 1.0 }),
            Link::HalfLogOdds => (0, if position == 0 { -2.0 } else { 2.0 }),
        };
        let base = self.init[score] + self.forest.explain(row, score, contributions, run)?;
        contributions.iter_mut().for_each(|x| *x *= factor);
        Ok(base * factor)
    }

    fn importance(&self, _deviations: &[f64]) -> Result<Vec<f64>> {
        self.forest.importance()
    }
}

impl Classifier for GradientBoostingModel {
    fn n_classes(&self) -> usize {
        self.classes.as_ref().map_or(0, |classes| classes.n_classes)
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let Some(classes) = &self.classes else { bail!(NotSupported, "a regression has no class probabilities") };
        expect_shape(&rows, self.n_features(), out, classes.n_classes)?;
        self.forest.each_sum(rows, &self.init, out, |scores, probabilities| match scores {
            [score] => classes.share(self.second(*score), probabilities),
            scores => softmax(&classes.seen, |k| scores[k], probabilities),
        });
        Ok(())
    }
}
