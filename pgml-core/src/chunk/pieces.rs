//! The pieces of a text between its separators.

use std::ops::Range;

use super::args::KeepSeparator;
use super::separator::Separator;

/// Walks over the pieces of one range of a text. Empty pieces are left out.
#[derive(Debug)]
pub struct Pieces {
    range: Range<usize>,
    keep: KeepSeparator,
    /// Where the next piece begins, relative to the range as all positions below.
    start: usize,
    /// Where the next separator is looked for.
    search: usize,
    ended: bool,
}

impl Pieces {
    pub fn new(range: Range<usize>, keep: KeepSeparator) -> Self {
        Self { range, keep, start: 0, search: 0, ended: false }
    }

    /// The next piece, as a range of `text`, which must be the same in every call, like `separator`.
    pub fn next(&mut self, text: &str, separator: &Separator) -> Option<Range<usize>> {
        let inside = &text[self.range.clone()];
        while !self.ended {
            let piece = if separator.is_everywhere() {
                self.character(inside)
            } else {
                self.up_to_separator(inside, separator)
            };
            if !piece.is_empty() {
                return Some(self.range.start + piece.start..self.range.start + piece.end);
            }
        }
        None
    }

    fn character(&mut self, inside: &str) -> Range<usize> {
        let start = self.start;
        self.start += inside[start..].chars().next().map_or(0, char::len_utf8);
        self.ended = self.start == inside.len();
        start..self.start
    }

    fn up_to_separator(&mut self, inside: &str, separator: &Separator) -> Range<usize> {
        let start = self.start;
        let Some((found, end)) = separator.find(inside, self.search) else {
            self.ended = true;
            return start..inside.len();
        };
        self.search = if end > found { end } else { end + inside[end..].chars().next().map_or(1, char::len_utf8) };
        let (piece_end, next_start) = match self.keep {
            KeepSeparator::No => (found, end),
            KeepSeparator::Start => (found, found),
            KeepSeparator::End => (end, end),
        };
        self.start = next_start;
        start..piece_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces<'a>(text: &'a str, separator: &str, is_regex: bool, keep: KeepSeparator) -> Vec<&'a str> {
        let separator = Separator::new(separator, is_regex).expect("valid");
        let mut pieces = Pieces::new(0..text.len(), keep);
        std::iter::from_fn(|| pieces.next(text, &separator)).map(|range| &text[range]).collect()
    }

    #[test]
    fn separators_go_away_or_to_either_side() {
        use KeepSeparator::{End, No, Start};
        assert_eq!(pieces(".a..b", ".", false, No), ["a", "b"]);
        assert_eq!(pieces(".a..b", ".", false, Start), [".a", ".", ".b"]);
        assert_eq!(pieces(".a..b", ".", false, End), [".", "a.", ".", "b"]);
        assert_eq!(pieces("aé", "", false, Start), ["a", "é"]);
    }

    #[test]
    fn patterns_may_match_nothing_as_in_python() {
        // Python 3.11: [s for s in re.split("x*", "axbc") if s] is ["a", "b", "c"].
        assert_eq!(pieces("axbc", "x*", true, KeepSeparator::No), ["a", "b", "c"]);
        // "".join of re.split(r"(\b)", "é b") in pairs: ["é", " ", "b"].
        assert_eq!(pieces("é b", r"\b", true, KeepSeparator::Start), ["é", " ", "b"]);
    }
}
