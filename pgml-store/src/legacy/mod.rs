//! Models that PostgresML 2.10 left behind: XGBoost's and LightGBM's own bytes are read, everything else says how to
//! train it again.

pub(crate) mod xgboost_binary;

use pgml_core::preprocess::{Encode, Role};
use pgml_core::{Error, ErrorKind, Labels, Model, Predictor, Result, Schema, Task};
use serde_json::Value;

use crate::catalog::ModelRow;
use crate::files::Layout;
use crate::foreign::{import_foreign, numbered};
use crate::{Port, Resolver, queries};

/// Where PostgresML kept a classical model, whatever it was written by.
pub const ESTIMATOR: &str = "estimator.rmp";

/// What versions before 2.0.1 put before the library's bytes.
const OLD_PREFIX_BYTES: usize = 16;

/// The predictor of a model that PostgresML trained.
///
/// # Errors
/// [`ErrorKind::NotSupported`] with the call that trains it again, for pickles, linfa models and transformers;
/// [`ErrorKind::Corrupted`] when the library's bytes cannot be read.
pub fn predictor(port: &mut dyn Port, model: &ModelRow, layout: &Layout, resolver: Resolver<'_>) -> Result<Predictor> {
    if !layout.has(ESTIMATOR) {
        return Err(retrain(model, "holds files of another kind than classical models"));
    }
    if model.runtime.as_deref() != Some("rust") {
        return Err(retrain(model, "was pickled by Python, and a pickle is a program that pgml does not run"));
    }
    if !matches!(model.algorithm.as_str(), "xgboost" | "lightgbm") {
        return Err(retrain(model, "is in a format of PostgresML's own that only PostgresML reads"));
    }
    let (bytes, _) = layout.read_path(port, ESTIMATOR)?;
    let algorithm = resolver(&model.algorithm)?;
    let imported = match (import_foreign(algorithm, &bytes), bytes.get(OLD_PREFIX_BYTES..)) {
        (Err(error), Some(rest)) => import_foreign(algorithm, rest).map_err(|_| error)?,
        (imported, _) => imported?,
    };
    if imported.task != model.task {
        let why = format!("was fitted with an objective for {} in a project for {}", imported.task, model.task);
        return Err(retrain(model, &why));
    }
    let schema = schema(port, model, imported.model.as_ref())?;
    let labels = (model.task == Task::Classification).then(|| labels(&schema, imported.n_classes));
    Predictor::from_parts(algorithm.name(), model.task, schema, labels, imported.model)
        .map_err(|e| retrain(model, &format!("does not fit the columns it was trained on: {}", e.message())))
}

/// The refusal of a model, with the exact call that replaces it. The project's newest snapshot names the relation.
fn retrain(model: &ModelRow, why: &str) -> Error {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let known = model.hyperparams.as_object().is_some_and(|given| !given.is_empty());
    let hyperparams =
        if known { format!(", hyperparams => {}", literal(&model.hyperparams.to_string())) } else { String::new() };
    Error::new(ErrorKind::NotSupported, format!("model {} of project \"{}\" {why}", model.id, model.project))
        .with_detail(format!("PostgresML trained it: algorithm {}", model.algorithm))
        .with_hint(format!(
            "train it again: SELECT * FROM pgml.train({}, algorithm => {}{hyperparams})",
            literal(&model.project),
            literal(&model.algorithm),
        ))
}

/// The columns of the model's snapshot, as PostgresML trained on them.
fn schema(port: &mut dyn Port, model: &ModelRow, trained: &dyn Model) -> Result<Schema> {
    let rows = port.query(queries::MODEL_COLUMNS, &[&model.id])?;
    let stored = rows.first().map(|row| row.get::<Option<Value>>(0)).transpose()?.flatten();
    let parsed = stored.and_then(|columns| serde_json::from_value::<Schema>(columns).ok());
    // Without its snapshot, a model still takes arrays.
    let Some(mut schema) = parsed else {
        let names: Vec<String> = (0..trained.n_features()).map(|feature| format!("f{feature}")).collect();
        return Ok(Schema::plain(&names));
    };
    for column in &mut schema.columns {
        if column.label {
            column.role = Role::Label;
        }
        // It trained on the codes whatever was asked for, so the codes are what the model knows.
        if column.preprocessor.encode == Encode::Target {
            column.preprocessor.encode = Encode::Native;
        }
        // Its robust scale was made of the 30 % and the 80 % point.
        let statistics = &mut column.statistics;
        if let (true, [low, high]) = (statistics.quartiles.is_empty(), [5, 15].map(|at| statistics.ventiles.get(at))) {
            let points = [low.copied(), Some(statistics.median), high.copied()];
            statistics.quartiles = points.map(|point| point.unwrap_or(f64::NAN)).to_vec();
        }
    }
    Ok(schema)
}

/// The classes: texts had codes in order of appearance, numbers stood for themselves.
fn labels(schema: &Schema, n_classes: usize) -> Labels {
    let mut labels = numbered(n_classes);
    let categories = schema.labels().next().and_then(|column| column.statistics.categories.as_ref());
    for (name, category) in categories.into_iter().flatten() {
        if let Some(known) = labels.names.get_mut(category.value as usize) {
            known.clone_from(name);
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pgml_core::MatrixRef;
    use postgres_types::Type;
    use serde_json::json;

    use super::*;
    use crate::fake::{Fake, resolve, row};

    fn stored(algorithm: &str, runtime: &str, task: Task) -> ModelRow {
        ModelRow {
            id: 5,
            project_id: 3,
            project: "Bob's project".to_owned(),
            task,
            snapshot_id: Some(1),
            num_features: 2,
            algorithm: algorithm.to_owned(),
            runtime: Some(runtime.to_owned()),
            hyperparams: json!({"n_estimators": 10}),
            metrics: None,
        }
    }

    fn load(model: &ModelRow, bytes: &[u8], columns: Value) -> Result<Predictor> {
        let layout = Layout::of(5, BTreeMap::from([(ESTIMATOR.to_owned(), vec![bytes.len() as u64])]));
        let mut port = Fake::default()
            .expect(queries::FILE_READ, vec![row(&[(Type::BYTEA, &bytes)])])
            .expect(queries::MODEL_COLUMNS, vec![row(&[(Type::JSONB, &columns)])]);
        predictor(&mut port, model, &layout, &resolve)
    }

    /// Columns as PostgresML wrote them (no role, no quartiles).
    fn columns() -> Value {
        let column = |name: &str, position: usize, label: bool, scale: &str| {
            json!({"name": name, "pg_type": "float4", "nullable": true, "label": label, "position": position, "size": 1,
                "array": false, "preprocessor": {"encode": "native", "impute": "error", "scale": scale},
                "statistics": {"min": 0.0, "max": 1.0, "max_abs": 1.0, "mean": 0.5, "median": 0.5, "mode": 0.5,
                    "variance": 0.25, "std_dev": 0.5, "missing": 0, "distinct": 2, "histogram": vec![0; 20],
                    "ventiles": (1..20).map(f64::from).collect::<Vec<_>>(), "categories": null}})
        };
        json!([column("a", 1, false, "preserve"), column("b", 2, false, "robust"), column("y", 3, true, "preserve")])
    }

    #[test]
    fn a_model_of_the_rust_runtime_predicts_with_the_preprocessing_it_was_trained_with() {
        let model = stored("xgboost", "rust", Task::Regression);
        for prefix in [0, OLD_PREFIX_BYTES] {
            let bytes = [vec![0; prefix], br#"{"mean": [1.0, 100.0]}"#.to_vec()].concat();
            let predictor = load(&model, &bytes, columns()).expect("loads");
            let mut out = [0.0];
            predictor.predict(MatrixRef::new(&[3.0, 10.5], 2).expect("a row"), &mut out).expect("predicts");
            // b is scaled to (10.5 - 0.5) / (16 - 6).
            assert_eq!(out, [3.0 + 100.0]);
        }
    }

    #[test]
    fn a_model_without_snapshot_takes_arrays() {
        let model = stored("lightgbm", "rust", Task::Regression);
        let predictor = load(&model, br#"{"mean": [1.0, 2.0]}"#, Value::Null).expect("loads");
        assert_eq!(predictor.n_raw_features(), 2);
    }

    #[test]
    fn what_cannot_be_read_says_how_to_train_it_again() {
        for (algorithm, runtime) in [("xgboost", "python"), ("linear", "rust"), ("svm", "rust")] {
            let layout = Layout::of(5, BTreeMap::from([(ESTIMATOR.to_owned(), vec![3])]));
            let model = stored(algorithm, runtime, Task::Regression);
            let error = predictor(&mut Fake::default(), &model, &layout, &resolve).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::NotSupported);
            let call = format!(
                "train it again: SELECT * FROM pgml.train('Bob''s project', algorithm => '{algorithm}', \
                 hyperparams => '{{\"n_estimators\":10}}')"
            );
            assert_eq!(error.hint(), Some(call.as_str()));
        }
    }

    #[test]
    fn an_objective_for_another_task_is_refused() {
        let model = stored("xgboost", "rust", Task::Regression);
        let bytes = br#"{"mean": [1.0, 2.0], "task": "classification"}"#;
        assert_eq!(load(&model, bytes, columns()).map_err(|e| e.kind()).err(), Some(ErrorKind::NotSupported));
    }
}
