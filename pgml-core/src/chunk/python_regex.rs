//! Regular expressions as Python writes them, run in linear time.
//!
//! The engine is the crate `regex`: no pattern can make it run for ever, so look-around, back-references, conditionals
//! and atomic groups are errors. What the two only spell differently is rewritten.

use regex::{Regex, RegexBuilder};

use crate::{Error, ErrorKind, Result};

/// Most bytes of a compiled pattern: a search takes time in proportion, and hears no cancel.
const MAX_SIZE: usize = 1 << 20;

const NOT_SUPPORTED: &str =
    "patterns run in linear time: look-around, back-references, conditionals and atomic groups are not supported";

/// Compiles a pattern of Python's `re`.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] with the engine's own words.
pub fn compile(pattern: &str) -> Result<Regex> {
    RegexBuilder::new(&rewrite(pattern)).size_limit(MAX_SIZE).build().map_err(|error| {
        let words = error.to_string();
        let reason = words.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&words);
        Error::new(ErrorKind::InvalidParameter, format!("separator \"{pattern}\" is no valid pattern: {reason}"))
            .with_detail(NOT_SUPPORTED)
            .with_hint("without \"is_separator_regex\", a separator is taken literally")
    })
}

/// The same pattern in the syntax of `regex`.
fn rewrite(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut class_start = None;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '\\' => {
                let escaped = rest[1..].chars().next();
                taken += escaped.map_or(0, char::len_utf8);
                push_escape(escaped, class_start.is_some(), &mut out);
            }
            '[' if class_start.is_none() => {
                let negated = rest[1..].starts_with('^');
                taken += usize::from(negated);
                out.push_str(&rest[..taken]);
                class_start = Some(out.len());
            }
            ']' if class_start.is_some_and(|start| out.len() > start) => {
                class_start = None;
                out.push(c);
            }
            // Sets within sets are Rust's own.
            '[' | ']' | '&' | '~' if class_start.is_some() => out.extend(['\\', c]),
            '{' if class_start.is_none() => match repetition(rest) {
                Some((length, bounds)) => {
                    taken = length;
                    out.push_str(&bounds);
                }
                None => out.push_str("\\{"),
            },
            c => out.push(c),
        }
        rest = &rest[taken..];
    }
    out
}

fn push_escape(escaped: Option<char>, in_class: bool, out: &mut String) {
    match escaped {
        Some('Z') if !in_class => out.push_str("\\z"),
        // Python counts four more characters as white space.
        Some('s') => out.push_str(r"[\s\x1c-\x1f]"),
        Some('S') => out.push_str(r"[^\s\x1c-\x1f]"),
        // And no marks nor joiners as parts of words.
        Some('w') => out.push_str(r"[\p{L}\p{N}_]"),
        Some('W') => out.push_str(r"[^\p{L}\p{N}_]"),
        // No escapes in Python, and word boundaries here.
        Some(c @ ('<' | '>')) => out.push(c),
        Some(c) if !c.is_ascii() => out.push(c),
        Some(c) => out.extend(['\\', c]),
        None => out.push('\\'),
    }
}

/// Length and Rust's spelling of `{2}`, `{2,}`, `{,3}` or `{2,3}`; to Python, any other brace is itself.
fn repetition(text: &str) -> Option<(usize, String)> {
    let inside = &text[1..text.find('}')?];
    let (low, high) = inside.split_once(',').unwrap_or((inside, inside));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if inside.is_empty() || !digits(low) || !digits(high) {
        return None;
    }
    let low = if low.is_empty() { "0" } else { low };
    let bounds = if inside.contains(',') { format!("{{{low},{high}}}") } else { format!("{{{low}}}") };
    Some((inside.len() + 2, bounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_spells_differently_is_rewritten() {
        for (python, rust) in [
            (r"\begin{list}", r"\begin\{list}"),
            ("a{2}b{2,}c{,3}d{}", r"a{2}b{2,}c{0,3}d\{}"),
            (r"x\Z", r"x\z"),
            (r"[[a]&&]", r"[\[a]&&]"),
            ("[]x]", "[\\]x]"),
            ("[^]x]", "[^\\]x]"),
            (r"\<\é", "<é"),
            (r"\s[^\Sa]", r"[\s\x1c-\x1f][^[^\s\x1c-\x1f]a]"),
        ] {
            assert_eq!(rewrite(python), rust);
        }
    }

    #[test]
    fn what_cannot_run_in_linear_time_is_refused_with_the_reason() {
        for pattern in
            [r"a(?=b)", r"(?<!a)b", r"(a)\1", r"(?P<n>a)(?P=n)", "(?>a)", "(a", "[a", "*", "\\", "a{9999}{9999}"]
        {
            let error = compile(pattern).expect_err(pattern);
            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
            assert!(error.message().contains("is no valid pattern: "), "{error}");
            assert!(!error.message().contains('\n'), "{error}");
        }
    }
}
