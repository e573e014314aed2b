//! A trained model as named parts with a manifest.

use std::collections::BTreeMap;

use pgml_core::{Algorithm, Error, ErrorKind, Model, Parts, Result};
use serde_json::Map;

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
    contents: BTreeMap<String, Vec<u8>>,
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

    /// An artifact of any parts; the manifest's list of parts is made here.
    #[must_use]
    pub fn of_contents(mut manifest: Manifest, contents: BTreeMap<String, Vec<u8>>) -> Self {
        manifest.parts = contents.iter().map(|(name, bytes)| PartEntry::of(name, bytes)).collect();
        Self { manifest, contents }
    }

    /// An artifact whose parts were checked against the manifest already.
    pub(crate) fn of_checked(manifest: Manifest, contents: BTreeMap<String, Vec<u8>>) -> Self {
        Self { manifest, contents }
    }

    /// What the model is.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Every part but the manifest, sorted by name.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.contents.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// The bytes of part `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when there is none.
    pub fn part(&self, name: &str) -> Result<&[u8]> {
        match self.contents.get(name) {
            Some(bytes) => Ok(bytes),
            None => Err(corrupted(name, "it is missing")),
        }
    }

    /// Bytes of all parts together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.contents.values().map(Vec::len).sum()
    }

    /// The state of a classical model.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming the part, when it cannot be read.
    pub fn state(&self) -> Result<Parts> {
        let mut state = tensors::decode(self.part(STATE_ARRAYS)?).map_err(|e| corrupted(STATE_ARRAYS, e.message()))?;
        state.meta = serde_json::from_slice::<Map<_, _>>(self.part(STATE_META)?)
            .map_err(|e| corrupted(STATE_META, &e.to_string()))?;
        Ok(state)
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
