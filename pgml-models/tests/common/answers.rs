//! Checkpoints and what transformers' pipelines answer with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgml_core::Run;
use pgml_core::text::{ModelSpec, TextPipeline, TextTask};
use pgml_models::text::load_pipeline;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One call of a pipeline, for every input.
#[derive(Deserialize)]
pub struct Case {
    pub args: Map<String, Value>,
    pub answers: Vec<Value>,
}

/// Where the checkpoint `name` of a golden script lies; all of them, where the name is empty.
pub fn folder(script: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(script).join(name)
}

/// The model in `folder` for a task, on a device.
pub fn load_on(device: &str, folder: &Path, task: &str) -> Arc<dyn TextPipeline> {
    let spec = ModelSpec { device: Some(device.to_owned()), ..ModelSpec::named("m") };
    let task = TextTask::named(task).expect("known");
    load_pipeline(folder, task, &spec, &Run::new()).unwrap_or_else(|error| panic!("{}: {error:?}", folder.display()))
}

/// Equal but for numbers with a fraction, which may differ by 1e-4.
pub fn assert_alike(got: &Value, want: &Value, what: &str) {
    match (got, want) {
        (Value::Number(a), Value::Number(b)) if want.is_f64() => {
            let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
            assert!((a - b).abs() < 1e-4, "{what}: {a} is not {b}");
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| assert_alike(a, b, what));
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            for (key, b) in b {
                assert_alike(a.get(key).unwrap_or(&Value::Null), b, what);
            }
        }
        _ => assert_eq!(got, want, "{what}"),
    }
}
