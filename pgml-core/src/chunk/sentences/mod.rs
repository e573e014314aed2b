//! Where sentences end.

mod english;
mod punkt;
mod punkt_words;
mod sentencizer;
mod spacy_words;

pub use punkt::Punkt;
pub use sentencizer::Sentencizer;
