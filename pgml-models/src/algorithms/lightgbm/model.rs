//! A trained LightGBM model, predicting without the library.

use pgml_core::estimator::expect_shape;
use pgml_core::{Classifier, Explain, MatrixRef, Model, Parts, Result, Run, bail};

use super::objective::Link;
use crate::trees::FlatForest;

/// A trained LightGBM model.
#[derive(Debug, Clone)]
pub struct LightgbmModel {
    pub(super) forest: FlatForest<f64, f64>,
    pub(super) link: Link,
    /// What sums are divided by: the rounds of a random forest, else 1.
    pub(super) divisor: f64,
    /// 0 for regression.
    pub(super) n_classes: usize,
}

/// Rows whose scores are held at a time.
const CHUNK_ROWS: usize = 1024;

impl LightgbmModel {
    /// Calls `take` with the predictions of some rows after another, `rows × n_outputs`, and the first row's number.
    fn each_chunk(&self, rows: MatrixRef<'_>, mut take: impl FnMut(usize, &[f64])) {
        let (n_features, n_outputs) = (self.forest.n_features(), self.forest.n_outputs());
        let mut scores = Vec::new();
        for (chunk, values) in rows.as_slice().chunks(CHUNK_ROWS * n_features).enumerate() {
            scores.clear();
            scores.resize(values.len() / n_features * n_outputs, 0.0);
            self.forest.add_leaves(values, &mut scores);
            if self.divisor != 1.0 {
                scores.iter_mut().for_each(|x| *x /= self.divisor);
            }
            scores.chunks_exact_mut(n_outputs).for_each(|row| self.link.apply(row));
            take(chunk * CHUNK_ROWS, &scores);
        }
    }

    fn class_of(outputs: &[f64]) -> usize {
        match outputs {
            [probability] => usize::from(*probability > 0.5),
            several => {
                several.iter().enumerate().fold(0, |best, (class, p)| if *p > several[best] { class } else { best })
            }
        }
    }

    /// Reads what `encode` wrote.
    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        Self {
            forest: FlatForest::decode(parts)?,
            link: parts.meta("link")?,
            divisor: parts.meta("divisor")?,
            n_classes: parts.meta("n_classes")?,
        }
        .checked()
    }

    /// Checks that the parts fit together.
    pub(super) fn checked(self) -> Result<Self> {
        let n_outputs = self.forest.n_outputs();
        let one_for_two = matches!(self.link, Link::Logistic(_)) && self.n_classes == 2 && n_outputs == 1;
        let fits = match self.n_classes {
            0 => n_outputs == 1,
            n_classes => {
                one_for_two || n_outputs == n_classes && matches!(self.link, Link::Softmax | Link::OneVersusRest(_))
            }
        };
        if !fits {
            bail!(Corrupted, "a model of {} classes and {n_outputs} scores", self.n_classes);
        }
        Ok(self)
    }
}

impl Model for LightgbmModel {
    fn n_features(&self) -> usize {
        self.forest.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        self.each_chunk(rows, |first_row, outputs| {
            let rows = outputs.chunks_exact(self.forest.n_outputs());
            for (to, row) in out[first_row..].iter_mut().zip(rows) {
                *to = if self.n_classes == 0 { row[0] } else { Self::class_of(row) as f64 };
            }
        });
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let parts = Parts::new()
            .with_meta("link", &self.link)?
            .with_meta("divisor", &self.divisor)?
            .with_meta("n_classes", &self.n_classes)?;
        self.forest.encode(parts)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.forest.bytes()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.n_classes > 0).then_some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }
}

impl Explain for LightgbmModel {
    fn unit(&self) -> &'static str {
        match self.link {
            Link::Identity => "value",
            Link::Logistic(_) => "log-odds",
            Link::Exp => "logarithm",
            _ => "score",
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
        // Two classes share the score of the second.
        let shared = self.n_classes == 2 && self.forest.n_outputs() == 1;
        let sign = if shared && output == 0 { -1.0 } else { 1.0 };
        let base = self.forest.explain(row, if shared { 0 } else { output }, contributions, run)?;
        contributions.iter_mut().for_each(|x| *x *= sign / self.divisor);
        Ok(base * sign / self.divisor)
    }

    fn importance(&self, _deviations: &[f64]) -> Result<Vec<f64>> {
        self.forest.importance()
    }
}

impl Classifier for LightgbmModel {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, self.n_classes)?;
        self.each_chunk(rows, |first_row, outputs| {
            let out = &mut out[first_row * self.n_classes..];
            if self.forest.n_outputs() > 1 {
                out.iter_mut().zip(outputs).for_each(|(to, from)| *to = *from);
                return;
            }
            for (pair, p) in out.chunks_exact_mut(2).zip(outputs) {
                pair.copy_from_slice(&[1.0 - *p, *p]);
            }
        });
        Ok(())
    }
}
