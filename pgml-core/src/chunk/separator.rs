//! What separates the pieces of a text.

use regex::Regex;

use super::python_regex;
use crate::Result;

/// A separator, ready to be looked for.
#[derive(Debug)]
pub struct Separator {
    /// As it was given; also what joins pieces whose separators went away, even where it is a pattern.
    pub source: String,
    form: Form,
}

#[derive(Debug)]
enum Form {
    EveryCharacter,
    Literal,
    Pattern(Regex),
    /// The pattern `$` alone: Python finds it at the end and before a last line break, `regex` at the end only.
    TextEnd,
}

impl Separator {
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) for a pattern that is none.
    pub fn new(source: &str, is_regex: bool) -> Result<Self> {
        let form = match source {
            "" => Form::EveryCharacter,
            _ if !is_regex => Form::Literal,
            _ if source.bytes().all(|b| b == b'$') => Form::TextEnd,
            _ => Form::Pattern(python_regex::compile(source)?),
        };
        Ok(Self { source: source.to_owned(), form })
    }

    /// Whether it stands between all characters.
    pub fn is_everywhere(&self) -> bool {
        matches!(self.form, Form::EveryCharacter)
    }

    /// Start and end of its first place in `text` that starts at or behind `from`, in bytes. It may be empty.
    pub fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let rest = text.get(from..)?;
        match &self.form {
            Form::EveryCharacter => None,
            Form::Literal => rest.find(&self.source).map(|at| (from + at, from + at + self.source.len())),
            Form::Pattern(regex) => regex.find_at(text, from).map(|found| (found.start(), found.end())),
            Form::TextEnd => {
                let end = if rest.ends_with('\n') { text.len() - 1 } else { text.len() };
                Some((end, end))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_found_before_a_last_line_break_too() {
        // Python 3.11: [m.start() for m in re.finditer("$$", "ab\n")] is [2, 3].
        let end = Separator::new("$$", true).expect("valid");
        assert_eq!((end.find("ab\n", 0), end.find("ab\n", 3), end.find("ab\n", 4)), (Some((2, 2)), Some((3, 3)), None));
    }

    #[test]
    fn places_are_found_from_a_position_on() {
        let literal = Separator::new("é.", false).expect("valid");
        assert_eq!((literal.find("é.é.", 0), literal.find("é.é.", 3)), (Some((0, 3)), Some((3, 6))));
        let pattern = Separator::new("^é", true).expect("valid");
        assert_eq!((pattern.find("éé", 0), pattern.find("éé", 2)), (Some((0, 2)), None));
    }
}
