//! Data sets in, linear models out: what all methods of this kind share.

use pgml_core::{Dataset, Result, Run, bail};
use serde_json::Value;

use crate::algorithms::task_params::regression_targets;
use crate::linear_model::{Classes, Head, LinearModel};
use crate::solvers::padded_rows::PaddedRows;
use crate::solvers::sgd::{Fitted, Measure, Problem, Settings, Watched, descend};
use crate::solvers::{class_weight, held_out, parallel};

/// The stream of random numbers that draws the rows to watch; orders of rows have those from 0 on.
const WATCH: u64 = u64::MAX;

/// How to fit.
pub struct Fit {
    /// The SQL name, for messages.
    pub name: &'static str,
    /// What is minimised, and how.
    pub settings: Settings,
    /// Share of the rows that decide when to stop.
    pub watched_share: Option<f64>,
    /// Seed in place of the training's.
    pub seed: Option<u64>,
}

impl Fit {
    /// The regression of the single target.
    pub fn regress(&self, data: &Dataset, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        regression_targets(data)?;
        let run = &self.seeded(run);
        let weight = data.weight().map_or_else(|| vec![1.0; data.n_rows()], <[f64]>::to_vec);
        let rows = PaddedRows::new(data, run)?;
        let problem = Problem { rows: &rows, y: data.target()?, weight: &weight };
        let split = self.split(data, None, run)?;
        let fitted = self.descend(&problem, &split, Measure::R2, data.weight(), 0, run)?;
        self.model(&[fitted], data, Head::Value, run)
    }

    /// One score per class against all others; two classes share one.
    pub fn classify(
        &self,
        data: &Dataset,
        weight_of_classes: &Value,
        head: impl FnOnce(Classes) -> Head,
        run: &Run,
    ) -> Result<LinearModel> {
        data.require_finite()?;
        let run = &self.seeded(run);
        let target = data.target()?;
        let classes = Classes::seen_in(target, data.n_classes())?;
        let factors = class_weight::factors(weight_of_classes, target, data.n_classes(), None)?;
        let class = classes.positions(target);
        let rows = PaddedRows::new(data, run)?;
        let split = self.split(data, Some(&class), run)?;
        let _memory = run.reserve(16 * (data.n_rows() * run.threads()) as u64, "targets and weights")?;
        let fitted = parallel::map(classes.n_scores(), run, |score| {
            let binary = classes.seen.len() == 2;
            let positive = if binary { 1 } else { score as u32 };
            let y: Vec<f64> = class.iter().map(|c| if *c == positive { 1.0 } else { -1.0 }).collect();
            // Weights of classes count for the positive class alone where there are several (as in scikit-learn).
            let factor = |i: usize| if binary || class[i] == positive { factors[target[i] as usize] } else { 1.0 };
            let weight: Vec<f64> = (0..y.len()).map(|i| factor(i) * data.weight().map_or(1.0, |w| w[i])).collect();
            let problem = Problem { rows: &rows, y: &y, weight: &weight };
            self.descend(&problem, &split, Measure::Accuracy, data.weight(), score as u64, run)
        })?;
        self.model(&fitted, data, head(classes), run)
    }

    fn seeded(&self, run: &Run) -> Run {
        self.seed.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed))
    }

    fn split(&self, data: &Dataset, class: Option<&[u32]>, run: &Run) -> Result<held_out::Split> {
        let Some(share) = self.watched_share else {
            return Ok(held_out::Split { learn: (0..data.n_rows() as u32).collect(), watch: Vec::new() });
        };
        let split = held_out::split(data.n_rows(), class, share, &mut run.rng(WATCH))?;
        if data.weight().is_some_and(|w| split.watch.iter().all(|row| w[*row as usize] == 0.0)) {
            bail!(InvalidData, "all rows that early_stopping set aside have weight 0; try another random_state");
        }
        Ok(split)
    }

    fn descend(
        &self,
        problem: &Problem<'_>,
        split: &held_out::Split,
        measure: Measure,
        weight: Option<&[f64]>,
        stream: u64,
        run: &Run,
    ) -> Result<Fitted> {
        let watched = Watched { problem, watch: &split.watch, weight, measure };
        let watched = self.watched_share.map(|_| &watched);
        descend(&self.settings, problem, split.learn.clone(), watched, &mut run.rng(stream), run)
    }

    fn model(&self, fitted: &[Fitted], data: &Dataset, head: Head, run: &Run) -> Result<LinearModel> {
        let passes = fitted.iter().map(|f| f.passes).max().unwrap_or(0);
        if self.settings.tol.is_some() && passes == self.settings.max_iter {
            run.warn(&format!(
                "{} did not converge in {passes} passes; raise max_iter, or scale the features in preprocess",
                self.name
            ));
        }
        // Averaging that never began leaves the coefficients as they are.
        let averaged = self.settings.average <= passes * data.n_rows();
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for fitted in fitted {
            let plain = (&fitted.coef, fitted.intercept);
            let (w, b) = fitted.average.as_ref().filter(|_| averaged).map_or(plain, |(w, b)| (w, *b));
            coef.extend_from_slice(&w[..data.n_features()]);
            intercept.push(b);
        }
        LinearModel::new(coef, intercept, head)
    }
}
