//! Sentences as Punkt finds them (Kiss and Strunk, "Unsupervised Multilingual Sentence Boundary Detection", Computational
//! Linguistics 32, 2006), in the form of NLTK 3.9.1 with what is known of English written by hand.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::whitespace::{end_of, is_space};
use super::punkt_words::{Word, is_no_word_character, words};

/// Walks over the sentences of a text.
#[derive(Debug)]
pub struct Punkt {
    /// Whether a sentence begins where the one before it ends, so that no white space is lost.
    spans: bool,
    candidates: Candidates,
    /// The last candidate, as long as the next may belong to the same word.
    held: Option<Candidate>,
    /// Where the next sentence begins, before closing punctuation is given to the one before it.
    next_start: usize,
    /// The sentence whose end is known but not whether closing punctuation follows.
    open: Option<Range<usize>>,
    ended: bool,
    ready: VecDeque<Range<usize>>,
    /// Where the last sentence that went out ended.
    last_end: usize,
}

/// A character that may end a sentence, with the word before it and what follows it.
#[derive(Debug, Clone)]
struct Candidate {
    word: Range<usize>,
    /// Behind the character.
    end: usize,
    /// The white space and the word behind it, or one mark of punctuation.
    follower: Range<usize>,
    /// Where a sentence behind it would begin.
    next_start: usize,
}

impl Punkt {
    pub fn new(spans: bool) -> Self {
        Self {
            spans,
            candidates: Candidates::default(),
            held: None,
            next_start: 0,
            open: None,
            ended: false,
            ready: VecDeque::new(),
            last_end: 0,
        }
    }

    /// The next sentence; `text` must be the same in every call.
    pub fn next(&mut self, text: &str) -> Option<Range<usize>> {
        loop {
            if let Some(sentence) = self.ready.pop_front() {
                let start = if self.spans && self.last_end > 0 { self.last_end } else { sentence.start };
                self.last_end = sentence.end;
                return Some(start..sentence.end);
            }
            if self.ended {
                return None;
            }
            match self.candidates.next(text) {
                Some(candidate) => {
                    // Two in one word are one: only the last of "Really?!" counts.
                    let before = self.held.replace(candidate.clone());
                    if let Some(before) = before.filter(|held| held.word.end <= candidate.word.start) {
                        self.decide(text, &before);
                    }
                }
                None => {
                    if let Some(last) = self.held.take() {
                        self.decide(text, &last);
                    }
                    self.close(text, self.next_start..end_of(text).max(self.next_start));
                    self.ready.extend(self.open.take().filter(|sentence| !sentence.is_empty()));
                    self.ended = true;
                }
            }
        }
    }

    fn decide(&mut self, text: &str, candidate: &Candidate) {
        if ends_sentence(text, candidate) {
            self.close(text, self.next_start..candidate.end);
            self.next_start = candidate.next_start;
        }
    }

    /// A sentence has ended; closing quotes and brackets at its start belong to the one before it.
    fn close(&mut self, text: &str, mut sentence: Range<usize>) {
        if let Some(mut before) = self.open.take() {
            if let Some((closing, with_space)) = closing_punctuation(&text[sentence.clone()]) {
                before.end = sentence.start + closing;
                sentence.start += with_space;
                self.ready.push_back(before);
            } else if !before.is_empty() {
                self.ready.push_back(before);
            }
        }
        self.open = Some(sentence);
    }
}

/// Length of closing punctuation at the start of a sentence, without and with the white space behind it.
fn closing_punctuation(sentence: &str) -> Option<(usize, usize)> {
    let behind = sentence.trim_start_matches(['"', '\'', ')', ']', '}']);
    let closing = sentence.len() - behind.len();
    let next = behind.trim_start_matches(is_space);
    let is_apart = next.len() < behind.len() || behind.is_empty() || behind.starts_with("--");
    (closing > 0 && is_apart).then_some((closing, sentence.len() - next.len()))
}

/// Whether, of the words around the candidate, one but the last ends a sentence.
fn ends_sentence(text: &str, candidate: &Candidate) -> bool {
    let context = [&text[candidate.word.start..candidate.end], &text[candidate.follower.clone()]].concat();
    let mut words = context.split('\n').flat_map(words);
    let Some(mut word) = words.next() else { return false };
    for next in words {
        Word::decide_before(&mut word, &next);
        if word.ends_sentence {
            return true;
        }
        word = next;
    }
    false
}

/// Walks over the characters that may end a sentence.
#[derive(Debug, Default)]
struct Candidates {
    /// Where to look on.
    position: usize,
    /// The word before the last candidate.
    word: Range<usize>,
}

impl Candidates {
    fn next(&mut self, text: &str) -> Option<Candidate> {
        loop {
            let at = self.position + text[self.position..].find(['.', '?', '!'])?;
            self.position = at + 1;
            let Some((follower, next_start)) = follower(text, at + 1) else { continue };
            self.word = self.word_before(text, at)..at;
            return Some(Candidate { word: self.word.clone(), end: at + 1, follower, next_start });
        }
    }

    /// Where the word begins that ends at `at`; where the last one began when no white space lies between.
    fn word_before(&self, text: &str, at: usize) -> usize {
        let between = &text.as_bytes()[self.word.end..at];
        let space = between.iter().rposition(|b| b.is_ascii_whitespace() || *b == 0x0b);
        // As in NLTK, white space at the very start of the text counts for none.
        space.filter(|i| *i > 0).map_or(self.word.start, |i| self.word.end + i + 1)
    }
}

/// What follows a candidate: one mark that is in no word, or white space and a word. Also where a sentence would begin.
fn follower(text: &str, at: usize) -> Option<(Range<usize>, usize)> {
    let rest = &text[at..];
    let first = rest.chars().next()?;
    if is_no_word_character(first) {
        return Some((at..at + first.len_utf8(), at));
    }
    if !is_space(first) {
        return None;
    }
    let next = text.len() - rest.trim_start_matches(is_space).len();
    let word = text[next..].find(is_space).unwrap_or(text.len() - next);
    (word > 0).then_some((at..next + word, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str) -> Vec<&str> {
        let mut punkt = Punkt::new(false);
        std::iter::from_fn(|| punkt.next(text)).map(|range| &text[range]).collect()
    }

    #[test]
    fn periods_of_abbreviations_initials_and_numbers_end_no_sentence() {
        for (text, count) in [
            ("Mr. Smith met J. S. Bach in the U.S. Capitol at 5 p.m. sharp.", 1),
            ("It works, e.g. Here it does not. See Fig. 2. It costs 3.50 dollars. Really?! Yes!", 6),
            ("He came from the U.S. The end was near.", 2),
            ("He waited ... and waited. Then he left.", 2),
            ("  No space lost.  ", 1),
            ("", 0),
        ] {
            assert_eq!(sentences(text).len(), count, "{:?}", sentences(text));
        }
    }

    #[test]
    fn closing_punctuation_stays_with_its_sentence() {
        let text = "(How does it deal with this?)  \"It stays.\" \"(And here too.)\" ('And this one!') [(and this. )]";
        let expected = [
            "(How does it deal with this?)",
            "\"It stays.\"",
            "\"(And here too.)\"",
            "('And this one!')",
            "[(and this. )]",
        ];
        assert_eq!(sentences(text), expected);
    }
}
