//! Punkt's words, and what it takes them for.

use std::sync::LazyLock;

use regex::Regex;

use super::super::whitespace::is_space;
use super::english;

/// A word of Punkt: punctuation is split off, except periods.
#[derive(Debug)]
pub struct Word<'a> {
    text: &'a str,
    /// In lower case, numbers all alike.
    kind: String,
    /// A sentence seems to end behind it.
    pub ends_sentence: bool,
    is_abbreviation: bool,
    is_ellipsis: bool,
}

/// What numbers are to Punkt.
const NUMBER: &str = "##number##";

static IS_NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^-?[.,]?\d[\d,.\-]*$").expect("a pattern that compiles"));

/// Whether the word that follows begins a sentence, as far as its case tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starter {
    Yes,
    No,
    Unknown,
}

impl<'a> Word<'a> {
    /// The word, and what can be said of it alone (section 3 of the paper).
    pub fn new(text: &'a str) -> Self {
        let lower = text.to_lowercase();
        let is_ellipsis = text.len() >= 2 && text.bytes().all(|b| b == b'.');
        let (mut ends_sentence, mut is_abbreviation) = (matches!(text, "." | "?" | "!"), false);
        if !ends_sentence && !is_ellipsis && text.ends_with('.') && !text.ends_with("..") {
            let stem = &lower[..lower.len() - 1];
            let behind_hyphen = stem.rsplit('-').next().unwrap_or(stem);
            is_abbreviation = english::is_abbreviation(stem) || english::is_abbreviation(behind_hyphen);
            ends_sentence = !is_abbreviation;
        }
        let may_be_number = lower.bytes().any(|b| b.is_ascii_digit() || !b.is_ascii());
        let kind = if may_be_number && IS_NUMBER.is_match(&lower) { NUMBER.to_owned() } else { lower };
        Self { text, kind, ends_sentence, is_abbreviation, is_ellipsis }
    }

    /// Decides again, knowing the word that follows (section 4 of the paper).
    pub fn decide_before(&mut self, next: &Word<'_>) {
        if !self.text.ends_with('.') {
            return;
        }
        let is_initial = self.is_initial();
        if (self.is_abbreviation || self.is_ellipsis) && !is_initial && next.starts_sentence() == Starter::Yes {
            self.ends_sentence = true;
            return;
        }
        if is_initial || self.kind_without_period() == NUMBER {
            let starter = next.starts_sentence();
            let is_name = is_initial && next.is_capitalised() && !english::is_lower_case_word(next.kind_in_sentence());
            if starter == Starter::No || (starter == Starter::Unknown && is_name) {
                self.ends_sentence = false;
            }
        }
    }

    /// The orthographic heuristic (4.1.1).
    fn starts_sentence(&self) -> Starter {
        if matches!(self.text, ";" | ":" | "," | "." | "!" | "?") {
            return Starter::No;
        }
        if self.is_capitalised() && english::is_lower_case_word(self.kind_in_sentence()) {
            return Starter::Yes;
        }
        // No word is known to begin sentences in lower case.
        if self.text.starts_with(char::is_lowercase) { Starter::No } else { Starter::Unknown }
    }

    fn is_capitalised(&self) -> bool {
        self.text.starts_with(char::is_uppercase)
    }

    /// A single letter with a period.
    fn is_initial(&self) -> bool {
        let mut letters = self.text.strip_suffix('.').unwrap_or_default().chars();
        letters.next().is_some_and(|c| c == '_' || c.is_alphabetic()) && letters.next().is_none()
    }

    fn kind_without_period(&self) -> &str {
        self.kind.strip_suffix('.').filter(|stem| !stem.is_empty()).unwrap_or(&self.kind)
    }

    /// Without the period, if that ends a sentence.
    fn kind_in_sentence(&self) -> &str {
        if self.ends_sentence { self.kind_without_period() } else { &self.kind }
    }
}

/// The words of a line.
pub fn words(line: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(is_space);
        let first = rest.chars().next()?;
        let (word, behind) = rest.split_at(word_length(rest, first));
        rest = behind;
        Some(Word::new(word))
    })
}

/// Length of the word at the start of `text`, in bytes.
fn word_length(text: &str, first: char) -> usize {
    if let Some(length) = dashes_or_dots(text) {
        return length;
    }
    let mut end = first.len_utf8();
    if !"(\"`{[:;&#*@)}]-,".contains(first) {
        while !ends_word(&text[end..]) {
            end += text[end..].chars().next().map_or(0, char::len_utf8);
        }
    }
    end
}

/// Whether a word ends before `rest`.
fn ends_word(rest: &str) -> bool {
    let stops = |rest: &str| {
        rest.chars().next().is_none_or(|c| is_space(c) || is_no_word_character(c)) || dashes_or_dots(rest).is_some()
    };
    stops(rest) || rest.strip_prefix(',').is_some_and(stops)
}

/// What is never inside a word.
pub fn is_no_word_character(c: char) -> bool {
    ")\";}]*:@'({[!?".contains(c)
}

/// Length of two or more dashes or dots, or of three or more dots with spaces between them.
fn dashes_or_dots(text: &str) -> Option<usize> {
    for mark in ['-', '.'] {
        // Two are enough to know; more are only counted where they are a word of their own.
        let run = text.len() - text.trim_start_matches(mark).len();
        if run >= 2 {
            return Some(run);
        }
    }
    let (mut length, mut dots) = (0, 0);
    let mut rest = text;
    while let Some(behind) = rest.strip_prefix('.') {
        dots += 1;
        length = text.len() - behind.len();
        match behind.chars().next() {
            Some(c) if is_space(c) => rest = &behind[c.len_utf8()..],
            _ => break,
        }
    }
    (dots >= 3).then_some(length)
}
