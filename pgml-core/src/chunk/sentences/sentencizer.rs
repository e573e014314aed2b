//! Sentences as spaCy's `Sentencizer` finds them: the first token that is no punctuation, after one that ends a sentence,
//! begins the next.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::whitespace::is_space;
use super::spacy_words::{Kind, Token, tokens};

/// Walks over the sentences of a text.
#[derive(Debug)]
pub struct Sentencizer {
    /// Whether a sentence keeps the space behind it.
    keep_space: bool,
    /// Where the next word or white space begins.
    position: usize,
    /// Where the open sentence began.
    start: usize,
    /// Where the last token ended, without the space behind it.
    end: usize,
    ended_by_terminator: bool,
    tokens: Vec<Token>,
    ready: VecDeque<Range<usize>>,
    is_done: bool,
}

impl Sentencizer {
    pub fn new(keep_space: bool) -> Self {
        Self {
            keep_space,
            position: 0,
            start: 0,
            end: 0,
            ended_by_terminator: false,
            tokens: Vec::new(),
            ready: VecDeque::new(),
            is_done: false,
        }
    }

    /// The next sentence; `text` must be the same in every call.
    pub fn next(&mut self, text: &str) -> Option<Range<usize>> {
        loop {
            if let Some(sentence) = self.ready.pop_front() {
                return Some(sentence);
            }
            if self.is_done {
                return None;
            }
            match text[self.position..].chars().next() {
                None => {
                    self.is_done = true;
                    self.close(text.len());
                }
                Some(c) if is_space(c) => self.take_space(text),
                Some(_) => self.take_word(text),
            }
        }
    }

    /// One space belongs to the token before it; more, or others, are a token.
    fn take_space(&mut self, text: &str) {
        let rest = &text[self.position..];
        let end = text.len() - rest.trim_start_matches(is_space).len();
        let token = self.position + usize::from(self.position > 0 && rest.starts_with(' '));
        if token < end {
            self.take(token, Kind::Other);
            self.end = end;
        }
        self.position = end;
    }

    fn take_word(&mut self, text: &str) {
        let start = self.position;
        let end = start + text[start..].find(is_space).unwrap_or(text.len() - start);
        let mut cut = std::mem::take(&mut self.tokens);
        tokens(&text[start..end], &mut cut);
        for (i, (offset, kind)) in cut.iter().enumerate() {
            self.take(start + offset, *kind);
            self.end = cut.get(i + 1).map_or(end, |(next, _)| start + next);
        }
        self.tokens = cut;
        self.position = end;
    }

    /// A token that begins at `at`.
    fn take(&mut self, at: usize, kind: Kind) {
        if self.ended_by_terminator && kind == Kind::Other {
            self.close(at);
            self.start = at;
            self.ended_by_terminator = false;
        } else if kind == Kind::Terminator {
            self.ended_by_terminator = true;
        }
    }

    /// The open sentence ends before `next`.
    fn close(&mut self, next: usize) {
        let end = if self.keep_space { next } else { self.end };
        if end > self.start {
            self.ready.push_back(self.start..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_punctuation_stays_and_further_white_space_begins_the_next_sentence() {
        let text = "He said: \"Stop!\" (Twice.)  Mr. Low left the U.S. at 5 p.m. on Monday.Then what?! Nothing...";
        let mut sentencizer = Sentencizer::new(false);
        let sentences: Vec<&str> = std::iter::from_fn(|| sentencizer.next(text)).map(|range| &text[range]).collect();
        let expected = [
            "He said: \"Stop!\" (",
            "Twice.)",
            " Mr. Low left the U.S. at 5 p.m. on Monday.",
            "Then what?!",
            "Nothing...",
        ];
        assert_eq!(sentences, expected);
    }
}
