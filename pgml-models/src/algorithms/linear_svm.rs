//! Support vector machines without a kernel.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use super::task_params::{refuse_other_tasks, refuse_unless_default, regression_targets};
use crate::linear_model::{Classes, Head, LinearModel};
use crate::per_target::PerTarget;
use crate::solvers::crammer_singer::{self, CrammerSinger};
use crate::solvers::dual_descent::{self, Dual, Stop};
use crate::solvers::padded_rows::PaddedRows;
use crate::solvers::piecewise_quadratic::{self, Margin, Objective, Penalty};
use crate::solvers::{class_weight, parallel};

hyperparams! {
    /// Parameters of `linear_svm`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct LinearSvmParams {
        /// Price of errors: lower means smaller coefficients.
        C: f64 = 1.0, range: above(0.0), aliases: ["c"];
        /// What an error costs: "epsilon_insensitive" or "squared_epsilon_insensitive", for classes "hinge" or "squared_hinge"; "auto" is epsilon_insensitive, for classes squared_hinge.
        loss: String = "auto".to_owned(), choices: ["auto", "epsilon_insensitive", "squared_epsilon_insensitive", "hinge", "squared_hinge"];
        /// Regression: distance from the target within which errors cost nothing.
        epsilon: f64 = 0.0, range: at_least(0.0);
        /// Classification: "l2" keeps coefficients small, "l1" (with squared_hinge) makes useless ones zero.
        penalty: String = "l2".to_owned(), choices: ["l1", "l2"];
        /// Classification: "ovr" tells each class from all others, "crammer_singer" all classes at once.
        multi_class: String = "ovr".to_owned(), choices: ["ovr", "crammer_singer"];
        /// Whether to fit an intercept, which is penalised like the coefficients.
        fit_intercept: bool = true;
        /// The constant feature whose coefficient makes the intercept: greater means less penalised.
        intercept_scaling: f64 = 1.0, range: above(0.0);
        /// Violation of optimality at which to stop.
        tol: f64 = 1e-4, range: above(0.0);
        /// Most passes over the rows (a hundred times as many for crammer_singer), or steps of Newton's method.
        max_iter: u32 = 1000, range: at_least(1.0);
        /// Classification: null, "balanced", or a weight per class by its position among the sorted labels.
        class_weight: Value = Value::Null;
        /// Seed of the order of rows where the loss has a corner or all classes are told apart at once; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: the optimum is the same whichever problem is solved.
        dual: Value = Value::from("auto"), no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
    }
}

/// Linear support vector regression and classification.
pub struct LinearSvm;

impl Estimator for LinearSvm {
    const NAME: &'static str = "linear_svm";
    const DESCRIPTION: &'static str =
        "Support vector machine without a kernel: straight boundaries, for many rows; scale the features.";
    const SOURCE: &'static str = "Fan et al. 2008 (LIBLINEAR); Hsieh et al. 2008; Ho, Lin 2012; Keerthi et al. 2008; \
                                  scikit-learn 1.9 LinearSVR and LinearSVC";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = LinearSvmParams;
    type Model = PerTarget<LinearModel>;

    fn fit(params: &LinearSvmParams, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        data.require_finite()?;
        let classifies = task == Task::Classification;
        let others: &[&str] = if classifies { &["epsilon"] } else { &["penalty", "multi_class", "class_weight"] };
        refuse_other_tasks(Self::NAME, params, task, others)?;
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let constant = [params.intercept_scaling];
        let rows = PaddedRows::with_constants(data, if params.fit_intercept { &constant } else { &[] }, run)?;
        let machine = Machine { params, rows: &rows, d: data.n_features(), run };
        PerTarget::fit(data, |one| match classifies {
            true if params.multi_class == "crammer_singer" => machine.all_classes(one),
            true => machine.each_class(one),
            false => machine.regress(one),
        })
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        PerTarget::<LinearModel>::decode(parts, LinearModel::decode)
    }
}

/// What a loss is made of: the square of the distance beyond a margin, or the distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    One,
    Two,
}

struct Machine<'a> {
    params: &'a LinearSvmParams,
    rows: &'a PaddedRows,
    d: usize,
    run: &'a Run,
}

impl Machine<'_> {
    fn regress(&self, data: &Dataset) -> Result<LinearModel> {
        let power = match self.params.loss.as_str() {
            "auto" | "epsilon_insensitive" => Power::One,
            "squared_epsilon_insensitive" => Power::Two,
            other => bail!(InvalidParameter, "loss \"{other}\" of linear_svm is for classification"),
        };
        regression_targets(data)?;
        let y = data.target()?;
        let c: Vec<f64> = (0..y.len()).map(|i| self.params.C * data.weight().map_or(1.0, |w| w[i])).collect();
        let epsilon = self.params.epsilon;
        let w = match power {
            Power::One => {
                // All violations together are a share of far larger ones at first.
                let low = c.iter().map(|c| -c).collect();
                self.dual(&Dual { rows: self.rows, y, epsilon, low, high: c }, Stop::Share(0.1 * self.tenth()), 0)?
            }
            Power::Two => self.newton(y, &c, Margin::Tube(epsilon), Penalty::L2, self.params.tol)?,
        };
        self.model(&[w], Head::Value)
    }

    fn each_class(&self, data: &Dataset) -> Result<LinearModel> {
        let power = match self.params.loss.as_str() {
            "auto" | "squared_hinge" => Power::Two,
            "hinge" => Power::One,
            other => bail!(InvalidParameter, "loss \"{other}\" of linear_svm is for regression"),
        };
        let penalty = if self.params.penalty == "l1" { Penalty::L1 } else { Penalty::L2 };
        if (power, penalty) == (Power::One, Penalty::L1) {
            bail!(InvalidParameter, "penalty \"l1\" of linear_svm goes with loss \"squared_hinge\" alone");
        }
        let (classes, class, factors) = self.classes(data)?;
        let binary = classes.seen.len() == 2;
        let n = class.len();
        let _memory = self.run.reserve(16 * (n * self.run.threads()) as u64, "targets and weights")?;
        let weights = parallel::map(classes.n_scores(), self.run, |score| {
            let positive = if binary { 1 } else { score as u32 };
            let y: Vec<f64> = class.iter().map(|c| if *c == positive { 1.0 } else { -1.0 }).collect();
            // Weights of classes count for the positive class alone where there are several (as in LIBLINEAR).
            let factor = |i: usize| if binary || class[i] == positive { factors[class[i] as usize] } else { 1.0 };
            let weight = |i: usize| self.params.C * factor(i) * data.weight().map_or(1.0, |w| w[i]);
            let c: Vec<f64> = (0..n).map(weight).collect();
            if power == Power::One {
                let low = y.iter().zip(&c).map(|(y, c)| if *y > 0.0 { 0.0 } else { -c }).collect();
                let high = y.iter().zip(&c).map(|(y, c)| if *y > 0.0 { *c } else { 0.0 }).collect();
                let dual = Dual { rows: self.rows, y: &y, epsilon: 0.0, low, high };
                return self.dual(&dual, Stop::Largest(self.tenth()), score as u64);
            }
            let of_positive = y.iter().filter(|y| **y > 0.0).count();
            let rarer = of_positive.min(n - of_positive).max(1) as f64 / n as f64;
            self.newton(&y, &c, Margin::Hinge, penalty, rarer * self.params.tol)
        })?;
        self.model(&weights, Head::Decision(classes))
    }

    fn all_classes(&self, data: &Dataset) -> Result<LinearModel> {
        refuse_unless_default(LinearSvm::NAME, self.params, "multi_class \"crammer_singer\"", &["loss", "penalty"])?;
        let (classes, class, factors) = self.classes(data)?;
        let weight = |i: usize| factors[class[i] as usize] * data.weight().map_or(1.0, |w| w[i]);
        let c: Vec<f64> = (0..class.len()).map(|i| self.params.C * weight(i)).collect();
        let problem = CrammerSinger { rows: self.rows, class: &class, c: &c, k: classes.seen.len() };
        // LIBLINEAR allows 100,000 passes here, whatever it is asked for.
        let max_iter = 100 * self.params.max_iter as usize;
        let (w, converged) = crammer_singer::descend(&problem, self.tenth(), max_iter, &mut self.run.rng(0), self.run)?;
        self.warn_unless(converged);
        let mut weights: Vec<Vec<f64>> = w.chunks_exact(self.rows.width()).map(<[f64]>::to_vec).collect();
        if let [first, second] = weights.as_mut_slice() {
            second.iter_mut().zip(first.iter()).for_each(|(w, of_first)| *w -= of_first);
            weights.remove(0);
        }
        self.model(&weights, Head::Decision(classes))
    }

    /// The classes, the position of each row's, and the weight of each.
    fn classes(&self, data: &Dataset) -> Result<(Classes, Vec<u32>, Vec<f64>)> {
        let target = data.target()?;
        let classes = Classes::seen_in(target, data.n_classes())?;
        let all = class_weight::factors(&self.params.class_weight, target, data.n_classes(), data.weight())?;
        let factors = classes.seen.iter().map(|class| all[*class as usize]).collect();
        let class = classes.positions(target);
        Ok((classes, class, factors))
    }

    /// Steps are cheap here: a tenth of the tolerance, so that the objective is not above LIBLINEAR's.
    fn tenth(&self) -> f64 {
        0.1 * self.params.tol
    }

    fn dual(&self, dual: &Dual<'_>, stop: Stop, stream: u64) -> Result<Vec<f64>> {
        let mut rng = self.run.rng(stream);
        let (w, converged) = dual_descent::descend(dual, stop, self.params.max_iter as usize, &mut rng, self.run)?;
        self.warn_unless(converged);
        Ok(w)
    }

    fn newton(&self, y: &[f64], c: &[f64], margin: Margin, penalty: Penalty, tol: f64) -> Result<Vec<f64>> {
        let n_params = self.d + usize::from(self.params.fit_intercept);
        let objective = Objective { rows: self.rows, n_params, y, c, margin, penalty };
        let (w, converged) = piecewise_quadratic::minimise(&objective, tol, self.params.max_iter as usize, self.run)?;
        self.warn_unless(converged);
        Ok(w)
    }

    fn warn_unless(&self, converged: bool) {
        if !converged {
            self.run.warn(&format!(
                "linear_svm did not converge in {} iterations; raise max_iter, or scale the features in preprocess",
                self.params.max_iter
            ));
        }
    }

    /// One row of weights per score, the constant feature's behind the others.
    fn model(&self, weights: &[Vec<f64>], head: Head) -> Result<LinearModel> {
        let scale = self.params.intercept_scaling;
        let intercept = |w: &Vec<f64>| if self.params.fit_intercept { scale * w[self.d] } else { 0.0 };
        let coef = weights.iter().flat_map(|w| w[..self.d].iter().copied()).collect();
        LinearModel::new(coef, weights.iter().map(intercept).collect(), head)
    }
}
