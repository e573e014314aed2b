//! What each feature adds to a prediction: contributions that, with a base, sum to what the model says.
//!
//! They are Shapley values (Shapley 1953; Lundberg and Lee 2017: "A unified approach to interpreting model predictions").
//! Trees and linear models give theirs exactly, through [`Explain`]; for all others features are uncovered one after
//! another, in seeded orders (Strumbelj and Kononenko 2014), starting from a typical row.

use crate::predictor::Predictor;
use crate::{Error, ErrorKind, MatrixRef, Model, Result, Run, Task};

/// A model that divides its scores among the features exactly.
pub trait Explain {
    /// What scores are in: `value`, `probability`, `log-odds`, `score`, or for anomalies `splits saved`.
    fn unit(&self) -> &'static str;

    /// Writes how much each feature of `row` adds to the score of `output` (a target or a class), and returns the base:
    /// the score of a row of which nothing is known. `typical` holds what each feature is on average, for models that
    /// need to be told.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when the model was stored without what explanations need; [`ErrorKind::WrongDimension`]
    /// for rows of another width; on cancel.
    fn explain_row(
        &self,
        row: &[f64],
        typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        run: &Run,
    ) -> Result<f64>;

    /// How much the model relies on each feature over all: shares that sum to 1, or all 0 when it uses none.
    /// `deviations` holds the standard deviation of each feature, for models that need to be told.
    ///
    /// # Errors
    /// As [`Explain::explain_row`].
    fn importance(&self, deviations: &[f64]) -> Result<Vec<f64>>;
}

/// Why a model says what it says of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Which target or class is explained: the predicted class for classification.
    pub output: usize,
    /// What the scores are in.
    pub unit: &'static str,
    /// The score of a row of which nothing is known.
    pub base: f64,
    /// The score of this row: `base` and all contributions.
    pub prediction: f64,
    /// One per feature of the model, in its order.
    pub contributions: Vec<Contribution>,
}

/// What one feature adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The feature's name: a column, `image[3]`, or `color=red`.
    pub feature: String,
    /// Its value as the user gave it; `None` when it is missing.
    pub value: Option<String>,
    /// What it adds to the score.
    pub amount: f64,
}

/// How many orders of the features are tried: each, and the same from its end, uncovers every feature once.
const ORDERS: usize = 64;
/// The stream of the generator that orders are drawn from.
const STREAM: u64 = 0xe391_a1e5;

/// Explains what `predictor` says of one row of raw features.
///
/// # Errors
/// As predicting that row, and as [`Explain::explain_row`].
pub fn explain(predictor: &Predictor, raw: &[f64], run: &Run) -> Result<Explanation> {
    let row = predictor.model_row(raw)?;
    let model = predictor.model();
    let rows = MatrixRef::new(&row, model.n_features())?;
    let output = explained_output(model, predictor.task(), rows)?;
    let typical = predictor.typical_row();
    let mut amounts = vec![0.0; row.len()];
    let (base, unit) = match model.explainer() {
        Some(explainer) => (explainer.explain_row(&row, &typical, output, &mut amounts, run)?, explainer.unit()),
        None => {
            let (score, unit) = scorer(model, predictor.task(), output);
            (uncover(&row, &typical, &score, &mut amounts, run)?, unit)
        }
    };
    let names = predictor.feature_names();
    let values = predictor.shown_values(raw);
    let contributions = names.into_iter().zip(values).zip(&amounts);
    Ok(Explanation {
        output,
        unit,
        base,
        prediction: base + amounts.iter().sum::<f64>(),
        contributions: contributions
            .map(|((feature, value), amount)| Contribution { feature, value, amount: *amount })
            .collect(),
    })
}

impl Explanation {
    /// Keeps the `most` largest contributions, largest first; the others become one, under the name `(all others)`.
    #[must_use]
    pub fn largest(mut self, most: usize) -> Self {
        self.contributions.sort_by(|a, b| b.amount.abs().total_cmp(&a.amount.abs()));
        if most < self.contributions.len() {
            let amount = self.contributions.drain(most..).map(|c| c.amount).sum();
            self.contributions.push(Contribution { feature: "(all others)".to_owned(), value: None, amount });
        }
        self
    }
}

/// The class that is predicted; else the first target.
fn explained_output(model: &dyn Model, task: Task, row: MatrixRef<'_>) -> Result<usize> {
    if task != Task::Classification {
        return Ok(0);
    }
    let mut class = [0.0];
    model.predict_into(row, &mut class)?;
    Ok(class[0] as usize)
}

type Score<'a> = Box<dyn Fn(MatrixRef<'_>, &mut Vec<f64>) -> Result<()> + 'a>;

/// The number to be explained of a model that does not explain itself, and what it is in.
fn scorer<'a>(model: &'a dyn Model, task: Task, output: usize) -> (Score<'a>, &'static str) {
    let strided = move |width: usize, all: Vec<f64>, out: &mut Vec<f64>| {
        out.clear();
        out.extend(all.into_iter().skip(output).step_by(width));
    };
    if let Some(classifier) = model.classifier().filter(|_| task == Task::Classification) {
        let n_classes = classifier.n_classes();
        let score = move |rows: MatrixRef<'_>, out: &mut Vec<f64>| {
            let mut all = vec![0.0; rows.n_rows() * n_classes];
            classifier.predict_proba_into(rows, &mut all)?;
            strided(n_classes, all, out);
            Ok(())
        };
        return (Box::new(score), "probability");
    }
    if let Some(detector) = model.anomaly_detector() {
        let score = move |rows: MatrixRef<'_>, out: &mut Vec<f64>| {
            out.resize(rows.n_rows(), 0.0);
            detector.anomaly_score_into(rows, out)
        };
        return (Box::new(score), "anomaly score");
    }
    let n_outputs = model.n_outputs();
    let is_class = matches!(task, Task::Classification);
    let score = move |rows: MatrixRef<'_>, out: &mut Vec<f64>| {
        let mut all = vec![0.0; rows.n_rows() * n_outputs];
        model.predict_into(rows, &mut all)?;
        if is_class {
            all.iter_mut().for_each(|class| *class = f64::from(u8::from(*class as usize == output)));
            *out = all;
        } else {
            strided(n_outputs, all, out);
        }
        Ok(())
    };
    (Box::new(score), if is_class { "predicted or not" } else { "value" })
}

/// Uncovers the features of `row` one after another, starting from the typical row, and gives each what it changes. The
/// sum of all changes along one order is the whole difference, so contributions are exact in sum.
fn uncover(row: &[f64], typical: &[f64], score: &Score<'_>, amounts: &mut [f64], run: &Run) -> Result<f64> {
    let n_features = row.len();
    let mut rng = run.rng(STREAM);
    let mut order: Vec<usize> = (0..n_features).collect();
    let mut steps = Vec::with_capacity((n_features + 1) * n_features);
    let mut scores = Vec::new();
    let mut base = 0.0;
    let n_orders = if n_features == 1 { 1 } else { ORDERS };
    for number in 0..n_orders {
        run.check()?;
        run.progress("explaining", number as u64, n_orders as u64);
        if number % 2 == 0 {
            rng.shuffle(&mut order)
        } else {
            order.reverse()
        }
        steps.clear();
        let mut uncovered = typical.to_vec();
        steps.extend_from_slice(&uncovered);
        for feature in &order {
            uncovered[*feature] = row[*feature];
            steps.extend_from_slice(&uncovered);
        }
        score(MatrixRef::new(&steps, n_features)?, &mut scores)?;
        base = scores[0];
        for (feature, pair) in order.iter().zip(scores.windows(2)) {
            amounts[*feature] += (pair[1] - pair[0]) / n_orders as f64;
        }
    }
    Ok(base)
}

/// How much `predictor` relies on each feature, by name, largest first: shares that sum to 1.
///
/// # Errors
/// [`ErrorKind::NotSupported`] for models that do not tell, with a hint.
pub fn importance(predictor: &Predictor) -> Result<Vec<(String, f64)>> {
    let Some(explainer) = predictor.model().explainer() else {
        let message = format!("{} does not tell how important features are", predictor.algorithm());
        return Err(Error::new(ErrorKind::NotSupported, message)
            .with_hint("pgml.feature_importance(project, relation) tells it by shuffling the columns of a relation"));
    };
    let shares = explainer.importance(&predictor.feature_deviations())?;
    let mut named: Vec<(String, f64)> = predictor.feature_names().into_iter().zip(shares).collect();
    named.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(named)
}

/// Divides by the sum, unless that is 0.
#[must_use]
pub fn shares(mut amounts: Vec<f64>) -> Vec<f64> {
    let total: f64 = amounts.iter().sum();
    if total > 0.0 {
        amounts.iter_mut().for_each(|x| *x /= total);
    }
    amounts
}
