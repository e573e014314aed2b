//! Our side of a comparison with another program: it answers each line of standard input, the name of a measurement, with a line
//! of JSON, as the peers' scripts do.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

/// What a measurement gives, or why it fails.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Short works are repeated until this much time has passed, and their mean is taken.
const AT_LEAST_SECONDS: f64 = 0.5;

/// Says that this side is ready, and answers with what `measure` makes of each line.
///
/// # Errors
/// Those of `measure`, and of the pipes.
pub fn serve(mut measure: impl FnMut(&str) -> Result<f64>) -> Result<()> {
    answer("{\"ready\": true}")?;
    for line in std::io::stdin().lock().lines() {
        let seconds = measure(&line?)?;
        answer(&format!("{{\"seconds\": {seconds}}}"))?;
    }
    Ok(())
}

fn answer(json: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{json}")?;
    Ok(out.flush()?)
}

/// Seconds that `work` takes once everything is in place.
///
/// # Errors
/// Those of `work`.
pub fn mean_seconds<E: Into<Box<dyn Error>>>(mut work: impl FnMut() -> std::result::Result<(), E>) -> Result<f64> {
    work().map_err(Into::into)?;
    let (start, mut times) = (Instant::now(), 0.0);
    loop {
        work().map_err(Into::into)?;
        times += 1.0;
        let seconds = start.elapsed().as_secs_f64();
        if seconds >= AT_LEAST_SECONDS {
            return Ok(seconds / times);
        }
    }
}

/// The tokens of sequence `i` of a batch, as the peers make them: what they are does not matter to the time.
#[must_use]
pub fn tokens(i: usize, length: usize) -> Vec<u32> {
    (0..length).map(|j| 1000 + ((i * 7919 + j * 104_729) % 20_000) as u32).collect()
}

/// A work such as `32x64`: how many sequences, and how many tokens each has.
///
/// # Errors
/// When it is none.
pub fn sequences(work: &str) -> Result<(usize, usize)> {
    let (n, length) = work.split_once('x').ok_or("a work is sequences x tokens, such as 32x64")?;
    Ok((n.parse()?, length.parse()?))
}
