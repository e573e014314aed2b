//! Affinity propagation.

mod messages;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use crate::centres::Centres;

hyperparams! {
    /// Parameters of `affinity_propagation`.
    pub struct AffinityPropagationParams {
        /// Share of the old messages that each step keeps, against oscillation.
        damping: f64 = 0.5, range: at_least_below(0.5, 1.0);
        /// Most steps.
        max_iter: u32 = 200, range: at_least(1.0), aliases: ["max_n_iterations"];
        /// Steps without another exemplar after which to stop.
        convergence_iter: u32 = 15, range: at_least(1.0);
        /// How much each row wants to be an exemplar, as minus a squared distance: the greater, the more clusters; null means the median of all pairs.
        preference: Option<f64> = None;
        /// Minus the squared euclidean distance.
        affinity: String = "euclidean".to_owned(), choices: ["euclidean"], no_effect: true;
        /// Seed of the noise that parts equal rows; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility.
        copy: bool = true, no_effect: true;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
    }
}

/// Affinity propagation.
pub struct AffinityPropagation;

impl Estimator for AffinityPropagation {
    const NAME: &'static str = "affinity_propagation";
    const DESCRIPTION: &'static str =
        "Finds exemplars among the rows, and how many, by messages between all pairs: for some thousands of rows.";
    const SOURCE: &'static str = "Frey, Dueck 2007; scikit-learn 1.9 AffinityPropagation";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = AffinityPropagationParams;
    type Model = Centres;

    fn fit(params: &AffinityPropagationParams, data: &Dataset, _: Task, run: &Run) -> Result<Centres> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "affinity_propagation knows no weights of rows");
        }
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let exemplars = messages::exemplars(data, params, run)?;
        Centres::new(data.select(&exemplars).to_rows(), data.n_features())
    }

    fn decode(parts: &Parts) -> Result<Centres> {
        Centres::decode(parts)
    }
}
