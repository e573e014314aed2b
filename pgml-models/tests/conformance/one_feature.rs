//! Algorithms that learn from one feature, as the checks see them: given several, they learn from the one that goes most
//! along with the target.

use pgml_core::estimator::{Imported, expect_shape};
use pgml_core::hyperparams::ParamSpec;
use pgml_core::{Algorithm, Dataset, MatrixRef, Model, Parts, Result, Run, Task, bail};
use serde_json::{Map, Value};

/// Which algorithms these are.
pub const ONE_FEATURE: &[&str] = &["isotonic"];

/// Such an algorithm behind a choice of the feature.
pub struct OneFeature(pub &'static dyn Algorithm);

impl Algorithm for OneFeature {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn description(&self) -> &'static str {
        self.0.description()
    }

    fn source(&self) -> &'static str {
        self.0.source()
    }

    fn tasks(&self) -> &'static [Task] {
        self.0.tasks()
    }

    fn version(&self) -> u32 {
        self.0.version()
    }

    fn params(&self) -> &'static [ParamSpec] {
        self.0.params()
    }

    fn resolve_params(&self, given: &Map<String, Value>) -> Result<Map<String, Value>> {
        self.0.resolve_params(given)
    }

    fn fit(&self, params: &Map<String, Value>, data: &Dataset, task: Task, run: &Run) -> Result<Box<dyn Model>> {
        let chosen = most_telling(data);
        let mut alone = Dataset::new(vec![data.features()[chosen].clone()])?;
        for target in data.targets() {
            alone = alone.with_target(target.clone())?;
        }
        if let Some(weight) = data.weight() {
            alone = alone.with_weight(weight.to_vec())?;
        }
        let inner = self.0.fit(params, &alone, task, run)?;
        Ok(Box::new(OfOne { inner, chosen, n_features: data.n_features() }))
    }

    fn decode(&self, parts: &Parts) -> Result<Box<dyn Model>> {
        let (chosen, n_features): (usize, usize) = (parts.meta("chosen")?, parts.meta("n_features")?);
        if chosen >= n_features {
            bail!(Corrupted, "feature {chosen} of {n_features}");
        }
        Ok(Box::new(OfOne { inner: self.0.decode(parts)?, chosen, n_features }))
    }

    fn import(&self, bytes: &[u8]) -> Result<Imported<Box<dyn Model>>> {
        self.0.import(bytes)
    }
}

/// The feature with the greatest correlation, or the first.
fn most_telling(data: &Dataset) -> usize {
    let Some(target) = data.targets().first() else { return 0 };
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let centre = mean(target);
    let correlation = |f: usize| {
        let x: Vec<f64> = data.features()[f].values.iter().collect();
        let mean = mean(&x);
        let product: f64 = x.iter().zip(target).map(|(x, y)| (x - mean) * (y - centre)).sum();
        let square: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
        (product / square.sqrt()).abs()
    };
    (1..data.n_features()).fold(0, |best, f| if correlation(f) > correlation(best) { f } else { best })
}

struct OfOne {
    inner: Box<dyn Model>,
    chosen: usize,
    n_features: usize,
}

impl Model for OfOne {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_outputs(&self) -> usize {
        self.inner.n_outputs()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.n_outputs())?;
        let column: Vec<f64> = rows.rows().map(|row| row[self.chosen]).collect();
        self.inner.predict_into(MatrixRef::new(&column, 1)?, out)
    }

    fn encode(&self) -> Result<Parts> {
        self.inner.encode()?.with_meta("chosen", &self.chosen)?.with_meta("n_features", &self.n_features)
    }

    fn bytes(&self) -> usize {
        self.inner.bytes()
    }
}
