//! Where models come from. A trait, so that what surrounds the models is tested without any.

use std::path::PathBuf;
use std::sync::Arc;

use pgml_core::frames::Settings;
pub use pgml_core::text::Purpose;
use pgml_core::text::{Embedder, ModelSpec, Reranker, TextGenerator, TextPipeline, TextTask};
use pgml_core::{Result, Run};

/// A model's files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// Their folder.
    pub folder: PathBuf,
    /// Bytes of memory that the loaded model will take.
    pub bytes: u64,
}

/// A model in memory.
#[derive(Clone)]
pub enum Loaded {
    /// For [`Purpose::Embed`].
    Embedder(Arc<dyn Embedder>),
    /// For [`Purpose::Rank`].
    Reranker(Arc<dyn Reranker>),
    /// For [`Purpose::Generate`].
    Generator(Arc<dyn TextGenerator>),
    /// For [`Purpose::Answer`].
    Pipeline(Arc<dyn TextPipeline>),
}

/// How the files of a model may be had.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Access {
    /// Shown to the hub.
    pub token: Option<String>,
    /// What the name means now is accepted, whatever it meant at its first use.
    pub refresh: bool,
}

/// Finds and loads models.
pub trait Models: Send + Sync + 'static {
    /// The device that a specification asks for, by one name: who leaves the choice and who names the same device share a
    /// copy.
    ///
    /// # Errors
    /// For a name that is none.
    fn device(&self, spec: &ModelSpec) -> Result<String>;

    /// The model's files, if they are here. Quick.
    ///
    /// # Errors
    /// [`ErrorKind::UnresolvedModel`](pgml_core::ErrorKind::UnresolvedModel) for a name that cannot be one.
    fn find(&self, spec: &ModelSpec, settings: &Settings) -> Result<Option<Found>>;

    /// The model's files, brought here if they are elsewhere. May take long; reports progress, polls `run`.
    ///
    /// # Errors
    /// [`ErrorKind::UnresolvedModel`](pgml_core::ErrorKind::UnresolvedModel) when there are none, and those of the way.
    fn fetch(&self, spec: &ModelSpec, settings: &Settings, access: &Access, run: &Run) -> Result<Found>;

    /// Those files of the folder that the model needs in the form that is asked for, by their paths in it.
    ///
    /// # Errors
    /// Of a folder that says of itself what cannot be.
    fn files(&self, found: &Found, spec: &ModelSpec) -> Result<Vec<String>>;

    /// The task that the model says it is made for.
    ///
    /// # Errors
    /// Of a model that says nothing from which a task follows.
    fn task(&self, found: &Found) -> Result<TextTask>;

    /// Reads them. Takes long; polls `run`.
    ///
    /// # Errors
    /// Of files that cannot be read, architectures that are not known, devices that are not there.
    fn load(&self, found: &Found, spec: &ModelSpec, purpose: Purpose, run: &Run) -> Result<Loaded>;
}
