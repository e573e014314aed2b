//! Models on their way out of one database and into another.

use pgml_core::{Error, ErrorKind, Result};
use pgml_store::store::Store;
use pgml_store::{Port, catalog, export, files, foreign, transformers};
use pgrx::spi::quote_literal;

/// A model as one value.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such model, [`ErrorKind::Corrupted`] when its rows are damaged,
/// [`ErrorKind::NotSupported`] for a transformer.
pub fn export(port: &mut dyn Port, model_id: i64) -> Result<Vec<u8>> {
    let model = catalog::model(port, model_id)?;
    if model.algorithm == transformers::ALGORITHM {
        let message =
            format!("model {model_id} of project \"{}\" is a transformer, too large for one value", model.project);
        return Err(Error::new(ErrorKind::NotSupported, message).with_hint(format!(
            "in the other database, SELECT pgml.import_model({}); pg_dump, replicas and backups carry it too",
            quote_literal(&model.project)
        )));
    }
    export::write(&files::read(port, model_id)?)
}

/// Adds a model to a project, which is created for the role `owner` if there is none, and tells its id.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when the bytes are damaged or of no known format, [`ErrorKind::WrongType`] when they are
/// of another algorithm than the one named.
pub fn import(port: &mut dyn Port, project: &str, owner: &str, bytes: &[u8], algorithm: Option<&str>) -> Result<i64> {
    let artifact = foreign::import(bytes, &pgml_models::algorithm)?;
    let found = &artifact.manifest().algorithm;
    if let Some(named) = algorithm.filter(|named| named != found) {
        return Err(Error::new(ErrorKind::WrongType, format!("this is a model of {found}, not of {named}")));
    }
    Store::new(port).owned_by(owner).save_artifact(project, &artifact)
}
