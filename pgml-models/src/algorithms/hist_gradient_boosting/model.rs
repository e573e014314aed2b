//! A trained model.

use pgml_core::estimator::expect_shape;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result, Run, bail};

use super::loss::Link;
use crate::linear_model::Classes;
use crate::solvers::discriminants::softmax;
use crate::trees::FlatForest;
use crate::trees::averaged::largest;

/// Trees whose leaves add up to raw scores.
#[derive(Debug, Clone)]
pub struct HistGradientBoostingModel {
    forest: FlatForest<f64, f64>,
    /// What the leaves are added to, one number per score.
    baseline: Vec<f64>,
    link: Link,
    /// `None` for regression.
    classes: Option<Classes>,
}

impl HistGradientBoostingModel {
    /// A model of trees.
    pub(super) fn new(
        forest: FlatForest<f64, f64>,
        baseline: Vec<f64>,
        link: Link,
        classes: Option<Classes>,
    ) -> Result<Self> {
        let model = Self { forest, baseline, link, classes };
        if model.baseline.iter().any(|score| !score.is_finite()) {
            bail!(InvalidData, "boosting overflows: targets or weights are too large, scale them");
        }
        Ok(model)
    }

    /// Reads what [`Model::encode`] wrote.
    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let forest = FlatForest::<f64, f64>::decode(parts)?;
        let baseline = parts.array_of::<f64>("baseline", forest.n_outputs())?.to_vec();
        if baseline.iter().any(|score| !score.is_finite()) {
            bail!(Corrupted, "a stored model starts from scores that are not finite");
        }
        let n_classes: usize = parts.meta("n_classes")?;
        let link: Link = parts.meta("link")?;
        let seen = parts.array::<u32>("classes")?.to_vec();
        let classes = if n_classes == 0 { None } else { Some(Classes { n_classes, seen }) };
        let n_scores = match (&classes, link) {
            (None, Link::Identity | Link::Log) => 1,
            (Some(classes), Link::Logit | Link::Softmax) => {
                let ascending = classes.seen.windows(2).all(|pair| pair[0] < pair[1]);
                let enough = classes.seen.len() >= if link == Link::Logit { 2 } else { 3 };
                if !ascending || !enough || classes.seen.iter().any(|class| *class as usize >= n_classes) {
                    bail!(Corrupted, "stored classes are not ascending indices below {n_classes}");
                }
                classes.n_scores()
            }
            _ => bail!(Corrupted, "a stored model of {n_classes} classes has the link {link:?}"),
        };
        if baseline.len() != n_scores {
            bail!(Corrupted, "a stored model has {} scores where {n_scores} belong", baseline.len());
        }
        Ok(Self { forest, baseline, link, classes })
    }
}

/// The class that a row's raw scores stand for.
fn class_of(classes: &Classes, scores: &[f64]) -> u32 {
    if let ([first, second], [score]) = (&classes.seen[..], scores) {
        return if *score > 0.0 { *second } else { *first };
    }
    classes.seen[largest(scores)]
}

impl Model for HistGradientBoostingModel {
    fn n_features(&self) -> usize {
        self.forest.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        self.forest.each_sum(rows, &self.baseline, out, |scores, out| match &self.classes {
            None => {
                self.link.apply(scores);
                out[0] = scores[0];
            }
            Some(classes) => out[0] = f64::from(class_of(classes, scores)),
        });
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let (n_classes, seen) = self.classes.as_ref().map_or((0, Vec::new()), |c| (c.n_classes, c.seen.clone()));
        let parts = Parts::new()
            .with("baseline", self.baseline.clone())
            .with("classes", seen)
            .with_meta("n_classes", &n_classes)?
            .with_meta("link", &self.link)?;
        self.forest.encode(parts)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.forest.bytes() + 8 * self.baseline.len()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        self.classes.is_some().then_some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("n_iter", (self.forest.n_trees() / self.baseline.len()) as f64)]
    }
}

impl Classifier for HistGradientBoostingModel {
    fn n_classes(&self) -> usize {
        self.classes.as_ref().map_or(0, |classes| classes.n_classes)
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let Some(classes) = &self.classes else { bail!(NotSupported, "this model has no class probabilities") };
        expect_shape(&rows, self.n_features(), out, classes.n_classes)?;
        self.forest.each_sum(rows, &self.baseline, out, |scores, out| {
            if let [score] = scores {
                self.link.apply(std::slice::from_mut(score));
                classes.share(*score, out);
            } else {
                softmax(&classes.seen, |k| scores[k], out);
            }
        });
        Ok(())
    }
}

impl Explain for HistGradientBoostingModel {
    fn unit(&self) -> &'static str {
        match self.link {
            Link::Identity => "value",
            Link::Log => "logarithm",
            Link::Logit => "log-odds",
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
        let (score, sign) = match self.link {
            // Two classes share the score of the second.
            Link::Logit => (0, if position == 0 { -1.0 } else { 1.0 }),
            _ => (position, 1.0),
        };
        let base = self.forest.explain(row, score, contributions, run)?;
        contributions.iter_mut().for_each(|x| *x *= sign);
        Ok((base + self.baseline[score]) * sign)
    }

    fn importance(&self, _deviations: &[f64]) -> Result<Vec<f64>> {
        self.forest.importance()
    }
}
