//! Models that came from elsewhere: exported by pgml, or saved by XGBoost or LightGBM.

use pgml_core::estimator::Imported;
use pgml_core::{Algorithm, Error, ErrorKind, Labels, Model, Predictor, Result, Schema, Task};

use crate::legacy::xgboost_binary;
use crate::{Artifact, Resolver, export};

/// Reads a model from `bytes`: what `pgml.export_model` gave, XGBoost's JSON, UBJSON or old binary format, or LightGBM's
/// text. `resolver` must know the algorithm.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when the bytes are none of these or damaged, [`ErrorKind::NotSupported`] when a newer pgml
/// wrote them.
pub fn import(bytes: &[u8], resolver: Resolver<'_>) -> Result<Artifact> {
    if export::is_export(bytes) {
        let artifact = export::read(bytes)?;
        // What does not make a model here must not be stored here.
        artifact.predictor(resolver)?;
        return Ok(artifact);
    }
    let algorithm = resolver(format_of(bytes)?)?;
    let imported = import_foreign(algorithm, bytes)?;
    let hyperparams = imported.hyperparams.clone();
    let (task, schema) = (imported.task, Schema::plain(&feature_names(&imported)));
    let labels = (task == Task::Classification).then(|| numbered(imported.n_classes));
    let predictor = Predictor::from_parts(algorithm.name(), task, schema, labels, imported.model)?;
    Artifact::of_predictor(&predictor, algorithm, hyperparams)
}

/// The algorithm whose library writes files that begin so.
fn format_of(bytes: &[u8]) -> Result<&'static str> {
    if xgboost_binary::is_binary(bytes) || bytes.trim_ascii_start().starts_with(b"{") {
        return Ok("xgboost");
    }
    if bytes.starts_with(b"tree") {
        return Ok("lightgbm");
    }
    Err(Error::new(ErrorKind::Corrupted, "these bytes are no model that pgml can read")
        .with_detail("known: pgml.export_model, XGBoost (JSON, UBJSON, binary), LightGBM (text)")
        .with_hint("pass the whole file, unchanged"))
}

/// Reads a library's own file, old formats included.
pub(crate) fn import_foreign(algorithm: &dyn Algorithm, bytes: &[u8]) -> Result<Imported<Box<dyn Model>>> {
    if algorithm.name() == "xgboost" && xgboost_binary::is_binary(bytes) {
        return algorithm.import(xgboost_binary::to_json(bytes)?.to_string().as_bytes());
    }
    algorithm.import(bytes)
}

fn feature_names(imported: &Imported<Box<dyn Model>>) -> Vec<String> {
    let n_features = imported.model.n_features();
    if imported.feature_names.len() == n_features {
        return imported.feature_names.clone();
    }
    (0..n_features).map(|feature| format!("f{feature}")).collect()
}

/// Classes that are known by their numbers alone.
pub(crate) fn numbered(n_classes: usize) -> Labels {
    Labels {
        names: (0..n_classes).map(|class| class.to_string()).collect(),
        values: (0..n_classes).map(|class| class as f64).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::resolve;

    #[test]
    fn a_foreign_model_becomes_an_artifact_that_exports_and_imports_again() {
        let artifact = import(br#"{"mean": [0.5, 0.25]}"#, &resolve).expect("imports");
        assert_eq!((artifact.manifest().algorithm.as_str(), artifact.manifest().task), ("xgboost", Task::Regression));
        let bytes = export::write(&artifact).expect("writes");
        let again = import(&bytes, &resolve).expect("imports");
        assert_eq!(export::write(&again), Ok(bytes));
    }

    #[test]
    fn an_exported_model_that_makes_no_model_here_is_refused() {
        let artifact = import(br#"{"mean": [0.5]}"#, &resolve).expect("imports");
        let mut manifest = artifact.manifest().clone();
        manifest.schema = Schema::plain(&["a".to_owned(), "b".to_owned()]);
        let forged = Artifact::new(manifest, &artifact.state().expect("state")).expect("an artifact");
        let error = import(&export::write(&forged).expect("writes"), &resolve).expect_err("two features");
        assert_eq!(error.kind(), ErrorKind::Corrupted);
    }

    #[test]
    fn bytes_that_are_no_model_say_what_is_known() {
        for bytes in [&b""[..], b"PK\x03\x04", b"\x80\x04\x95"] {
            let error = import(bytes, &resolve).expect_err("no model");
            assert!(error.detail().is_some_and(|detail| detail.contains("XGBoost")), "{error}");
        }
    }
}
