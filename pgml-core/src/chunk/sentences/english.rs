//! What Punkt has to know about English.
//!
//! Punkt learns it from a corpus. The lists here are written by hand instead: abbreviations that a capitalised word may
//! follow in the same sentence, and words that are capitalised only where a sentence begins. Frequent collocations and
//! sentence starters, which it learns too, are not listed: names after initials are recognised without the former, and
//! most of the latter are in the second list.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Without their last period, in lower case. `tests/golden/chunk.py` gives NLTK the same lists.
const ABBREVIATIONS: &str = include_str!("english_abbreviations.txt");
const LOWER_CASE_WORDS: &str = include_str!("english_lower_case_words.txt");

static ABBREVIATION_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| ABBREVIATIONS.split_whitespace().collect());
static LOWER_CASE_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| LOWER_CASE_WORDS.split_whitespace().collect());

/// Whether the word, in lower case and without its last period, is an abbreviation.
pub fn is_abbreviation(word: &str) -> bool {
    ABBREVIATION_SET.contains(word)
}

/// Whether the word, in lower case, is one that is capitalised only at the beginning of a sentence.
pub fn is_lower_case_word(word: &str) -> bool {
    LOWER_CASE_SET.contains(word)
}
