//! Search by meaning, without a database: the lines of standard input, those nearest to a question first.
//!
//! ```sh
//! cargo run --release -p pgml-models --features hub,transformers --example search -- "How do I make a loaf?" < lines.txt
//! ```
//!
//! The model is downloaded at its first use, into the cache that Hugging Face's tools share. Another argument names another
//! model, or a folder.

use std::error::Error;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgml_core::run::{Level, Progress, Reporter};
use pgml_core::text::{EmbedArgs, ModelSpec};
use pgml_core::{Result, Run};
use pgml_models::hub::folders::default_cache;
use pgml_models::hub::{Hub, Settings};
use pgml_models::text::load_embedder;

const MODEL: &str = "sentence-transformers/all-MiniLM-L6-v2";

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let question = words.next().ok_or("usage: search QUESTION [MODEL OR FOLDER] < lines")?;
    let model = words.next().unwrap_or_else(|| MODEL.to_owned());
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    for (cosine, line) in nearest(&folder(&model)?, &question, &lines)? {
        println!("{cosine:.3}  {line}");
    }
    Ok(())
}

/// Where the model's files are: in a folder of this name, or in the cache, downloaded if they are not there.
fn folder(model: &str) -> Result<PathBuf> {
    let named = PathBuf::from(model);
    if named.is_dir() {
        return Ok(named);
    }
    Hub::new(Settings::from_env(default_cache())).fetch(
        model,
        None,
        None,
        &Run::new().with_reporter(Arc::new(Terminal)),
    )
}

/// The texts and the cosines of their vectors to the question's, the highest first.
pub fn nearest<'a>(folder: &Path, question: &str, texts: &[&'a str]) -> Result<Vec<(f32, &'a str)>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let run = Run::new().with_threads(threads);
    let model = load_embedder(folder, &ModelSpec::default(), &run)?;
    // Of vectors of length 1, the inner product is the cosine.
    let args = EmbedArgs { normalize: true, ..EmbedArgs::default() };
    let all: Vec<&str> = std::iter::once(question).chain(texts.iter().copied()).collect();
    let vectors = model.embed(&all, &args, &run)?;
    let cosine = |vector: &[f32]| vectors[0].iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
    let mut found: Vec<(f32, &str)> =
        vectors[1..].iter().map(|vector| cosine(vector)).zip(texts.iter().copied()).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(found)
}

/// Tells how far a download is.
struct Terminal;

impl Reporter for Terminal {
    fn progress(&self, Progress { phase, done, total }: Progress) {
        eprint!("\r{phase}: {:.1} of {:.1} MB ", done as f64 / 1e6, total as f64 / 1e6);
    }

    fn message(&self, _: Level, text: &str) {
        eprintln!("{text}");
    }
}
