//! Models on their way out of one database and into another.

use pgml_core::estimator::Imported;
use pgml_core::predictor::Predictor;
use pgml_core::schema::Schema;
use pgml_core::{Error, ErrorKind, Labels, Result, Task, bail};
use pgml_store::catalog::{self, NewModel};
use pgml_store::{Artifact, Port, export, files};
use serde_json::{Value, json};

/// A model as one value.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such model, [`ErrorKind::Corrupted`] when its rows are damaged.
pub fn export(port: &mut dyn Port, model_id: i64) -> Result<Vec<u8>> {
    catalog::model(port, model_id)?;
    export::write(&files::read(port, model_id)?)
}

/// Adds a model to a project, which is created if there is none, and tells its id.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when the bytes are damaged; for a foreign file without its algorithm's name
/// [`ErrorKind::InvalidParameter`].
pub fn import(port: &mut dyn Port, project: &str, bytes: &[u8], algorithm: Option<&str>) -> Result<i64> {
    let artifact = match (export::is_export(bytes), algorithm) {
        (true, _) => export::read(bytes)?,
        (false, Some(algorithm)) => foreign(bytes, algorithm)?,
        (false, None) => {
            return Err(Error::new(ErrorKind::InvalidParameter, "this is no model exported by pgml.export_model")
                .with_hint("for a file saved by XGBoost or LightGBM, pass algorithm => 'xgboost' or 'lightgbm'"));
        }
    };
    let predictor = artifact.predictor(&pgml_models::algorithm)?;
    let project = catalog::find_or_create_project(port, project, Some(predictor.task()))?;
    let manifest = artifact.manifest();
    let id = catalog::next_model_id(port)?;
    let model = NewModel {
        project_id: project.id,
        snapshot_id: None,
        num_features: i32::try_from(predictor.n_raw_features()).unwrap_or(i32::MAX),
        algorithm: manifest.algorithm.clone(),
        hyperparams: Value::Object(manifest.hyperparams.clone()),
        metrics: manifest.metrics.clone(),
        search: None,
        search_params: json!({}),
        search_args: json!({}),
    };
    catalog::insert_model(port, id, &model, &artifact)?;
    Ok(id)
}

/// A model that XGBoost or LightGBM saved.
fn foreign(bytes: &[u8], algorithm: &str) -> Result<Artifact> {
    let algorithm = pgml_models::algorithm(algorithm)?;
    let Imported { model, task, n_classes, feature_names, hyperparams } = algorithm.import(bytes)?;
    let labels = (task == Task::Classification).then(|| positions(n_classes));
    let names = if feature_names.len() == model.n_features() {
        feature_names
    } else if feature_names.is_empty() {
        (0..model.n_features()).map(|f| format!("f{f}")).collect()
    } else {
        bail!(Corrupted, "the file names {} features, but has {}", feature_names.len(), model.n_features())
    };
    let predictor = Predictor::from_parts(algorithm.name(), task, Schema::plain(&names), labels, model)?;
    Artifact::from_predictor(&predictor, algorithm, &hyperparams, None)
}

/// A foreign file does not tell the labels: classes are their positions.
fn positions(n_classes: usize) -> Labels {
    Labels {
        names: (0..n_classes).map(|class| class.to_string()).collect(),
        values: (0..n_classes).map(|class| class as f64).collect(),
    }
}
