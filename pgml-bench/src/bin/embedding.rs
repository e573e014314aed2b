//! Our side of `cargo xtask bench peers embed`: answers each line of standard input with the JSON of one measurement.
//!
//! A line is `FORM THREADS WORK`: the form `f32`, `bf16` or `int8`; the work `32x64` (sequences × tokens) or `texts` (those of
//! the file in the second argument). The first argument is the model's folder.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use pgml_bench::side::{Result, mean_seconds, sequences, serve, tokens};
use pgml_core::Run;
use pgml_core::text::{EmbedArgs, Embedder, ModelSpec, Tokens};
use pgml_models::text::load_embedder;

struct Side {
    folder: PathBuf,
    texts: Vec<String>,
    models: HashMap<String, Arc<dyn Embedder>>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().ok_or("the first argument is the model's folder")?.into();
    let texts = match arguments.next() {
        Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
        None => Vec::new(),
    };
    let mut side = Side { folder, texts, models: HashMap::new() };
    serve(|line| side.measure(line))
}

impl Side {
    fn measure(&mut self, line: &str) -> Result<f64> {
        let [form, threads, work] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("`{line}` is not FORM THREADS WORK").into());
        };
        let model = self.model(form)?;
        let run = Run::new().with_threads(threads.parse()?);
        if work == "texts" {
            let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
            return mean_seconds(|| model.embed(&texts, &EmbedArgs::default(), &run).map(drop));
        }
        let (n, length) = sequences(work)?;
        let tokens: Vec<Tokens> = (0..n).map(|i| Tokens { ids: tokens(i, length), ..Tokens::default() }).collect();
        let batch: Vec<&Tokens> = tokens.iter().collect();
        mean_seconds(|| model.embed_tokens(&batch, &run).map(drop))
    }

    fn model(&mut self, form: &str) -> Result<Arc<dyn Embedder>> {
        if let Some(model) = self.models.get(form) {
            return Ok(Arc::clone(model));
        }
        let mut spec = ModelSpec::named("model");
        match form {
            "int8" => spec.quantization = Some(form.to_owned()),
            _ => spec.dtype = Some(form.to_owned()),
        }
        let model = load_embedder(&self.folder, &spec, &Run::new())?;
        self.models.insert(form.to_owned(), Arc::clone(&model));
        Ok(model)
    }
}
