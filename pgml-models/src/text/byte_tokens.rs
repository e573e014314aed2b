//! The tokenizer of ByT5 (Xue et al. 2022), which is in no file: a token for every byte, behind three special ones, and tokens for gaps.

use std::path::Path;

use pgml_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

/// What stands before the bytes.
const SPECIAL: [&str; 3] = ["<pad>", "</s>", "<unk>"];

/// What `tokenizer_config.json` says.
#[derive(Deserialize, Default)]
struct Config {
    tokenizer_class: Option<String>,
    extra_ids: Option<usize>,
    additional_special_tokens: Option<Vec<Value>>,
}

/// The tokenizer of the checkpoint in `folder`; `None` where it is of another kind.
///
/// # Errors
/// [`ErrorKind::Corrupted`] for settings that make none.
pub(super) fn load(folder: &Path) -> Result<Option<Tokenizer>> {
    let config: Config = super::read_json_if_there(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
    if config.tokenizer_class.as_deref() != Some("ByT5Tokenizer") {
        return Ok(None);
    }
    let mut special: Vec<(usize, String)> = SPECIAL.iter().map(|name| (*name).to_owned()).enumerate().collect();
    special.extend(gaps(&config).into_iter().enumerate().map(|(i, name)| (SPECIAL.len() + 256 + i, name)));
    let bytes = characters().into_iter().enumerate().map(|(byte, c)| (c.to_string(), json!(byte + SPECIAL.len())));
    let vocabulary: Map<String, Value> =
        bytes.chain(special.iter().map(|(id, name)| (name.clone(), json!(id)))).collect();
    let added = |(id, name): &(usize, String)| {
        // Those that are no gaps take the spaces around them.
        let strips = *id < SPECIAL.len();
        json!({
            "id": id, "content": name, "special": true, "single_word": false, "lstrip": strips, "rstrip": strips,
            "normalized": false,
        })
    };
    let by_bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let text = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
    let end = json!({"SpecialToken": {"id": "</s>", "type_id": 0}});
    let described = json!({
        "version": "1.0",
        "added_tokens": special.iter().map(added).collect::<Vec<Value>>(),
        "pre_tokenizer": by_bytes,
        "decoder": by_bytes,
        "post_processor": {
            "type": "TemplateProcessing", "single": [text("A"), end], "pair": [text("A"), end, text("B"), end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    });
    let broken =
        |e| Error::new(ErrorKind::Corrupted, format!("tokenizer_config.json makes no tokenizer of bytes: {e}"));
    serde_json::from_value(described).map(Some).map_err(broken)
}

/// The tokens for gaps, in the order of their numbers.
fn gaps(config: &Config) -> Vec<String> {
    let text = |token: &Value| token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned);
    match &config.additional_special_tokens {
        Some(listed) if !listed.is_empty() => listed.iter().filter_map(text).collect(),
        _ => (0..config.extra_ids.filter(|n| *n > 0).unwrap_or(125).min(10_000))
            .map(|i| format!("<extra_id_{i}>"))
            .collect(),
    }
}

/// What stands for each byte in a vocabulary: itself where it can be seen, and otherwise a character from 256 on (Radford et al. 2019).
fn characters() -> [char; 256] {
    let mut unseen = 256..;
    std::array::from_fn(|byte| {
        let seen = matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let place = if seen { byte as u32 } else { unseen.next().unwrap_or_default() };
        char::from_u32(place).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `tests/golden/seq2seq.py` with transformers 5.23.0.
    #[test]
    fn texts_are_cut_into_bytes_as_transformers_cuts_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/seq2seq/byt5");
        let tokenizer = load(&folder).expect("valid").expect("a tokenizer");
        let golden: Value = super::super::read_json(&folder.join("golden.json")).expect("the golden");
        for case in golden["cases"].as_array().expect("cases") {
            let text = case["text"].as_str().expect("a text");
            let encoding = tokenizer.encode(text, true).expect("encodes");
            assert_eq!(json!(encoding.get_ids()), case["ids"], "{text:?}");
            assert_eq!(tokenizer.decode(encoding.get_ids(), true).expect("decodes"), text);
        }
        assert_eq!(tokenizer.token_to_id("<extra_id_0>"), Some(259));
    }
}
