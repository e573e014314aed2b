//! What boosting leaves behind: trees, and how much the word of each counts.

use pgml_core::estimator::expect_shape;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result, Run, bail};

use crate::linear_model::Classes;
use crate::solvers::discriminants::softmax;
use crate::trees::FlatForest;
use crate::trees::averaged::largest;

/// A trained AdaBoost: a vote for classification, a weighted median for regression.
#[derive(Debug)]
pub struct AdaBoostModel {
    /// One output per class seen, votes summed; or one output per tree.
    forest: FlatForest<f32, f64>,
    /// How much each tree counts.
    votes: Vec<f64>,
    /// `None` for regression.
    classes: Option<Classes>,
}

impl AdaBoostModel {
    /// Trees whose leaves hold votes for each of the classes seen.
    pub(super) fn classifier(forest: FlatForest<f32, f64>, votes: Vec<f64>, classes: Classes) -> Result<Self> {
        Self { forest, votes, classes: Some(classes) }.checked()
    }

    /// Trees with an output each.
    pub(super) fn regressor(forest: FlatForest<f32, f64>, votes: Vec<f64>) -> Result<Self> {
        Self { forest, votes, classes: None }.checked()
    }

    /// Reads what [`Model::encode`] wrote.
    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let forest = FlatForest::decode(parts)?;
        let votes = parts.array_of("votes", forest.n_trees())?.to_vec();
        let classes = if parts.meta("is_classifier")? { Some(Classes::decode(parts)?) } else { None };
        Self { forest, votes, classes }.checked()
    }

    fn checked(self) -> Result<Self> {
        let n_outputs = match &self.classes {
            Some(classes) => classes.seen.len(),
            None => self.votes.len(),
        };
        let are_votes = self.votes.iter().all(|vote| vote.is_finite());
        if self.votes.is_empty() || !are_votes || self.forest.n_outputs() != n_outputs {
            bail!(
                Corrupted,
                "a stored model of {} outputs and {} votes for {n_outputs}",
                self.forest.n_outputs(),
                self.votes.len()
            );
        }
        Ok(self)
    }

    /// The sums before the first tree.
    fn nothing(&self) -> Vec<f64> {
        vec![0.0; self.forest.n_outputs()]
    }
}

/// The median of the trees' values, each as often as its vote; `order` is space to sort in.
fn weighted_median(values: &[f64], votes: &[f64], order: &mut Vec<u32>) -> f64 {
    order.clear();
    order.extend(0..values.len() as u32);
    order.sort_unstable_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]).then(a.cmp(b)));
    // As in scikit-learn, half of the sum in this order, so that both are rounded alike.
    let half = 0.5 * order.iter().map(|tree| votes[*tree as usize]).sum::<f64>();
    let mut below = 0.0;
    for tree in order.iter() {
        below += votes[*tree as usize];
        if below >= half {
            return values[*tree as usize];
        }
    }
    values[order[0] as usize]
}

impl Model for AdaBoostModel {
    fn n_features(&self) -> usize {
        self.forest.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        match &self.classes {
            Some(classes) => self.forest.each_sum(rows, &self.nothing(), out, |votes, class| {
                class[0] = f64::from(classes.seen[largest(votes)]);
            }),
            None => {
                let mut order = Vec::with_capacity(self.votes.len());
                self.forest.each_sum(rows, &self.nothing(), out, |values, y| {
                    y[0] = weighted_median(values, &self.votes, &mut order);
                });
            }
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let parts =
            Parts::new().with("votes", self.votes.clone()).with_meta("is_classifier", &self.classes.is_some())?;
        self.forest.encode(match &self.classes {
            Some(classes) => classes.encode(parts)?,
            None => parts,
        })
    }

    fn bytes(&self) -> usize {
        self.forest.bytes() + 8 * self.votes.len()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        self.classes.is_some().then_some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        // A median is no sum of what trees say.
        self.classes.is_some().then_some(self)
    }
}

impl Explain for AdaBoostModel {
    fn unit(&self) -> &'static str {
        "score"
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
        let all: f64 = self.votes.iter().sum();
        let base = self.forest.explain(row, position, contributions, run)?;
        contributions.iter_mut().for_each(|x| *x /= all);
        Ok(base / all)
    }

    fn importance(&self, _deviations: &[f64]) -> Result<Vec<f64>> {
        self.forest.importance()
    }
}

impl Classifier for AdaBoostModel {
    fn n_classes(&self) -> usize {
        self.classes.as_ref().map_or(0, |classes| classes.n_classes)
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let Some(classes) = &self.classes else { bail!(NotSupported, "a regression has no class probabilities") };
        expect_shape(&rows, self.n_features(), out, classes.n_classes)?;
        let all: f64 = self.votes.iter().sum();
        // Two classes have one decision, half of the difference of their votes, on either side of 0.
        let scale = 1.0 / (all * (classes.seen.len() as f64 - 1.0));
        self.forest.each_sum(rows, &self.nothing(), out, |votes, probabilities| {
            softmax(&classes.seen, |k| votes[k] * scale, probabilities);
        });
        Ok(())
    }
}
