//! A trained model as named parts with a manifest.

use std::collections::BTreeMap;

use pgml_core::{Algorithm, Error, ErrorKind, Model, Parts, Predictor, Result, Shared, Trained};
use serde_json::{Map, Value};

use crate::manifest::{Manifest, PartEntry, corrupted, upgrade_needed};
use crate::tensors;

/// The part that holds a classical model's arrays.
pub const STATE_ARRAYS: &str = "state.safetensors";

/// The part that holds what is no array of a classical model.
pub const STATE_META: &str = "state.json";

/// Finds an algorithm by its SQL name. The store knows no algorithm itself.
pub type Resolver<'a> = &'a dyn Fn(&str) -> Result<&'static dyn Algorithm>;

/// A trained model at rest: its manifest and the parts that the manifest lists, which match their digests.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    manifest: Manifest,
    contents: BTreeMap<String, Shared<u8>>,
}

impl Artifact {
    /// A classical model's artifact: what `manifest` says of it, and its state.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the state has no stored form.
    pub fn new(manifest: Manifest, state: &Parts) -> Result<Self> {
        let meta = serde_json::to_vec(&state.meta)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("model state has no JSON form: {e}")))?;
        let contents =
            BTreeMap::from([(STATE_ARRAYS.to_owned(), tensors::encode(state)?), (STATE_META.to_owned(), meta)]);
        Ok(Self::of_contents(manifest, contents))
    }

    /// The artifact of a predictor, whose model `algorithm` made with `hyperparams`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the model has no stored form.
    pub fn of_predictor(
        predictor: &Predictor,
        algorithm: &dyn Algorithm,
        hyperparams: Map<String, Value>,
    ) -> Result<Self> {
        let mut manifest = Manifest::new(algorithm, predictor.task(), predictor.schema().clone());
        manifest.labels = predictor.labels().cloned();
        manifest.hyperparams = hyperparams;
        Self::new(manifest, &predictor.model().encode()?)
    }

    /// The artifact of what `algorithm` has just trained, with its metrics.
    ///
    /// # Errors
    /// As [`Artifact::of_predictor`].
    pub fn of_trained(trained: &Trained, algorithm: &dyn Algorithm) -> Result<Self> {
        let mut artifact = Self::of_predictor(&trained.predictor, algorithm, trained.hyperparams.clone())?;
        artifact.manifest.metrics = Some(trained.metrics.clone());
        Ok(artifact)
    }

    /// An artifact of any parts; the manifest's list of parts is made here.
    #[must_use]
    pub fn of_contents(mut manifest: Manifest, contents: BTreeMap<String, Vec<u8>>) -> Self {
        manifest.parts = contents.iter().map(|(name, bytes)| PartEntry::of(name, bytes)).collect();
        Self { manifest, contents: contents.into_iter().map(|(name, bytes)| (name, bytes.into())).collect() }
    }

    /// An artifact whose parts were checked against the manifest already.
    pub(crate) fn of_checked(manifest: Manifest, contents: BTreeMap<String, Shared<u8>>) -> Self {
        Self { manifest, contents }
    }

    /// What the model is.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Every part but the manifest, sorted by name.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.contents.iter().map(|(name, bytes)| (name.as_str(), &**bytes))
    }

    /// The bytes of part `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when there is none.
    pub fn part(&self, name: &str) -> Result<&Shared<u8>> {
        match self.contents.get(name) {
            Some(bytes) => Ok(bytes),
            None => Err(corrupted(name, "it is missing")),
        }
    }

    /// Bytes of all parts together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.contents.values().map(|bytes| bytes.len()).sum()
    }

    /// The state of a classical model, whose arrays lie where the part's bytes do.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming the part, when it cannot be read.
    pub fn state(&self) -> Result<Parts> {
        let mut state = tensors::decode(self.part(STATE_ARRAYS)?).map_err(|e| corrupted(STATE_ARRAYS, e.message()))?;
        state.meta = serde_json::from_slice::<Map<_, _>>(self.part(STATE_META)?)
            .map_err(|e| corrupted(STATE_META, &e.to_string()))?;
        Ok(state)
    }

    /// Everything needed to predict with a classical model.
    ///
    /// # Errors
    /// As [`Artifact::model`]; [`ErrorKind::Corrupted`] too when schema, labels and model do not fit together.
    pub fn predictor(&self, resolver: Resolver<'_>) -> Result<Predictor> {
        let Manifest { algorithm, task, schema, labels, .. } = &self.manifest;
        Predictor::from_parts(algorithm, *task, schema.clone(), labels.clone(), self.model(resolver)?)
    }

    /// The classical model itself.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an algorithm that `resolver` does not know, [`ErrorKind::NotSupported`] when a newer
    /// version of it wrote the model, [`ErrorKind::Corrupted`] when the state makes no model.
    pub fn model(&self, resolver: Resolver<'_>) -> Result<Box<dyn Model>> {
        let algorithm = resolver(&self.manifest.algorithm)?;
        let written = self.manifest.estimator_version;
        if written > algorithm.version() {
            let message = format!(
                "the stored {} model has version {written}, newer than {}",
                algorithm.name(),
                algorithm.version()
            );
            return Err(upgrade_needed(message, Some(&self.manifest.pgml_version)));
        }
        algorithm.decode(&self.state()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Mean, resolve};
    use crate::manifest::tests::known_schema;
    use pgml_core::{MatrixRef, Task};

    fn trained() -> (Predictor, Artifact) {
        let model = Box::new(Mean { mean: vec![0.1, 0.7] });
        let schema = known_schema(&["a", "b"]);
        let predictor = Predictor::from_parts("mean", Task::Regression, schema, None, model).expect("fits");
        let artifact = Artifact::of_predictor(&predictor, resolve("mean").expect("known"), Map::new()).expect("stores");
        (predictor, artifact)
    }

    fn predict(predictor: &Predictor) -> f64 {
        let mut out = [0.0];
        predictor.predict(MatrixRef::new(&[3.0, 5.0], 2).expect("a row"), &mut out).expect("predicts");
        out[0]
    }

    #[test]
    fn a_loaded_predictor_predicts_the_same_bits() {
        let (before, artifact) = trained();
        let after = artifact.predictor(&resolve).expect("loads");
        assert_eq!(predict(&after).to_bits(), predict(&before).to_bits());
        assert_eq!((after.task(), after.schema()), (before.task(), before.schema()));
    }

    #[test]
    fn a_model_of_a_newer_algorithm_asks_for_an_upgrade() {
        let (_, mut artifact) = trained();
        artifact.manifest.estimator_version = 2;
        let error = artifact.predictor(&resolve).expect_err("newer");
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert_eq!(error.message(), "the stored mean model has version 2, newer than 1");
        assert_eq!(error.hint(), Some("upgrade pgml to read this model"));
    }

    #[test]
    fn a_model_of_an_unknown_algorithm_is_named() {
        let (_, mut artifact) = trained();
        artifact.manifest.algorithm = "deep_thought".to_owned();
        let error = artifact.predictor(&resolve).expect_err("unknown");
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "unknown algorithm \"deep_thought\""));
    }

    #[test]
    fn a_missing_and_a_malformed_part_are_named() {
        let (_, artifact) = trained();
        for (part, bytes) in [(STATE_ARRAYS, None), (STATE_ARRAYS, Some("{}")), (STATE_META, Some("["))] {
            let mut broken = artifact.clone();
            match bytes {
                None => broken.contents.remove(part),
                Some(bytes) => broken.contents.insert(part.to_owned(), bytes.as_bytes().to_vec().into()),
            };
            let error = broken.predictor(&resolve).expect_err("broken");
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
            assert!(error.message().contains(part), "{error}");
        }
    }
}
