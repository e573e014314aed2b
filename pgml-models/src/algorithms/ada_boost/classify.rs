//! SAMME: trees vote for classes, and rows that a tree gets wrong weigh more for the next.

use pgml_core::Result;

use super::{AdaBoostModel, AdaBoostParams, first_weights, mend};
use crate::linear_model::Classes;
use crate::trees::averaged::largest;
use crate::trees::forest::weighted_rows;
use crate::trees::grower::Grown;
use crate::trees::learner::{Draw, Learner};
use crate::trees::{FlatBuilder, SourceTree};

/// Boosts trees whose leaves hold class shares.
pub(super) fn boost(params: &AdaBoostParams, learner: &Learner<'_>) -> Result<AdaBoostModel> {
    let (data, run) = (learner.data(), learner.run());
    let target = data.target()?;
    let classes = Classes::seen_in(target, data.n_classes())?;
    let n_seen = classes.seen.len() as f64;
    let mut weights = first_weights(data);
    let mut forest = FlatBuilder::new(data.n_features(), classes.seen.len(), classes.seen.len());
    let mut votes = Vec::new();
    let mut rng = run.rng(0);
    for round in 0..params.n_estimators {
        run.progress("training", round as u64, params.n_estimators as u64);
        mend(&mut weights);
        let draw = Draw { rows: weighted_rows(data.n_rows(), Some(&weights)), features: None };
        let grown = learner.grow(draw, &mut rng)?;
        let guesses = guesses(&grown, data.n_classes());
        let leaves = learner.leaves(&grown)?;
        let is_wrong = |row: usize| f64::from(guesses[leaves[row] as usize]) != target[row];
        let wrong: f64 = (0..weights.len()).filter(|row| is_wrong(*row)).map(|row| weights[row]).sum();
        let error = wrong / weights.iter().sum::<f64>();
        // A first tree that is no better than chance is all there is to learn; later ones are dropped.
        let is_hopeless = error >= 1.0 - 1.0 / n_seen;
        if is_hopeless && !votes.is_empty() {
            break;
        }
        let is_last = error <= 0.0 || is_hopeless;
        let vote =
            if is_last { 1.0 } else { params.learning_rate * (((1.0 - error) / error).ln() + (n_seen - 1.0).ln()) };
        forest.push(&voting(&grown, &guesses, &classes, vote))?;
        votes.push(vote);
        if is_last {
            break;
        }
        let raise = vote.exp();
        weights.iter_mut().enumerate().filter(|(row, _)| is_wrong(*row)).for_each(|(_, weight)| *weight *= raise);
        let sum: f64 = weights.iter().sum();
        if !sum.is_finite() {
            run.warn("the weights of rows overflow, so boosting ends early; lower learning_rate");
            break;
        }
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    AdaBoostModel::classifier(forest.finish()?, votes, classes)
}

/// The class with the largest share in each node.
fn guesses(grown: &Grown, n_classes: usize) -> Vec<u32> {
    grown.tree.values.chunks_exact(n_classes).map(|shares| largest(shares) as u32).collect()
}

/// The tree with its vote in each leaf: for one class, and against all others in equal parts.
fn voting(grown: &Grown, guesses: &[u32], classes: &Classes, vote: f64) -> SourceTree<f32, f64> {
    let against = -vote / (classes.seen.len() as f64 - 1.0);
    let votes = |guess: u32| classes.seen.iter().map(move |class| if *class == guess { vote } else { against });
    let mut tree = grown.tree.clone();
    tree.values = guesses.iter().flat_map(|guess| votes(*guess)).collect();
    tree.to_source()
}
