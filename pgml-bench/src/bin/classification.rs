//! Our side of `cargo xtask bench peers classify`: answers each line of standard input with the JSON of one measurement.
//!
//! A line is `FORM THREADS WORK`: the form `f32` or `int8`; the work `32x64` (sequences × tokens). The first argument is the
//! model's folder.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use pgml_bench::side::{Result, mean_seconds, sequences, serve, tokens};
use pgml_core::Run;
use pgml_core::text::{ModelSpec, TextPipeline, TextTask, Tokens};
use pgml_models::text::load_pipeline;

struct Side {
    folder: PathBuf,
    models: HashMap<String, Arc<dyn TextPipeline>>,
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).ok_or("the first argument is the model's folder")?.into();
    let mut side = Side { folder, models: HashMap::new() };
    serve(|line| side.measure(line))
}

impl Side {
    fn measure(&mut self, line: &str) -> Result<f64> {
        let [form, threads, work] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("`{line}` is not FORM THREADS WORK").into());
        };
        let (model, run) = (self.model(form)?, Run::new().with_threads(threads.parse()?));
        let (n, length) = sequences(work)?;
        let tokens: Vec<Tokens> = (0..n).map(|i| Tokens { ids: tokens(i, length), ..Tokens::default() }).collect();
        let batch: Vec<&Tokens> = tokens.iter().collect();
        mean_seconds(|| model.compute(&batch, &run).map(drop))
    }

    fn model(&mut self, form: &str) -> Result<Arc<dyn TextPipeline>> {
        if let Some(model) = self.models.get(form) {
            return Ok(Arc::clone(model));
        }
        let mut spec = ModelSpec { device: Some("cpu".to_owned()), ..ModelSpec::named("model") };
        match form {
            "int8" => spec.quantization = Some(form.to_owned()),
            _ => spec.dtype = Some(form.to_owned()),
        }
        let model = load_pipeline(&self.folder, TextTask::TextClassification, &spec, &Run::new())?;
        self.models.insert(form.to_owned(), Arc::clone(&model));
        Ok(model)
    }
}
