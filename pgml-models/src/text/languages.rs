//! Models that translate between many languages: which token says what a text's language is, and where it stands.

use std::path::Path;

use pgml_core::error::unknown_name;
use pgml_core::text::GenerateArgs;
use pgml_core::{Error, ErrorKind, Result, bail};
use serde::Deserialize;
use tokenizers::{Encoding, Tokenizer};

/// The languages of a model.
pub(super) struct Languages {
    /// Codes, with their tokens.
    tokens: Vec<(String, u32)>,
    place: Place,
    /// The language of a text that nobody names.
    pub(super) default: u32,
    /// Ends a text.
    end: u32,
}

/// Where the token of the language stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the text, which has its end behind it.
    Before,
    /// Behind the end of the text.
    Behind,
}

/// What `tokenizer_config.json` says.
#[derive(Deserialize, Default)]
struct Config {
    tokenizer_class: Option<String>,
    src_lang: Option<String>,
    legacy_behaviour: Option<bool>,
}

impl Languages {
    /// Those of the model in `folder`; `None` for models that know one language, or tell them apart by words.
    pub(super) fn read(folder: &Path, tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let config: Config = super::read_json_if_there(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let class = config.tokenizer_class.as_deref().unwrap_or_default();
        let (place, default) = match class.trim_end_matches("Fast") {
            "MBartTokenizer" => (Place::Behind, "en_XX"),
            "MBart50Tokenizer" => (Place::Before, "en_XX"),
            "NllbTokenizer" if config.legacy_behaviour == Some(true) => (Place::Behind, "eng_Latn"),
            "NllbTokenizer" => (Place::Before, "eng_Latn"),
            "M2M100Tokenizer" => (Place::Before, "en"),
            _ => return Ok(None),
        };
        let added = tokenizer.get_added_tokens_decoder().into_iter();
        let mut tokens: Vec<(String, u32)> =
            added.filter_map(|(id, token)| Some((code(&token.content)?.to_owned(), id))).collect();
        tokens.sort_unstable();
        let Some(end) = tokenizer.token_to_id("</s>") else {
            bail!(Corrupted, "the tokenizer has no token </s>, which ends texts of its kind ({class})");
        };
        let mut languages = Self { tokens, place, default: end, end };
        languages.default = languages.token(config.src_lang.as_deref().unwrap_or(default))?;
        Ok(Some(languages))
    }

    /// The languages that a translation's task or its arguments name: of the text, and of what is made of it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] where one is missing or not known, listing those that are.
    pub(super) fn of_task(&self, task: &str, args: &GenerateArgs) -> Result<[u32; 2]> {
        let parts: Vec<&str> = task.split('_').collect();
        let (from, to) = match (args.src_lang.as_deref(), args.tgt_lang.as_deref(), parts.as_slice()) {
            (None, None, [_, from, "to", to]) => (Some(*from), Some(*to)),
            (from, to, _) => (from, to),
        };
        match (from, to) {
            (Some(from), Some(to)) => Ok([self.token(from)?, self.token(to)?]),
            _ => Err(Error::new(ErrorKind::InvalidParameter, "the model translates between many languages: name both")
                .with_hint(format!(
                    "give \"src_lang\" and \"tgt_lang\"; known: {}",
                    self.codes().collect::<Vec<_>>().join(", ")
                ))),
        }
    }

    /// A text's tokens with that of its language and its end, `limit` at most.
    pub(super) fn around(&self, text: &Encoding, language: u32, limit: Option<usize>) -> Vec<u32> {
        let text = text.get_ids();
        let text = &text[..text.len().min(limit.map_or(usize::MAX, |limit| limit.saturating_sub(2)))];
        match self.place {
            Place::Before => [&[language], text, &[self.end]].concat(),
            Place::Behind => [text, &[self.end, language]].concat(),
        }
    }

    fn token(&self, language: &str) -> Result<u32> {
        let found = self.tokens.iter().find(|(code, _)| code == language);
        found
            .map(|(_, token)| *token)
            .ok_or_else(|| unknown_name(ErrorKind::InvalidParameter, "language of the model", language, self.codes()))
    }

    fn codes(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(|(code, _)| code.as_str())
    }
}

/// The code of a token that stands for a language: `en_XX` (mBART), `eng_Latn` (NLLB) or `__en__` (M2M100).
fn code(token: &str) -> Option<&str> {
    if let Some(code) = token.strip_prefix("__").and_then(|rest| rest.strip_suffix("__")) {
        return (!code.is_empty()).then_some(code);
    }
    let (language, region) = token.split_once('_')?;
    let lower = |text: &str| (2..=3).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_lowercase());
    let upper = |text: &str| text.len() == 2 && text.bytes().all(|c| c.is_ascii_uppercase());
    let script = |text: &str| text.len() == 4 && text.bytes().all(|c| c.is_ascii_alphabetic());
    (lower(language) && (upper(region) || script(region))).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_languages_are_told_from_others() {
        for (token, want) in [
            ("en_XX", Some("en_XX")),
            ("zho_Hans", Some("zho_Hans")),
            ("__ceb__", Some("ceb")),
            ("</s>", None),
            ("madeupword_0", None),
            ("____", None),
            ("a_b", None),
        ] {
            assert_eq!(code(token), want, "{token}");
        }
    }
}
