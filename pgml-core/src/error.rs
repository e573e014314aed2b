//! The one error type of the workspace: what went wrong, with which operands, and what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is. The extension maps each kind to one SQLSTATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The work was cancelled by its caller.
    Cancelled,
    /// An argument or hyperparameter has a value that is not allowed.
    InvalidParameter,
    /// The data cannot be used as asked: NULL labels, infinite values, an empty relation.
    InvalidData,
    /// A value has the wrong number of elements.
    WrongDimension,
    /// A value or column has a type that cannot be used here.
    WrongType,
    /// A project, model, algorithm or other named object does not exist.
    NotFound,
    /// A relation does not exist.
    UndefinedTable,
    /// A column does not exist.
    UndefinedColumn,
    /// An object of this name exists already.
    AlreadyExists,
    /// The combination asked for is not supported.
    NotSupported,
    /// The object is not in a state that allows this.
    NotReady,
    /// More memory is needed than the budget allows.
    OutOfMemory,
    /// Stored bytes do not match their digest or their format.
    Corrupted,
    /// The caller may not do this.
    PermissionDenied,
    /// A shared library or file that this needs is not installed.
    MissingLibrary,
    /// Reading or writing failed.
    Io,
    /// The inference program ended or cannot be reached.
    ConnectionFailure,
    /// No transformer of this name can be found.
    UnresolvedModel,
    /// A defect of pgml itself.
    Internal,
}

/// An error with its kind, a one-line message, and optionally a detail and a hint.
///
/// The message names what was given and what is known; the hint says what to do next. Messages follow PostgreSQL's
/// style: lower case, no full stop, quoted identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    kind: ErrorKind,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Error {
    /// An error of `kind` with a one-line `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), detail: None, hint: None }))
    }

    /// Adds what is known beyond the message, such as the list of valid names.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The one-line message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is known beyond the message.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(detail) = &self.0.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Returns early with an [`Error`]: `bail!(InvalidData, "column \"{name}\" has no rows")`.
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($message:tt)+) => {
        return Err($crate::Error::new($crate::ErrorKind::$kind, format!($($message)+)))
    };
}

/// The name among `known` that `given` was probably meant to be: the closest by edit distance, if close enough.
#[must_use]
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (edit_distance(&given.to_lowercase(), &name.to_lowercase()), name))
        // Something must be left of it: one letter is no misspelling of another.
        .filter(|(distance, name)| *distance < name.chars().count().max(given.chars().count()))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(given.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The hint for a name that is not known: the guess, if there is one, else what to do next.
#[must_use]
pub fn guess_or(guess: Option<&str>, otherwise: &str) -> String {
    guess.map_or_else(|| otherwise.to_owned(), |guess| format!("did you mean \"{guess}\"?"))
}

/// An error for a name that is not known: says what is known, and which of it was probably meant.
pub fn unknown_name<'a>(kind: ErrorKind, what: &str, given: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let known: Vec<&str> = known.into_iter().collect();
    let guess = did_you_mean(given, known.iter().copied());
    let message = match guess {
        Some(guess) => format!("unknown {what} \"{given}\"; did you mean \"{guess}\"?"),
        None => format!("unknown {what} \"{given}\""),
    };
    Error::new(kind, message).with_detail(format!("known: {}", known.join(", ")))
}

/// Levenshtein distance in characters (Levenshtein 1966), one row of the table at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a_char) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b_char) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(a_char != *b_char);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_what_is_known_and_guesses() {
        let error = unknown_name(ErrorKind::NotFound, "algorithm", "xgbost", ["linear", "xgboost"]);
        assert_eq!(error.message(), "unknown algorithm \"xgbost\"; did you mean \"xgboost\"?");
        assert_eq!(error.detail(), Some("known: linear, xgboost"));
    }

    #[test]
    fn a_name_far_from_everything_gets_no_guess() {
        assert_eq!(did_you_mean("tensorflow", ["linear", "xgboost"]), None);
        assert_eq!(did_you_mean("x", ["y"]), None);
    }

    #[test]
    fn edit_distance_counts_single_character_edits() {
        for (a, b, distance) in [("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("same", "same", 0)] {
            assert_eq!(edit_distance(a, b), distance, "{a} → {b}");
        }
    }
}
