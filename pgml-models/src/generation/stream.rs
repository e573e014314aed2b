//! The text of one sequence as its caller sees it grow.

use std::sync::Arc;

use pgml_core::Result;

use super::detokenize::{Pieces, TextDecoder};
use super::stopping::{StopStrings, Watch};

/// In which portions text is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    /// As soon as a token makes it certain.
    #[default]
    Tokens,
    /// Up to the last space; whole at the end of a line and after a Chinese character, as transformers' `TextStreamer`.
    Words,
}

/// How a generation's tokens become text.
#[derive(Debug, Clone)]
pub struct Texts {
    /// The tokenizer's decoder.
    pub decoder: Arc<TextDecoder>,
    /// In which portions text is handed out.
    pub release: Release,
}

/// The text of one sequence: decoded, watched for stop strings, cut into portions.
#[derive(Debug, Clone)]
pub(super) struct TextStream {
    texts: Texts,
    stops: Arc<StopStrings>,
    pieces: Pieces,
    watch: Watch,
    /// Handed out by the watch, but no whole word yet.
    word: String,
}

impl TextStream {
    /// Begins after a prompt.
    pub fn new(texts: &Texts, stops: &Arc<StopStrings>, prompt: &[u32]) -> Result<Self> {
        let pieces = Pieces::after(prompt, &texts.decoder)?;
        let mut before = String::new();
        if stops.longest() > 0 {
            // A token has one byte or more.
            for token in &prompt[prompt.len().saturating_sub(stops.longest())..] {
                match texts.decoder.special(*token) {
                    Some(name) => before.push_str(name),
                    None => before.push_str(&texts.decoder.text(&[*token])?),
                }
            }
        }
        let (texts, stops, word) = (texts.clone(), Arc::clone(stops), String::new());
        Ok(Self { texts, stops, pieces, watch: Watch::after(before), word })
    }

    /// Takes one token and adds to `out` the text that is certain. True when the text is complete.
    pub fn push(&mut self, token: u32, out: &mut String) -> Result<bool> {
        let mut piece = String::new();
        let name = self.texts.decoder.special(token);
        match name {
            Some(name) => piece.push_str(name),
            None => self.pieces.push(token, &self.texts.decoder, &mut piece)?,
        }
        let begin = self.word.len();
        let ended = self.watch.push(&self.stops, &piece, name.is_none(), &mut self.word);
        if self.word.len() > begin || ended {
            let whole = if ended { self.word.len() } else { self.whole() };
            out.extend(self.word.drain(..whole));
        }
        Ok(ended)
    }

    /// Adds to `out` what is left.
    pub fn finish(&mut self, out: &mut String) -> Result<()> {
        let mut piece = String::new();
        self.pieces.finish(&self.texts.decoder, &mut piece)?;
        if !self.watch.push(&self.stops, &piece, true, &mut self.word) {
            self.watch.finish(&mut self.word);
        }
        out.push_str(&self.word);
        self.word.clear();
        Ok(())
    }

    /// How many bytes of `word` may be handed out.
    fn whole(&self) -> usize {
        match self.texts.release {
            Release::Tokens => self.word.len(),
            Release::Words if self.word.ends_with(|c| c == '\n' || is_chinese(c)) => self.word.len(),
            Release::Words => self.word.rfind(' ').map_or(0, |place| place + 1),
        }
    }
}

/// Whether a character is in one of Unicode's blocks of Chinese characters, which are written without spaces.
fn is_chinese(c: char) -> bool {
    matches!(u32::from(c),
        0x4e00..=0x9fff | 0x3400..=0x4dbf | 0x2_0000..=0x2_a6df | 0x2_a700..=0x2_b73f | 0x2_b740..=0x2_b81f
        | 0x2_b820..=0x2_ceaf | 0xf900..=0xfaff | 0x2_f800..=0x2_fa1f)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use tokenizers::Tokenizer;

    use super::*;

    #[derive(Deserialize)]
    struct Goldens {
        streamed: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        tokenizer: String,
        tokens: Vec<u32>,
        text: String,
        printed: Vec<String>,
    }

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

    fn decoder(name: &str) -> Arc<TextDecoder> {
        let tokenizer = Tokenizer::from_file(format!("{FOLDER}/generation/{name}.json")).expect("a tokenizer");
        Arc::new(TextDecoder::new(Arc::new(tokenizer)))
    }

    fn pieces(decoder: &Arc<TextDecoder>, release: Release, tokens: &[u32]) -> Vec<String> {
        let texts = Texts { decoder: Arc::clone(decoder), release };
        let mut stream = TextStream::new(&texts, &Arc::default(), &[]).expect("begins");
        let mut pieces = Vec::new();
        for token in tokens {
            let mut piece = String::new();
            stream.push(*token, &mut piece).expect("decodes");
            pieces.push(piece);
        }
        let mut piece = String::new();
        stream.finish(&mut piece).expect("decodes");
        pieces.push(piece);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    #[test]
    fn words_come_as_transformers_prints_them_and_tokens_make_the_same_text() {
        let text = std::fs::read_to_string(format!("{FOLDER}/generation.json")).expect("the golden file is there");
        let Goldens { streamed } = serde_json::from_str(&text).expect("the golden file is read");
        for case in &streamed {
            let decoder = decoder(&case.tokenizer);
            assert_eq!(pieces(&decoder, Release::Words, &case.tokens), case.printed);
            let tokens = pieces(&decoder, Release::Tokens, &case.tokens);
            assert_eq!(tokens.concat(), case.text);
            assert!(tokens.len() >= case.printed.len(), "{tokens:?}");
        }
        assert!(streamed.len() > 10);
    }

    #[test]
    fn any_tokens_give_the_text_of_the_whole_sequence_where_it_is_valid() {
        for name in ["byte_level", "byte_fallback"] {
            let decoder = decoder(name);
            let mut rng = fastrand::Rng::with_seed(1);
            for round in 0..300 {
                let tokens: Vec<u32> = (0..rng.usize(1..60)).map(|_| rng.u32(0..61)).collect();
                let streamed = pieces(&decoder, Release::Tokens, &tokens).concat();
                let whole = decoder.text(&tokens).expect("decodes");
                let valid = |text: &str| text.replace('\u{fffd}', "");
                assert_eq!(valid(&streamed), valid(&whole), "{name}, round {round}");
            }
        }
    }

    #[test]
    fn bytes_that_never_become_a_character_come_out_soon() {
        // A byte that only continues characters, again and again.
        for (name, token) in [("byte_level", 48), ("byte_fallback", 3 + 0x80)] {
            let decoder = decoder(name);
            let texts = Texts { decoder, release: Release::Tokens };
            let mut stream = TextStream::new(&texts, &Arc::default(), &[]).expect("begins");
            let mut text = String::new();
            for _ in 0..1000 {
                stream.push(token, &mut text).expect("decodes");
            }
            assert!(text.chars().count() > 900, "{name}: {}", text.chars().count());
        }
    }
}
