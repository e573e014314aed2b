//! A trained network.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, MatrixRef, Model, Parts, Result, bail};

use super::network::{Activation, Forward, Network, Output};
use crate::linear_model::Classes;
use crate::solvers::discriminants::Largest;

/// Rows that go through the network at a time.
const BLOCK: usize = 64;
/// More layers than that are no network but a damaged file.
const MOST_LAYERS: usize = 1000;

/// A multi-layer perceptron.
pub struct MlpModel {
    forward: Forward,
    params: Vec<f64>,
    /// The classes that outputs stand for.
    classes: Option<Classes>,
}

impl MlpModel {
    pub(super) fn new(network: &Network, params: Vec<f64>, classes: Option<Classes>) -> Result<Self> {
        if params.iter().any(|w| !w.is_finite()) {
            bail!(InvalidData, "the weights overflow: features or targets are too large, scale them in preprocess");
        }
        Ok(Self { forward: Forward::new(network, &params), params, classes })
    }

    /// All weights, layer after layer, then all intercepts.
    #[must_use]
    pub fn params(&self) -> &[f64] {
        &self.params
    }

    /// Rebuilds a model from [`Model::encode`]'s parts.
    ///
    /// # Errors
    /// [`Corrupted`](pgml_core::ErrorKind::Corrupted) when they do not fit together.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let units: Vec<usize> = parts.array::<u32>("units")?.iter().map(|n| *n as usize).collect();
        let (name, output): (String, String) = (parts.meta("activation")?, parts.meta("output")?);
        let Some(activation) = Activation::named(&name) else {
            bail!(Corrupted, "stored mlp has the unknown activation \"{name}\"");
        };
        let (output, classes) = match output.as_str() {
            "identity" => (Output::Identity, None),
            "exponential" => (Output::Exponential, None),
            "classes" => {
                let classes = Classes::decode(parts)?;
                (if classes.seen.len() == 2 { Output::Logistic } else { Output::Softmax }, Some(classes))
            }
            other => bail!(Corrupted, "stored mlp has the unknown output \"{other}\""),
        };
        let params = parts.array::<f64>("params")?.to_vec();
        let sizes = units
            .windows(2)
            .try_fold(0_usize, |sum, pair| pair[0].checked_mul(pair[1])?.checked_add(pair[1])?.checked_add(sum));
        let fits = (2..=MOST_LAYERS).contains(&units.len())
            && !units.contains(&0)
            && sizes == Some(params.len())
            && params.iter().all(|w| w.is_finite())
            && classes.as_ref().is_none_or(|c| units.last() == Some(&c.n_scores()));
        if !fits {
            bail!(Corrupted, "stored mlp has {} parameters for layers of {units:?} units", params.len());
        }
        Self::new(&Network { units, activation, output }, params, classes)
    }

    /// Calls `each` with every row's outputs and its place in `out`, which has `per_row` numbers per row.
    fn answer(
        &self,
        rows: MatrixRef<'_>,
        out: &mut [f64],
        per_row: usize,
        each: impl Fn(&[f64], &mut [f64]),
    ) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, per_row)?;
        require_finite(&rows)?;
        let n_outputs = self.forward.network().n_outputs();
        let mut scratch = Vec::new();
        for (rows, out) in rows.as_slice().chunks(BLOCK * self.n_features()).zip(out.chunks_mut(BLOCK * per_row)) {
            let answers = self.forward.outputs(rows, &mut scratch);
            let pairs = answers.chunks_exact(n_outputs).zip(out.chunks_exact_mut(per_row));
            pairs.for_each(|(answers, out)| each(answers, out));
        }
        Ok(())
    }
}

impl Model for MlpModel {
    fn n_features(&self) -> usize {
        self.forward.network().units[0]
    }

    fn n_outputs(&self) -> usize {
        if self.classes.is_some() { 1 } else { self.forward.network().n_outputs() }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        match &self.classes {
            None => self.answer(rows, out, self.n_outputs(), |answers, out| out.copy_from_slice(answers)),
            Some(classes) => self.answer(rows, out, 1, |answers, out| {
                let best = match answers {
                    [second] => usize::from(*second > 0.5),
                    several => several.iter().copied().largest(),
                };
                out[0] = f64::from(classes.seen[best]);
            }),
        }
    }

    fn encode(&self) -> Result<Parts> {
        let network = self.forward.network();
        let parts = Parts::new()
            .with("units", network.units.iter().map(|n| *n as u32).collect())
            .with("params", self.params.clone())
            .with_meta("activation", &network.activation.name())?;
        match (&self.classes, network.output) {
            (Some(classes), _) => classes.encode(parts)?.with_meta("output", &"classes"),
            (None, Output::Exponential) => parts.with_meta("output", &"exponential"),
            (None, _) => parts.with_meta("output", &"identity"),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * self.params.len() + self.forward.bytes()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        self.classes.is_some().then_some(self as &dyn Classifier)
    }
}

impl Classifier for MlpModel {
    fn n_classes(&self) -> usize {
        self.classes.as_ref().map_or(0, |classes| classes.n_classes)
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let Some(classes) = &self.classes else {
            bail!(NotSupported, "this model has no class probabilities");
        };
        self.answer(rows, out, classes.n_classes, |answers, out| {
            out.fill(0.0);
            if let ([p], [first, second]) = (answers, &classes.seen[..]) {
                out[*first as usize] = 1.0 - p;
                out[*second as usize] = *p;
            } else {
                classes.seen.iter().zip(answers).for_each(|(class, p)| out[*class as usize] = *p);
            }
        })
    }
}
