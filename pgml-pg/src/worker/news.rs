//! What the program reports while a session waits for it: to the user, and to whoever watches `pgml.progress`.

use std::time::{Duration, Instant};

use pgml_core::frames::Request;
use pgml_core::run::Level;

use crate::{message, progress};

/// Between notices. `pgml.progress` has every step.
const PAUSE: Duration = Duration::from_secs(2);

/// The news of one call.
pub struct News {
    model: String,
    row: Option<progress::Work>,
    noticed: Option<Instant>,
}

impl News {
    /// Of what is asked for.
    pub fn of(request: &Request) -> Self {
        let model = request.model().map(|model| model.name.clone()).unwrap_or_default();
        Self { model, row: None, noticed: None }
    }

    /// Something the user should know.
    pub fn message(level: Level, text: &str) {
        match level {
            Level::Info => message::info(text),
            Level::Warning => message::warning(text),
        }
    }

    /// How many bytes of the model's files are here.
    pub fn progress(&mut self, phase: &str, done: u64, total: u64) {
        self.row.get_or_insert_with(|| progress::Work::begin(&self.model, "transformer"));
        progress::show(phase, done, total);
        if self.noticed.is_none_or(|at| at.elapsed() >= PAUSE) {
            self.noticed = Some(Instant::now());
            let [done, total] = [done, total].map(|bytes| bytes as f64 / 1e6);
            message::notice(&format!("{phase} \"{}\": {done:.1} of {total:.1} MB", self.model));
        }
    }
}
