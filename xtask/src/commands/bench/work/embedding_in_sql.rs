//! Embeddings as a client of the database gets them: through a session and the inference program.

use super::super::peer::Peer;
use super::super::place::Place;
use super::super::report::{Line, Target, megabytes};
use super::super::session::Session;
use super::super::statistics::{alternate, median};
use super::embedding::{faster, seconds_or_less, time};
use crate::error::{Error, Result};
use crate::models::MINILM;

const RUNS: usize = 5;
/// Statements of one text in each run.
const STATEMENTS: usize = 200;
/// Times that the texts are embedded in one statement, for the peak of memory.
const MANY: usize = 10;
/// Of 16 tokens, the two around it included.
const SENTENCE: &str = "the quick brown fox jumps over the lazy dog and runs into the forest";

/// The most memory that the program takes while one statement embeds 10,000 texts, beyond the model's weights.
pub fn memory(place: &Place, texts: &[String]) -> Result<Line> {
    let mut session = place.session()?;
    make_table(&mut session, texts)?;
    session.run(&format!("SELECT pgml.load_model('{MINILM}');"))?;
    let program = session.inference_program()?;
    program.begin_peak()?;
    let many = format!(
        "SELECT count(*) FROM pgml.embed('{MINILM}', ARRAY(SELECT body FROM texts, generate_series(1, {MANY})));"
    );
    let count = session.run(&many)?.rows;
    if count != (MANY * texts.len()).to_string() {
        return Err(Error::new(format!("there were {count} vectors")));
    }
    let weights = session.run("SELECT sum(bytes) FROM pgml.loaded_models;")?.rows;
    let weights: f64 = weights.parse().map_err(|_| Error::new(format!("the weights have `{weights}` bytes")))?;
    let peak = program.peak()?;
    Ok(Line {
        work: "MiniLM-L6, f32, through SQL: peak memory of the inference program while it embeds 10,000 texts, beyond the \
               weights"
            .into(),
        ours: megabytes(peak),
        peer: format!("{} of weights", megabytes(weights)),
        figure: (peak - weights) / 1e6,
        unit: " MB",
        target: Target::AtMost(256.0),
        holds: true,
    })
}

/// Many texts in one statement, and single texts, against the same work without a database.
pub fn compare(place: &Place, texts: &[String], other: &mut Peer) -> Result<Vec<Line>> {
    let mut session = place.session()?;
    make_table(&mut session, texts)?;
    let all = format!("SELECT count(*) FROM pgml.embed('{MINILM}', ARRAY(SELECT body FROM texts ORDER BY id));");
    session.run(&all)?;
    let mut lines = Vec::new();
    for (peer, name, target) in
        [("onnx 2 texts", "onnxruntime with padded batches", 1.2), ("torch 2 texts", "sentence-transformers", 1.5)]
    {
        let (ours, theirs) = alternate(RUNS, || session.time(&all), || time(other, peer))?;
        let work = format!("MiniLM-L6, f32, 1,000 texts of mixed length, two threads, through SQL, against {name}");
        lines.push(faster(&work, median(&ours), median(&theirs), target));
    }
    lines.push(one_text(&mut session, other)?);
    Ok(lines)
}

/// The way through SQL, the socket and the tokenizer may cost 0.3 ms.
fn one_text(session: &mut Session, other: &mut Peer) -> Result<Line> {
    let one = format!("SELECT pgml.embed('{MINILM}', '{SENTENCE}');");
    let ours = |session: &mut Session| -> Result<f64> {
        let times: Result<Vec<f64>> = (0..STATEMENTS).map(|_| session.time(&one)).collect();
        times.map(|times| median(&times))
    };
    let (ours, theirs) = alternate(RUNS, || ours(session), || time(other, "onnx 2 1x16"))?;
    let (ours, theirs) = (median(&ours), median(&theirs));
    Ok(Line {
        work: "MiniLM-L6, f32, one text of 16 tokens, warm session: client's time, less 1.1 × that of onnxruntime on tokens"
            .into(),
        ours: seconds_or_less(ours),
        peer: seconds_or_less(theirs),
        figure: (ours - 1.1 * theirs) * 1e3,
        unit: " ms",
        target: Target::AtMost(0.3),
        holds: true,
    })
}

fn make_table(session: &mut Session, texts: &[String]) -> Result<()> {
    let values: Vec<String> =
        texts.iter().zip(1..).map(|(text, id)| format!("({id}, '{}')", text.replace('\'', "''"))).collect();
    session.run("DROP TABLE IF EXISTS texts;\nCREATE TABLE texts (id int PRIMARY KEY, body text);")?;
    session.run(&format!("INSERT INTO texts VALUES {};", values.join(","))).map(drop)
}
