//! AdaBoost.R2: each tree learns from rows drawn by weight, and rows that it predicts badly weigh more for the next.

use pgml_core::Result;

use super::{AdaBoostModel, AdaBoostParams, first_weights, mend};
use crate::trees::FlatBuilder;
use crate::trees::bootstrap::Bootstrap;
use crate::trees::learner::{Draw, Learner};

/// Boosts trees whose leaves hold values.
pub(super) fn boost(params: &AdaBoostParams, learner: &Learner<'_>) -> Result<AdaBoostModel> {
    let (data, run) = (learner.data(), learner.run());
    let target = data.target()?;
    let mut weights = first_weights(data);
    let mut trees = Vec::new();
    let mut votes = Vec::new();
    let mut rng = run.rng(0);
    for round in 0..params.n_estimators {
        run.progress("training", round as u64, params.n_estimators as u64);
        mend(&mut weights);
        let counts = Bootstrap::new(data.n_rows(), data.n_rows(), Some(&weights)).counts(&mut rng);
        // A row that is drawn twice counts as two in the limits of leaves too, as in scikit-learn.
        let drawn = (0..).zip(counts).flat_map(|(row, count)| std::iter::repeat_n((row, 1.0), count as usize));
        let grown = learner.grow(Draw { rows: drawn.collect(), features: None }, &mut rng)?;
        let leaves = learner.leaves(&grown)?;
        let errors: Vec<f64> =
            leaves.iter().zip(target).map(|(leaf, y)| (grown.tree.values[*leaf as usize] - y).abs()).collect();
        let losses = losses(&params.loss, errors, &weights);
        let error: f64 = losses.iter().zip(&weights).map(|(loss, weight)| loss * weight).sum();
        let is_perfect = error <= 0.0;
        let is_hopeless = error >= 0.5;
        if is_hopeless && !votes.is_empty() {
            break;
        }
        let mut source = grown.tree.to_source();
        source.output = trees.len();
        trees.push(source);
        if is_perfect || is_hopeless {
            votes.push(1.0);
            break;
        }
        let beta = error / (1.0 - error);
        votes.push(params.learning_rate * -beta.ln());
        let raised = losses.iter().map(|loss| beta.powf((1.0 - loss) * params.learning_rate));
        weights.iter_mut().zip(raised).for_each(|(weight, factor)| *weight *= factor);
        let sum: f64 = weights.iter().sum();
        if sum <= 0.0 {
            break;
        }
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    let mut forest = FlatBuilder::new(data.n_features(), 1, trees.len());
    trees.iter().try_for_each(|tree| forest.push(tree))?;
    AdaBoostModel::regressor(forest.finish()?, votes)
}

/// Errors as shares of the largest that any row of weight has, and then as `loss` says.
fn losses(loss: &str, mut errors: Vec<f64>, weights: &[f64]) -> Vec<f64> {
    let weighted = errors.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    let largest = weighted.fold(0.0_f64, |largest, (error, _)| largest.max(*error));
    if largest > 0.0 {
        // Rows of no weight may be farther off; what they lose counts as nothing.
        errors.iter_mut().for_each(|error| *error = (*error / largest).min(1.0));
    }
    match loss {
        "square" => errors.iter_mut().for_each(|error| *error *= *error),
        "exponential" => errors.iter_mut().for_each(|error| *error = 1.0 - (-*error).exp()),
        _ => {}
    }
    errors
}
