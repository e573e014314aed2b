//! Models in a database, from a Rust program: save, deploy, load.

use pgml_core::{Algorithm, Predictor, Result, Trained, bail};
use serde_json::{Map, Value};

use crate::catalog::{self, ModelRow, NewModel, Strategy};
use crate::{Artifact, Port, Resolver, files};

/// The models of one database, reached through any [`Port`].
///
/// Nothing here begins or ends a transaction: give it a transaction to make several steps one fact, or a connection to
/// have each statement stand for itself.
pub struct Store<'a> {
    port: &'a mut dyn Port,
    owner: Option<&'a str>,
}

impl std::fmt::Debug for Store<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl<'a> Store<'a> {
    /// The models of the database behind `port`, where the extension pgml is installed.
    pub fn new(port: &'a mut dyn Port) -> Self {
        Self { port, owner: None }
    }

    /// Projects that [`save`](Self::save) creates belong to this role; without it, to the connection's user.
    #[must_use]
    pub fn owned_by(mut self, role: &'a str) -> Self {
        self.owner = Some(role);
        self
    }

    /// Stores what `algorithm` has trained under the project `name`, which is created if there is none, and tells the
    /// model's id. It predicts in SQL by that id at once, and by the project's name once it is deployed.
    ///
    /// # Errors
    /// [`AlreadyExists`](pgml_core::ErrorKind::AlreadyExists) when the project is for another task.
    pub fn save(&mut self, name: &str, trained: &Trained, algorithm: &dyn Algorithm) -> Result<i64> {
        self.save_artifact(name, &Artifact::of_trained(trained, algorithm)?)
    }

    /// Stores an artifact under the project `name`. See [`Store::save`].
    ///
    /// # Errors
    /// As there.
    pub fn save_artifact(&mut self, name: &str, artifact: &Artifact) -> Result<i64> {
        let manifest = artifact.manifest();
        let Ok(num_features) = i32::try_from(manifest.schema.n_raw_features()) else {
            bail!(NotSupported, "the model takes {} features, too many to store", manifest.schema.n_raw_features());
        };
        let project = catalog::find_or_create_project(self.port, name, Some(manifest.task), self.owner)?;
        let id = catalog::next_model_id(self.port)?;
        let new = NewModel {
            project_id: project.id,
            snapshot_id: None,
            num_features,
            search: None,
            search_params: Value::Object(Map::new()),
            search_args: Value::Object(Map::new()),
        };
        catalog::insert_model(self.port, id, &new, artifact)?;
        Ok(id)
    }

    /// Makes a model the live one of its project.
    ///
    /// # Errors
    /// [`NotFound`](pgml_core::ErrorKind::NotFound) when there is no such model.
    pub fn deploy(&mut self, model_id: i64) -> Result<()> {
        let model = catalog::model(self.port, model_id)?;
        catalog::deploy(self.port, &model, Strategy::Specific)?;
        Ok(())
    }

    /// What the catalog knows about a model.
    ///
    /// # Errors
    /// [`NotFound`](pgml_core::ErrorKind::NotFound) when there is no such model.
    pub fn model(&mut self, model_id: i64) -> Result<ModelRow> {
        catalog::model(self.port, model_id)
    }

    /// Loads a model, whoever trained it. `resolver` finds its algorithm, for instance `pgml_models::algorithm`.
    ///
    /// # Errors
    /// [`Corrupted`](pgml_core::ErrorKind::Corrupted) when a stored byte changed,
    /// [`NotSupported`](pgml_core::ErrorKind::NotSupported) when a newer pgml wrote it.
    pub fn load(&mut self, model_id: i64, resolver: Resolver<'_>) -> Result<Predictor> {
        let model = catalog::model(self.port, model_id)?;
        files::load(self.port, &model, None, resolver)
    }

    /// Loads the live model of the project `name`.
    ///
    /// # Errors
    /// As [`Store::load`]; [`NotReady`](pgml_core::ErrorKind::NotReady) when none is deployed.
    pub fn load_deployed(&mut self, name: &str, resolver: Resolver<'_>) -> Result<Predictor> {
        let id = catalog::deployed_model(self.port, name)?;
        self.load(id, resolver)
    }
}
