//! A client's session that keeps the notices it receives, and errors in the words a person sees.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use postgres::error::DbError;
use postgres::{Client, NoTls};

use crate::server::Failure;

/// One connection to a database.
pub struct Session {
    /// The client itself.
    pub client: Client,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Session {
    /// Connects with a client's parameters (`host=… dbname=…`).
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub fn connect(parameters: &str) -> Result<Self, Failure> {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&notices);
        let mut config: postgres::Config = parameters.parse()?;
        config.application_name("pgml-tests");
        config.notice_callback(move |notice| lock(&sink).push(describe(&notice)));
        Ok(Self { client: config.connect(NoTls)?, notices })
    }

    /// Takes the notices received since the last call, each as [`describe`] words it.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.notices))
    }
}

fn lock(notices: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    notices.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message of the server: `ERROR 22023: text`, then lines `DETAIL: …` and `HINT: …` where it has them.
pub fn describe(message: &DbError) -> String {
    let mut text = format!("{} {}: {}", message.severity(), message.code().code(), message.message());
    for (name, part) in [("DETAIL", message.detail()), ("HINT", message.hint())] {
        if let Some(part) = part {
            let _ = write!(text, "\n{name}: {part}");
        }
    }
    text
}

/// A client's error in the same words; one that does not come from the server in its own.
pub fn describe_error(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), describe)
}
