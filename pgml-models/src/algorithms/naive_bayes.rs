//! Naive Bayes: features are taken as independent within each class.

mod counts;
mod gaussian;
mod model;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

pub use self::model::NaiveBayesModel;
use super::task_params::refuse_unless_default;
use crate::linear_model::Classes;

hyperparams! {
    /// Parameters of `naive_bayes`.
    pub struct NaiveBayesParams {
        /// How a feature is distributed within a class: "gaussian" (measurements), "multinomial" (counts), "complement" (counts, of classes that are unequal), "bernoulli" (yes or no).
        distribution: String = "gaussian".to_owned(), choices: ["gaussian", "multinomial", "bernoulli", "complement"];
        /// Gaussian: share of the largest feature variance that is added to all variances.
        var_smoothing: f64 = 1e-9, range: at_least(0.0);
        /// Gaussian: how probable each class is, an array by position among the sorted labels; null takes the rows' shares.
        priors: Value = Value::Null;
        /// Multinomial, complement and bernoulli: what is added to each count, a number or an array with one per feature.
        alpha: Value = Value::from(1.0);
        /// Multinomial, complement and bernoulli: whether alpha may be less than 1e-10, which else takes its place.
        force_alpha: bool = true;
        /// Multinomial and bernoulli: whether classes are as probable as their share of the rows, else all the same.
        fit_prior: bool = true;
        /// Multinomial and bernoulli: how probable each class is, an array by position among the sorted labels.
        class_prior: Value = Value::Null;
        /// Bernoulli: greater values count as 1, others as 0; null means that features are 0 and 1 already.
        binarize: Option<f64> = Some(0.0), range: at_least(0.0);
        /// Complement: whether the weights of each class are brought to a sum of 1.
        norm: bool = false;
    }
}

/// Naive Bayes classification.
pub struct NaiveBayes;

impl Estimator for NaiveBayes {
    const NAME: &'static str = "naive_bayes";
    const DESCRIPTION: &'static str =
        "Weighs each feature's evidence for each class as if it were alone: the quickest classifier, in one pass.";
    const SOURCE: &'static str = "Chan, Golub, LeVeque 1979; Rennie, Shih, Teevan, Karger 2003; scikit-learn 1.9 GaussianNB, \
                                  MultinomialNB, ComplementNB and BernoulliNB";
    const TASKS: &'static [Task] = &[Task::Classification];
    const VERSION: u32 = 1;
    type Params = NaiveBayesParams;
    type Model = NaiveBayesModel;

    fn fit(params: &NaiveBayesParams, data: &Dataset, _: Task, run: &Run) -> Result<NaiveBayesModel> {
        data.require_finite()?;
        let others: &[&str] = match params.distribution.as_str() {
            "gaussian" => &["alpha", "force_alpha", "fit_prior", "class_prior", "binarize", "norm"],
            "multinomial" => &["var_smoothing", "priors", "binarize", "norm"],
            "bernoulli" => &["var_smoothing", "priors", "norm"],
            _ => &["var_smoothing", "priors", "binarize", "fit_prior", "class_prior"],
        };
        refuse_unless_default(Self::NAME, params, &format!("distribution \"{}\"", params.distribution), others)?;
        let (classes, shares) = weigh_classes(data)?;
        let rows = Rows { data, class: classes.positions(data.target()?), k: classes.seen.len() };
        if params.distribution == "gaussian" {
            gaussian::fit(params, &rows, classes, &shares, run)
        } else {
            counts::fit(params, &rows, classes, &shares, run)
        }
    }

    fn decode(parts: &Parts) -> Result<NaiveBayesModel> {
        NaiveBayesModel::decode(parts)
    }
}

/// What is counted.
struct Rows<'a> {
    data: &'a Dataset,
    /// The position of each row's class. Rows without weight may have any.
    class: Vec<u32>,
    /// How many classes there are.
    k: usize,
}

impl Rows<'_> {
    /// `Σ weight · value` for each class.
    fn sums(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.k];
        match self.data.weight() {
            None => self.class.iter().zip(values).for_each(|(class, x)| sums[*class as usize] += x),
            Some(weight) => {
                self.class.iter().zip(values).zip(weight).for_each(|((class, x), w)| sums[*class as usize] += w * x);
            }
        }
        sums
    }
}

/// The classes of rows that have a weight, and the weight of each.
fn weigh_classes(data: &Dataset) -> Result<(Classes, Vec<f64>)> {
    let target = data.target()?;
    let mut totals = vec![0.0; data.n_classes()];
    for (row, class) in target.iter().enumerate() {
        totals[*class as usize] += data.weight().map_or(1.0, |w| w[row]);
    }
    let present: Vec<f64> = (0..totals.len()).filter(|c| totals[*c] > 0.0).map(|c| c as f64).collect();
    let classes = Classes::seen_in(&present, data.n_classes())?;
    let shares = classes.seen.iter().map(|class| totals[*class as usize]).collect();
    Ok((classes, shares))
}

/// The probabilities in an array of one per class, seen or not, or one per class that was seen.
fn given_priors(name: &str, list: &Value, classes: &Classes) -> Result<Vec<f64>> {
    let numbers: Option<Vec<f64>> = list.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let fits = |p: &Vec<f64>| {
        (p.len() == classes.n_classes || p.len() == classes.seen.len()) && p.iter().all(|p| p.is_finite() && *p >= 0.0)
    };
    let Some(numbers) = numbers.filter(fits) else {
        bail!(
            InvalidParameter,
            "hyperparameter \"{name}\" of naive_bayes is {list}, but must be null or an array of {} numbers of at least 0",
            classes.n_classes
        );
    };
    if numbers.len() == classes.seen.len() {
        return Ok(numbers);
    }
    Ok(classes.seen.iter().map(|class| numbers[*class as usize]).collect())
}
