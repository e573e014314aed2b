//! The bytes that tokens stand for.

use std::collections::HashMap;

use llguidance::toktrie::TokTrie;
use pgml_core::{Error, ErrorKind, Result};
use serde_json::Value;
use tokenizers::Tokenizer;

/// A space at the beginning of a word, in tokenizers without bytes of their own.
const WORD: char = '\u{2581}';

/// How a tokenizer writes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// Each byte as a character that can be printed: those of GPT-2.
    ByteLevel,
    /// Characters, spaces as "▁", other bytes as `<0x0A>`: those of SentencePiece.
    Words,
}

/// The bytes of tokens 0 to `size`; empty for those that are no text.
pub(super) fn token_bytes(tokenizer: &Tokenizer, size: usize) -> Result<Vec<Vec<u8>>> {
    let writing = writing(tokenizer)?;
    let bytes_of = printed_bytes();
    let mut words = vec![Vec::new(); size];
    for (token, id) in tokenizer.get_vocab(false) {
        if let Some(word) = words.get_mut(id as usize) {
            *word = match writing {
                // A token of other characters is none that this tokenizer makes.
                Writing::ByteLevel => {
                    token.chars().map(|c| bytes_of.get(&c).copied()).collect::<Option<_>>().unwrap_or_default()
                }
                Writing::Words => {
                    single_byte(&token).map_or_else(|| token.replace(WORD, " ").into_bytes(), |byte| vec![byte])
                }
            };
        }
    }
    for (id, token) in tokenizer.get_added_tokens_decoder() {
        if let Some(word) = words.get_mut(id as usize) {
            // Special ones are no text: a grammar must name them.
            let marker = token.special.then_some(TokTrie::SPECIAL_TOKEN_MARKER);
            *word = marker.into_iter().chain(token.content.bytes()).collect();
        }
    }
    // In no UTF-8, and what marks special tokens.
    for word in words.iter_mut().filter(|word| word.as_slice() == [TokTrie::SPECIAL_TOKEN_MARKER]) {
        word.clear();
    }
    Ok(words)
}

fn writing(tokenizer: &Tokenizer) -> Result<Writing> {
    fn has(decoder: &Value, kind: &str) -> bool {
        let parts = decoder.get("decoders").and_then(Value::as_array);
        decoder.get("type").is_some_and(|found| found == kind)
            || parts.is_some_and(|parts| parts.iter().any(|part| has(part, kind)))
    }
    let decoder = serde_json::to_value(tokenizer.get_decoder()).unwrap_or_default();
    if has(&decoder, "ByteLevel") {
        return Ok(Writing::ByteLevel);
    }
    if has(&decoder, "ByteFallback") || has(&decoder, "Metaspace") {
        return Ok(Writing::Words);
    }
    let kind = decoder.get("type").and_then(Value::as_str).unwrap_or("none");
    Err(Error::new(ErrorKind::NotSupported, "this model's texts cannot be held to a form").with_detail(format!(
        "the tokens of its tokenizer, whose decoder is of the type {kind}, are no pieces of a text"
    )))
}

/// The byte of a token as `<0x0A>`.
fn single_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// GPT-2's characters for bytes: those that print stand for themselves, the others follow from U+0100 on in their order.
fn printed_bytes() -> HashMap<char, u8> {
    let prints = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..=u8::MAX).filter(|byte| !prints(byte)).zip('\u{100}'..).map(|(byte, c)| (c, byte));
    (0..=u8::MAX).filter(prints).map(|byte| (char::from(byte), byte)).chain(others).collect()
}
