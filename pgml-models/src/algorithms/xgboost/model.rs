//! A trained XGBoost model, predicting without the library.

use pgml_core::estimator::expect_shape;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result, Run, bail};

use super::objective::{self, Link};
use crate::linear_model;
use crate::trees::FlatForest;

/// A trained XGBoost model.
#[derive(Debug, Clone)]
pub struct XgboostModel {
    pub(super) body: Body,
    /// The margin of each output before the first tree.
    pub(super) base: Vec<f32>,
    pub(super) objective: String,
    pub(super) link: Link,
    pub(super) n_features: usize,
    /// 0 for regression.
    pub(super) n_classes: usize,
    /// A value that means missing, besides NaN.
    pub(super) missing: Option<f64>,
}

/// What margins are made of.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a model has one, and predicts without a further pointer")]
pub(super) enum Body {
    /// Sums of leaves.
    Trees(FlatForest<f32, f32>),
    /// A linear model: `(n_features + 1) × n_outputs` weights, the biases last.
    Linear(Vec<f32>),
}

/// Rows whose margins are held at a time.
const CHUNK_ROWS: usize = 1024;

impl XgboostModel {
    /// Calls `take` with the predictions of some rows after another, `rows × base.len()`, and the first row's number.
    fn each_chunk(&self, rows: MatrixRef<'_>, mut take: impl FnMut(usize, &mut [f32])) {
        let n_outputs = self.base.len();
        let mut margins = Vec::new();
        let mut replaced = Vec::new();
        for (chunk, values) in rows.as_slice().chunks(CHUNK_ROWS * self.n_features).enumerate() {
            margins.clear();
            for _ in 0..values.len() / self.n_features {
                margins.extend_from_slice(&self.base);
            }
            self.add_margins(self.with_missing(values, &mut replaced), &mut margins);
            margins.chunks_exact_mut(n_outputs).for_each(|row| self.link.apply(row));
            take(chunk * CHUNK_ROWS, &mut margins);
        }
    }

    fn with_missing<'a>(&self, values: &'a [f64], replaced: &'a mut Vec<f64>) -> &'a [f64] {
        let Some(missing) = self.missing else { return values };
        replaced.clear();
        replaced.extend(values.iter().map(|x| if *x as f32 == missing as f32 { f64::NAN } else { *x }));
        replaced
    }

    fn add_margins(&self, values: &[f64], margins: &mut [f32]) {
        let n_outputs = self.base.len();
        match &self.body {
            Body::Trees(forest) => forest.add_leaves(values, margins),
            Body::Linear(weights) => {
                let (weights, bias) = weights.split_at(self.n_features * n_outputs);
                for (row, sums) in values.chunks_exact(self.n_features).zip(margins.chunks_exact_mut(n_outputs)) {
                    add_linear(row, weights, bias, sums);
                }
            }
        }
    }

    fn class_of(&self, outputs: &[f32]) -> usize {
        match outputs {
            [margin] if self.link == Link::Identity => usize::from(*margin > 0.0),
            [probability] => usize::from(*probability > 0.5),
            several => {
                several.iter().enumerate().fold(0, |best, (class, p)| if *p > several[best] { class } else { best })
            }
        }
    }

    /// The same model with another value in each leaf; a linear model stays as it is.
    pub(in crate::algorithms) fn with_leaves(mut self, value: impl Fn(f32) -> f32) -> Self {
        if let Body::Trees(forest) = self.body {
            self.body = Body::Trees(forest.with_leaves(value));
        }
        self
    }

    /// Reads what `encode` wrote.
    pub(in crate::algorithms) fn decode(parts: &Parts) -> Result<Self> {
        let objective: String = parts.meta("objective")?;
        let [n_features, n_classes] = parts.meta::<[usize; 2]>("shape")?;
        let base = parts.array::<f32>("base_margin")?.to_vec();
        let body = match parts.meta::<String>("booster")?.as_str() {
            "trees" => Body::Trees(FlatForest::decode(parts)?),
            "linear" => Body::Linear(parts.array("weights")?.to_vec()),
            other => bail!(Corrupted, "unknown stored booster \"{other}\""),
        };
        Self {
            body,
            base,
            link: objective::link_of(&objective)?,
            objective,
            n_features,
            n_classes,
            missing: parts.meta("missing")?,
        }
        .checked()
    }

    /// Checks that the parts fit together.
    pub(super) fn checked(self) -> Result<Self> {
        let outputs_wanted =
            if self.n_classes > 2 || self.n_classes == 2 && self.link == Link::Softmax { self.n_classes } else { 1 };
        if self.n_features == 0 || self.base.is_empty() || self.n_classes != 0 && self.base.len() != outputs_wanted {
            let (features, outputs, classes) = (self.n_features, self.base.len(), self.n_classes);
            bail!(Corrupted, "a model of {features} features, {outputs} outputs and {classes} classes");
        }
        let fits = match &self.body {
            Body::Trees(forest) => (forest.n_features(), forest.n_outputs()) == (self.n_features, self.base.len()),
            Body::Linear(weights) => {
                Some(weights.len()) == self.n_features.checked_add(1).and_then(|n| n.checked_mul(self.base.len()))
            }
        };
        if !fits {
            bail!(
                Corrupted,
                "trees or weights do not fit {} features and {} outputs",
                self.n_features,
                self.base.len()
            );
        }
        Ok(self)
    }
}

fn add_linear(row: &[f64], weights: &[f32], bias: &[f32], sums: &mut [f32]) {
    sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += *bias);
    for (x, weights) in row.iter().zip(weights.chunks_exact(bias.len())).filter(|(x, _)| !x.is_nan()) {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += *x as f32 * *weight);
    }
}

impl Model for XgboostModel {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_outputs(&self) -> usize {
        if self.n_classes > 0 { 1 } else { self.base.len() }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.n_outputs())?;
        let n_outputs = self.base.len();
        self.each_chunk(rows, |first_row, outputs| {
            if self.n_classes == 0 {
                out[first_row * n_outputs..].iter_mut().zip(outputs).for_each(|(to, from)| *to = f64::from(*from));
                return;
            }
            for (to, row) in out[first_row..].iter_mut().zip(outputs.chunks_exact(n_outputs)) {
                *to = self.class_of(row) as f64;
            }
        });
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let parts = Parts::new()
            .with("base_margin", self.base.clone())
            .with_meta("objective", &self.objective)?
            .with_meta("shape", &[self.n_features, self.n_classes])?
            .with_meta("missing", &self.missing)?;
        match &self.body {
            Body::Trees(forest) => forest.encode(parts.with_meta("booster", &"trees")?),
            Body::Linear(weights) => parts.with("weights", weights.clone()).with_meta("booster", &"linear"),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.body {
                Body::Trees(forest) => forest.bytes(),
                Body::Linear(weights) => size_of_val(weights.as_slice()),
            }
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.n_classes > 0).then_some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }
}

impl Explain for XgboostModel {
    fn unit(&self) -> &'static str {
        match self.link {
            _ if self.n_classes == 2 && self.base.len() == 1 => "log-odds",
            Link::Identity => "value",
            Link::Logistic => "log-odds",
            Link::Exp => "logarithm",
            Link::Step | Link::Softmax => "score",
        }
    }

    fn explain_row(
        &self,
        row: &[f64],
        typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        run: &Run,
    ) -> Result<f64> {
        // Two classes share the margin of the second.
        let shared = self.n_classes == 2 && self.base.len() == 1;
        let margin = if shared { 0 } else { output };
        let mut replaced = Vec::new();
        let row = self.with_missing(row, &mut replaced);
        let base = match &self.body {
            Body::Trees(forest) => forest.explain(row, margin, contributions, run)?,
            Body::Linear(weights) => {
                let weights: Vec<f64> =
                    weights.iter().skip(margin).step_by(self.base.len()).map(|w| f64::from(*w)).collect();
                let bias = weights.last().copied().unwrap_or(0.0);
                bias + linear_model::contributions(&weights[..self.n_features], row, typical, contributions)
            }
        } + f64::from(self.base[margin]);
        if shared && output == 0 {
            contributions.iter_mut().for_each(|x| *x = -*x);
            return Ok(-base);
        }
        Ok(base)
    }

    fn importance(&self, deviations: &[f64]) -> Result<Vec<f64>> {
        match &self.body {
            Body::Trees(forest) => forest.importance(),
            Body::Linear(weights) => {
                let coef: Vec<f64> = weights.iter().map(|w| f64::from(*w)).collect();
                Ok(linear_model::importance(coef.chunks_exact(self.base.len()), deviations))
            }
        }
    }
}

impl Classifier for XgboostModel {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.n_classes)?;
        self.each_chunk(rows, |first_row, outputs| {
            let out = &mut out[first_row * self.n_classes..];
            if self.base.len() > 1 {
                out.iter_mut().zip(outputs).for_each(|(to, from)| *to = f64::from(*from));
                return;
            }
            if self.link == Link::Identity {
                outputs.iter_mut().for_each(|x| Link::Logistic.apply(std::slice::from_mut(x)));
            }
            for (pair, p) in out.chunks_exact_mut(self.n_classes).zip(outputs) {
                // In f32, as scikit-learn's interface to the library does.
                pair.copy_from_slice(&[f64::from(1.0 - *p), f64::from(*p)][2 - self.n_classes.min(2)..]);
            }
        });
        Ok(())
    }
}
