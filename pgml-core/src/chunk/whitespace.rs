//! White space as Python counts it, which the reference libraries strip and split by.

/// Whether Python's `str.isspace` holds: Unicode's white space and the four separators of ASCII.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The text without white space at both ends.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Where the text without white space at its end ends.
pub fn end_of(text: &str) -> usize {
    text.trim_end_matches(is_space).len()
}
