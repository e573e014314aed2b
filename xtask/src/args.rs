//! The options of a command line.

use std::str::FromStr;

use crate::error::{Error, Result};

/// The words after the command's name, taken one by one; what nobody takes is an error.
pub struct Args {
    words: Vec<String>,
}

impl Args {
    /// From the words after the command's name.
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        Self { words: words.into_iter().collect() }
    }

    /// Takes `--name value` or `--name=value`.
    ///
    /// # Errors
    /// When the value is missing or is not a `T`.
    pub fn option<T>(&mut self, name: &str) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let with_value = format!("{name}=");
        let Some(at) = self.words.iter().position(|word| word == name || word.starts_with(&with_value)) else {
            return Ok(None);
        };
        let word = self.words.remove(at);
        let value = match word.strip_prefix(&with_value) {
            Some(value) => value.to_owned(),
            None if at < self.words.len() => self.words.remove(at),
            None => return Err(Error::new(format!("{name} wants a value"))),
        };
        value.parse().map(Some).map_err(|error| Error::new(format!("{name} {value}: {error}")))
    }

    /// Takes the flag `name`; true when it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// Takes the first word that is not an option.
    pub fn word(&mut self) -> Option<String> {
        let at = self.words.iter().position(|word| !word.starts_with('-'))?;
        Some(self.words.remove(at))
    }

    /// Takes everything that is left.
    pub fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.words)
    }

    /// Ends the reading: a word that nobody took is an error.
    ///
    /// # Errors
    /// When words are left; the message names the first.
    pub fn finish(&self) -> Result<()> {
        match self.words.first() {
            Some(word) => {
                Err(Error::new(format!("`{word}` is not an argument of this command; see `cargo xtask --help`")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new(line.split_whitespace().map(String::from))
    }

    #[test]
    fn options_are_taken_in_both_spellings_and_the_rest_is_refused() {
        let mut both = args("--pg 16 --port=6000 word extra");
        assert_eq!(both.option::<u16>("--pg").expect("pg"), Some(16));
        assert_eq!(both.option::<u16>("--port").expect("port"), Some(6000));
        assert_eq!(both.word().as_deref(), Some("word"));
        assert!(both.finish().expect_err("extra").to_string().contains("`extra`"));
    }

    #[test]
    fn a_missing_or_wrong_value_is_named() {
        assert!(args("--port").option::<u16>("--port").expect_err("missing").to_string().contains("--port"));
        let error = args("--port many").option::<u16>("--port").expect_err("wrong").to_string();
        assert!(error.contains("--port many"), "{error}");
    }
}
