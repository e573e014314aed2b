//! Text generation as clients of the database get it: through their sessions and the inference program.

use std::thread;
use std::time::Instant;

use super::super::peer::Peer;
use super::super::place::Place;
use super::super::report::{Line, Target};
use super::super::session::Session;
use super::super::statistics::{alternate, median};
use super::embedding::{faster, seconds_or_less, time};
use super::generation::models;
use crate::error::{Error, Result};

const SHAPE: &str = "qwen2.5-0.5b";
const RUNS: usize = 5;
/// Connections that generate at the same time.
const TOGETHER: usize = 8;
/// Tokens of a prompt, and tokens that are made.
const PROMPT: usize = 32;
const MADE: usize = 64;

/// How the weights are loaded, and how many times the rate of one the total of eight is to be.
const FORMS: &[(&str, &str, f64)] = &[
    ("bf16", r#""dtype": "bf16""#, 3.0),
    ("Q8_0", r#""quantization": "int8""#, 3.0),
    ("Q4_0", r#""quantization": "int4""#, 1.8),
];

/// Each prompt is a new one: what was read before would not be read again.
struct Prompts(usize);

impl Prompts {
    /// The tokenizer of these models knows the words `w0`, `w1`, and so on.
    fn next(&mut self) -> String {
        self.0 += 1;
        (0..PROMPT).map(|j| format!("w{} ", 1000 + (self.0 * 7919 + j * 104_729) % 20_000)).collect()
    }
}

/// Texts that sessions have made together, beside one that makes its own alone, and the first token of a stream.
pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let (python, models) = models(place)?;
    let mut other = Peer::start(&python, "generate.py", &[&models])?;
    let folder = models.join(SHAPE);
    let open = |_| -> Result<Session> {
        let mut session = place.session()?;
        session.run(&format!("SET pgml.model_path = '{}';", models.display()))?;
        Ok(session)
    };
    let mut sessions: Vec<Session> = (0..TOGETHER).map(open).collect::<Result<_>>()?;
    let mut prompts = Prompts(0);
    let mut lines = Vec::new();
    for (form, how, target) in FORMS {
        let model = format!(r#"{{"task": "text-generation", "model": "{}", {how}}}"#, folder.display());
        generate(&mut sessions[..1], &model, &mut prompts)?;
        let (mut alone, mut all) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            all.push(generate(&mut sessions, &model, &mut prompts)?);
            alone.push(generate(&mut sessions[..1], &model, &mut prompts)?);
        }
        lines.push(together(form, [median(&all), median(&alone)], *target));
        if *form == "Q4_0" {
            let session = &mut sessions[0];
            let theirs = format!("llama.cpp {SHAPE} q4_0 2 first");
            let first = || first_piece(session, &model, &mut prompts);
            let (a, b) = alternate(RUNS, first, || time(&mut other, &theirs))?;
            let work =
                format!("{SHAPE}, first row of a stream after {PROMPT} tokens, Q4_0, through SQL, against llama.cpp");
            lines.push(faster(&format!("{work}, two threads"), median(&a), median(&b), 0.91));
        }
        sessions[0].run(&format!("SELECT pgml.unload_model('{}');", folder.display()))?;
    }
    Ok(lines)
}

/// Seconds until every session has its text.
fn generate(sessions: &mut [Session], model: &str, prompts: &mut Prompts) -> Result<f64> {
    let statements: Vec<String> = sessions.iter().map(|_| statement(model, &prompts.next())).collect();
    let start = Instant::now();
    thread::scope(|scope| {
        let running: Vec<_> =
            sessions.iter_mut().zip(&statements).map(|(session, sql)| scope.spawn(|| session.run(sql))).collect();
        running.into_iter().try_for_each(|one| one.join().map_err(|_| Error::new("a session panicked"))?.map(drop))
    })?;
    Ok(start.elapsed().as_secs_f64())
}

fn statement(model: &str, prompt: &str) -> String {
    let args = format!(r#"{{"max_new_tokens": {MADE}, "min_new_tokens": {MADE}}}"#);
    format!("SELECT length(pgml.transform('{model}'::jsonb, '{args}', ARRAY['{prompt}'])::text);")
}

/// Seconds until the first row of a stream is there.
fn first_piece(session: &mut Session, model: &str, prompts: &mut Prompts) -> Result<f64> {
    let args = format!(r#"{{"max_new_tokens": {MADE}, "min_new_tokens": {MADE}, "return_full_text": false}}"#);
    let prompt = prompts.next();
    let stream = format!("SELECT pgml.transform_stream('{model}'::jsonb, '{args}', input => '{prompt}')");
    session.run(&format!("BEGIN; DECLARE piece NO SCROLL CURSOR FOR {stream};"))?;
    let seconds = session.time("FETCH 1 FROM piece;")?;
    session.run("COMMIT;")?;
    Ok(seconds)
}

fn together(form: &str, [all, alone]: [f64; 2], target: f64) -> Line {
    Line {
        work: format!(
            "{SHAPE}, {form}, eight connections, each {MADE} tokens after {PROMPT}, beside one alone: total rate, two threads"
        ),
        ours: seconds_or_less(all),
        peer: seconds_or_less(alone),
        figure: TOGETHER as f64 * alone / all,
        unit: " × faster",
        target: Target::AtLeast(target),
        holds: true,
    }
}
