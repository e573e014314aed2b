//! Our side of `cargo xtask bench peers classify`: answers each line of standard input with the JSON of one measurement.
//!
//! A line is `FORM THREADS WORK`: the form `f32` or `int8`; the work `32x64` (sequences × tokens). The first argument is the
//! model's folder.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use pgml_core::Run;
use pgml_core::text::{ModelSpec, TextPipeline, TextTask, Tokens};
use pgml_models::text::load_pipeline;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Short works are repeated until this much time has passed, and their mean is taken.
const AT_LEAST_SECONDS: f64 = 0.5;

struct Side {
    folder: PathBuf,
    models: HashMap<String, Arc<dyn TextPipeline>>,
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).ok_or("the first argument is the model's folder")?.into();
    let mut side = Side { folder, models: HashMap::new() };
    answer("{\"ready\": true}")?;
    for line in std::io::stdin().lock().lines() {
        let seconds = side.measure(&line?)?;
        answer(&format!("{{\"seconds\": {seconds}}}"))?;
    }
    Ok(())
}

fn answer(json: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{json}")?;
    Ok(out.flush()?)
}

impl Side {
    fn measure(&mut self, line: &str) -> Result<f64> {
        let [form, threads, work] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("`{line}` is not FORM THREADS WORK").into());
        };
        let (model, run) = (self.model(form)?, Run::new().with_threads(threads.parse()?));
        let (n, length) = work.split_once('x').ok_or("a work is 32x64")?;
        let (n, length): (usize, usize) = (n.parse()?, length.parse()?);
        // What they are does not matter to the time.
        let ids = |i: usize| (0..length).map(|j| 1000 + ((i * 7919 + j * 104_729) % 20_000) as u32).collect();
        let tokens: Vec<Tokens> = (0..n).map(|i| Tokens { ids: ids(i), ..Tokens::default() }).collect();
        let batch: Vec<&Tokens> = tokens.iter().collect();
        model.compute(&batch, &run)?;
        let (start, mut times) = (Instant::now(), 0.0);
        loop {
            model.compute(&batch, &run)?;
            times += 1.0;
            let seconds = start.elapsed().as_secs_f64();
            if seconds >= AT_LEAST_SECONDS {
                return Ok(seconds / times);
            }
        }
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
