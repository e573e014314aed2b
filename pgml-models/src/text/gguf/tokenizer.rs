//! The tokenizer in a GGUF file, as a `tokenizer.json` would describe it.

use pgml_core::{Error, ErrorKind, Result, bail};
use serde_json::{Map, Value, json};

use super::cuts::{self, Cut};
use super::merges;
use crate::generation::SpecialTokens;
use crate::gguf::{self, Gguf};

/// The kinds of tokens that matter here, by their numbers in `tokenizer.ggml.token_type`.
const CONTROL: f64 = 3.0;
const USER_DEFINED: f64 = 4.0;

/// Builds the tokenizer.
///
/// # Errors
/// [`ErrorKind::Corrupted`] for parts that do not fit together, [`ErrorKind::NotSupported`] for other kinds of tokenizers, with
/// a way out.
pub(super) fn read(gguf: &Gguf<'_>) -> Result<tokenizers::Tokenizer> {
    let tokens = texts(gguf, "tokens")?;
    let json = match gguf.text("tokenizer.ggml.model") {
        Some("gpt2") => byte_pairs(gguf, &tokens)?,
        Some("llama") => pieces(gguf, &tokens)?,
        other => return Err(not_supported(format!("a tokenizer of kind {other:?}"))),
    };
    let mut json = json;
    json["version"] = "1.0".into();
    json["added_tokens"] = added(gguf, &tokens).into();
    json["post_processor"] = template(gguf, &tokens);
    let broken = |e| Error::new(ErrorKind::Corrupted, format!("the tokenizer of the GGUF file cannot be used: {e}"));
    serde_json::from_value(json).map_err(broken)
}

/// The tokens that chat templates name.
pub(super) fn special(gguf: &Gguf<'_>) -> SpecialTokens {
    let tokens = texts(gguf, "tokens").unwrap_or_default();
    let named = [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")];
    let token = |key: &str| id(gguf, key).and_then(|id| tokens.get(id).cloned());
    named.iter().filter_map(|(key, name)| Some((*name, token(key)?))).collect()
}

/// The tokens at which texts begin and end, as `generation_config.json` has them.
pub(super) fn ends(gguf: &Gguf<'_>) -> Map<String, Value> {
    let mut eos: Vec<usize> = ["eos", "eot", "eom"].iter().filter_map(|key| id(gguf, key)).collect();
    eos.sort_unstable();
    eos.dedup();
    let mut config = Map::new();
    if !eos.is_empty() {
        config.insert("eos_token_id".to_owned(), eos.into());
    }
    for (key, field) in [("bos", "bos_token_id"), ("padding", "pad_token_id")] {
        if let Some(id) = id(gguf, key) {
            config.insert(field.to_owned(), id.into());
        }
    }
    config
}

fn id(gguf: &Gguf<'_>, key: &str) -> Option<usize> {
    let value = gguf.get(&format!("tokenizer.ggml.{key}_token_id"))?;
    value.as_u64().and_then(|id| usize::try_from(id).ok())
}

fn flag(gguf: &Gguf<'_>, key: &str) -> Option<bool> {
    gguf.get(&format!("tokenizer.ggml.{key}")).and_then(gguf::Value::as_bool)
}

fn texts(gguf: &Gguf<'_>, key: &str) -> Result<Vec<String>> {
    let array = gguf.get(&format!("tokenizer.ggml.{key}")).and_then(gguf::Value::as_array);
    match array.and_then(|array| array.texts()) {
        Some(texts) => Ok(texts.map(std::borrow::Cow::into_owned).collect()),
        None => bail!(Corrupted, "the GGUF file has no tokenizer.ggml.{key}"),
    }
}

fn numbers(gguf: &Gguf<'_>, key: &str) -> Option<Vec<f64>> {
    let array = gguf.get(&format!("tokenizer.ggml.{key}")).and_then(gguf::Value::as_array)?;
    array.numbers().map(Iterator::collect)
}

/// Byte pairs over bytes, as GPT-2 has them.
fn byte_pairs(gguf: &Gguf<'_>, tokens: &[String]) -> Result<Value> {
    let cut = cut(gguf)?;
    let mut pairs = Vec::new();
    for merge in texts(gguf, "merges")? {
        match merge.split_once(' ') {
            Some((left, right)) => pairs.push(json!([left, right])),
            None => bail!(Corrupted, "the merge {merge:?} of the GGUF file's tokenizer is no pair"),
        }
    }
    let isolated = |pattern: &&str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let steps: Vec<Value> = cut.patterns.iter().map(isolated).chain([bytes.clone()]).collect();
    Ok(json!({
        "model": bpe(tokens, pairs, None, cut.ignores_merges),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "decoder": bytes,
    }))
}

/// How texts are cut. Files from before that was said are cut as their architecture's models are.
fn cut(gguf: &Gguf<'_>) -> Result<&'static Cut> {
    match (gguf.text("tokenizer.ggml.pre"), gguf.text("general.architecture")) {
        (Some(pre), _) => cuts::find(pre).ok_or_else(|| not_supported(format!("the pre-tokenizer \"{pre}\""))),
        (None, architecture) => Ok(architecture.and_then(cuts::find).unwrap_or(&cuts::GPT_2)),
    }
}

/// SentencePiece's byte pairs, as LLaMA 2 has them.
fn pieces(gguf: &Gguf<'_>, tokens: &[String]) -> Result<Value> {
    let scores = numbers(gguf, "scores").unwrap_or_default();
    if scores.len() != tokens.len() {
        bail!(Corrupted, "the GGUF file's tokenizer has {} tokens and {} scores", tokens.len(), scores.len());
    }
    let scored: Vec<(String, f32)> = tokens.iter().cloned().zip(scores.into_iter().map(|score| score as f32)).collect();
    let pairs = merges::of_scores(&scored).into_iter().map(|pair| json!(pair)).collect();
    let unknown = id(gguf, "unknown").or(Some(0)).and_then(|id| tokens.get(id));
    let spaced = flag(gguf, "add_space_prefix").unwrap_or(true);
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let prepend = spaced.then(|| json!({"type": "Prepend", "prepend": "▁"}));
    let strip = spaced.then(|| json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    let normalizers: Vec<Value> = prepend.into_iter().chain([replace]).collect();
    let decoders: Vec<Value> = [
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ]
    .into_iter()
    .chain(strip)
    .collect();
    Ok(json!({
        "model": bpe(tokens, pairs, unknown, false),
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "decoder": {"type": "Sequence", "decoders": decoders},
    }))
}

fn bpe(tokens: &[String], merges: Vec<Value>, unknown: Option<&String>, ignores_merges: bool) -> Value {
    // Of two equal tokens the first counts: the others can only be written by their number.
    let mut vocabulary = Map::new();
    for (i, token) in tokens.iter().enumerate() {
        vocabulary.entry(token.clone()).or_insert_with(|| i.into());
    }
    json!({
        "type": "BPE", "vocab": vocabulary, "merges": merges, "unk_token": unknown, "fuse_unk": unknown.is_some(),
        "byte_fallback": unknown.is_some(), "ignore_merges": ignores_merges,
    })
}

/// Tokens that stand in texts as they are written.
fn added(gguf: &Gguf<'_>, tokens: &[String]) -> Vec<Value> {
    let kinds = numbers(gguf, "token_type").unwrap_or_default();
    let whole = tokens.iter().zip(kinds).enumerate().filter(|(_, (_, kind))| [CONTROL, USER_DEFINED].contains(kind));
    whole
        .map(|(id, (token, kind))| {
            json!({
                "id": id, "content": token, "special": kind == CONTROL, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false,
            })
        })
        .collect()
}

/// The tokens around a text: the first one where the file, or its kind of tokenizer, says so.
fn template(gguf: &Gguf<'_>, tokens: &[String]) -> Value {
    let usual = match gguf.text("tokenizer.ggml.model") {
        Some("llama") => true,
        _ => cut(gguf).is_ok_and(|cut| cut.begins),
    };
    let around = |wanted: bool, key: &str| id(gguf, key).filter(|_| wanted).and_then(|id| Some((id, tokens.get(id)?)));
    let first = around(flag(gguf, "add_bos_token").unwrap_or(usual), "bos");
    let last = around(flag(gguf, "add_eos_token").unwrap_or(false), "eos");
    let special = |(_, token): &(usize, &String), n: u8| json!({"SpecialToken": {"id": token, "type_id": n}});
    let text = |name: &str, n: u8| {
        let text = json!({"Sequence": {"id": name, "type_id": n}});
        let parts = first.iter().map(|token| special(token, n)).chain([text]);
        parts.chain(last.iter().map(|token| special(token, n))).collect::<Vec<Value>>()
    };
    let known =
        |(id, token): &(usize, &String)| ((*token).clone(), json!({"id": token, "ids": [id], "tokens": [token]}));
    let specials: Map<String, Value> = first.iter().chain(&last).map(known).collect();
    let pair = [text("A", 0), text("B", 1)].concat();
    json!({"type": "TemplateProcessing", "single": text("A", 0), "pair": pair, "special_tokens": specials})
}

fn not_supported(what: String) -> Error {
    Error::new(ErrorKind::NotSupported, format!("{what} in GGUF files is not supported"))
        .with_hint("put the tokenizer.json of the model that the file was made from beside it")
}
