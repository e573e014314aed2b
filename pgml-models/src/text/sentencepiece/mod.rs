//! Tokenizers of checkpoints that carry a SentencePiece model (Kudo, Richardson 2018) and no `tokenizer.json`: T5 and Pegasus with
//! `spiece.model`, mBART, NLLB and M2M100 with `sentencepiece.bpe.model`, Marian with `source.spm`, `target.spm` and a vocabulary of
//! its own order.

mod charsmap;
mod proto;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use pgml_core::{Error, ErrorKind, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokenizers::models::bpe::BPE;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::{NormalizerWrapper, Precompiled, Replace, Sequence, Strip, replace::ReplacePattern};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::gguf::merges;
use proto::{Kind, Model, Piece};

/// The largest of these files that is read; the largest known one, of mT5, has 4.3 MB.
const MOST_BYTES: u64 = 64 << 20;

/// The score of a piece that texts are not cut into as long as there is another way.
const NEVER: f64 = -1e6;

/// What decides which tokens stand beside the pieces.
#[derive(Deserialize, Default)]
struct Config {
    model_type: Option<String>,
    /// T5: how many tokens stand for gaps.
    extra_ids: Option<usize>,
    /// Pegasus: how many tokens stand before the pieces.
    offset: Option<usize>,
    tokenizer_class: Option<String>,
}

/// A vocabulary in the order of its numbers, and which of its tokens are no text.
struct Vocabulary {
    pieces: Vec<(String, f64)>,
    unknown: usize,
    special: Vec<String>,
    /// Not of SentencePiece, but text.
    added: Vec<String>,
    end: String,
}

/// The tokenizer of the checkpoint in `folder`; `None` where it has no such files.
///
/// # Errors
/// [`ErrorKind::Corrupted`] for files that cannot be what they are said to be; [`ErrorKind::NotSupported`] for kinds of models
/// that are not known here, each naming the file.
pub(super) fn load(folder: &Path) -> Result<Option<Tokenizer>> {
    let [one, source, fairseq] =
        ["spiece.model", "source.spm", "sentencepiece.bpe.model"].map(|name| folder.join(name));
    if one.is_file() {
        let config = config(folder)?;
        let model = read(&one)?;
        let vocabulary = match config.model_type.as_deref() {
            Some("t5" | "mt5" | "umt5") => of_t5(&model, config.extra_ids.unwrap_or(100))?,
            Some("pegasus") => of_pegasus(&model, config.offset.unwrap_or(103))?,
            _ => return Ok(None),
        };
        return tokenizer(model, vocabulary).map(Some);
    }
    if source.is_file() {
        let model = read(&source)?;
        let vocabulary = of_marian(&model, super::read_json(&folder.join("vocab.json"))?)?;
        return tokenizer(model, vocabulary).map(Some);
    }
    if fairseq.is_file() {
        let config = config(folder)?;
        let class = config.tokenizer_class.as_deref().unwrap_or_default();
        let model = read(&fairseq)?;
        let vocabulary = match class.strip_suffix("Fast").unwrap_or(class) {
            "MBartTokenizer" | "MBart50Tokenizer" | "NllbTokenizer" => of_fairseq(&model, languages(folder)?),
            "M2M100Tokenizer" => {
                let mut vocabulary = of_numbers(&model, super::read_json(&folder.join("vocab.json"))?)?;
                vocabulary.special = ["<s>", "</s>", "<unk>", "<pad>"].map(str::to_owned).to_vec();
                vocabulary.special.extend(languages(folder)?);
                vocabulary
            }
            _ => return Ok(None),
        };
        return tokenizer(model, vocabulary).map(Some);
    }
    Ok(None)
}

/// The tokens of languages, in the order of their numbers, as the checkpoint lists them.
fn languages(folder: &Path) -> Result<Vec<String>> {
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
        let Some(said) = super::read_json_if_there::<Value>(&folder.join(file))? else { continue };
        let listed =
            ["extra_special_tokens", "additional_special_tokens"].into_iter().find_map(|key| said.get(key)?.as_array());
        let text = |token: &Value| token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned);
        let named: Vec<String> = listed.into_iter().flatten().filter_map(text).collect();
        if !named.is_empty() {
            return Ok(named);
        }
    }
    bail!(NotSupported, "neither tokenizer_config.json nor special_tokens_map.json of the model lists its languages")
}

/// The tokenizer of the texts that the checkpoint in `folder` makes, where it is another than that of those that it reads: Marian
/// with two vocabularies.
///
/// # Errors
/// As for [`load`].
pub(super) fn load_target(folder: &Path) -> Result<Option<Tokenizer>> {
    let Some(numbers) = super::read_json_if_there(&folder.join("target_vocab.json"))? else { return Ok(None) };
    let model = read(&folder.join("target.spm"))?;
    let vocabulary = of_marian(&model, numbers)?;
    tokenizer(model, vocabulary).map(Some)
}

/// `config.json`, and over it `tokenizer_config.json`.
fn config(folder: &Path) -> Result<Config> {
    let read = |name: &str| super::read_json_if_there::<Config>(&folder.join(name)).map(Option::unwrap_or_default);
    let (model, words) = (read("config.json")?, read("tokenizer_config.json")?);
    Ok(Config { model_type: model.model_type, ..words })
}

fn read(path: &Path) -> Result<Model> {
    let failed = |e: std::io::Error| Error::new(ErrorKind::Io, format!("could not read \"{}\": {e}", path.display()));
    if fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
        bail!(Corrupted, "\"{}\" is larger than any SentencePiece model", path.display());
    }
    let bytes = fs::read(path).map_err(failed)?;
    let broken = |e: Error| Error::new(e.kind(), format!("\"{}\" cannot be used: {}", path.display(), e.message()));
    let model = proto::model(&bytes).map_err(broken)?;
    if let Some(map) = &model.charsmap {
        charsmap::check(map).map_err(broken)?;
    }
    Ok(model)
}

/// A piece and its score: what stands for nothing in a text is not found there.
fn scored(piece: &Piece) -> (String, f64) {
    let score = if matches!(piece.kind, Kind::Normal | Kind::UserDefined) { f64::from(piece.score) } else { NEVER };
    (piece.text.clone(), score)
}

/// The pieces, and behind them tokens for gaps, the last one first.
fn of_t5(model: &Model, n_gaps: usize) -> Result<Vocabulary> {
    let gaps: Vec<String> = (0..n_gaps.min(10_000)).rev().map(|i| format!("<extra_id_{i}>")).collect();
    let mut pieces: Vec<(String, f64)> = model.pieces.iter().map(scored).collect();
    pieces.extend(gaps.iter().map(|gap| (gap.clone(), NEVER)));
    let special = ["<pad>", "</s>", "<unk>"].map(str::to_owned).into_iter().chain(gaps).collect();
    Ok(Vocabulary { pieces, unknown: model.unknown()?, special, added: Vec::new(), end: "</s>".to_owned() })
}

/// The padding, the end, tokens for gaps, and the pieces but for the first two.
fn of_pegasus(model: &Model, offset: usize) -> Result<Vocabulary> {
    let gaps = (2..offset.min(10_000)).map(|i| format!("<unk_{i}>"));
    let own = ["<pad>", "</s>", "<mask_1>", "<mask_2>"].map(str::to_owned);
    let special: Vec<String> = own.into_iter().chain(gaps).collect();
    let unknown = model.unknown()? + special.len() - 2;
    let mut pieces: Vec<(String, f64)> = special.iter().map(|name| (name.clone(), NEVER)).collect();
    pieces.extend(model.pieces.iter().skip(2).map(scored));
    let special = special.into_iter().chain(["<unk>".to_owned()]).collect();
    Ok(Vocabulary { pieces, unknown, special, added: Vec::new(), end: "</s>".to_owned() })
}

/// The vocabulary of both languages; texts are cut into the pieces of the one that is read.
fn of_marian(model: &Model, numbers: HashMap<String, usize>) -> Result<Vocabulary> {
    let mut vocabulary = of_numbers(model, numbers)?;
    // Which language is wanted, of a model that knows several.
    let code = |name: &&String| name.starts_with(">>") && name.ends_with("<<");
    vocabulary.added = vocabulary.pieces.iter().map(|(name, _)| name).filter(code).cloned().collect();
    vocabulary.special = ["</s>", "<unk>", "<pad>"].map(str::to_owned).to_vec();
    Ok(vocabulary)
}

/// What fairseq puts before the pieces in place of their first three, and behind them the languages and what stands for gaps.
fn of_fairseq(model: &Model, languages: Vec<String>) -> Vocabulary {
    let own = ["<s>", "<pad>", "</s>", "<unk>"];
    let mut pieces: Vec<(String, f64)> = own.iter().map(|name| ((*name).to_owned(), NEVER)).collect();
    pieces.extend(model.pieces.iter().skip(3).map(scored));
    let mut special: Vec<String> = own.iter().map(|name| (*name).to_owned()).chain(languages).collect();
    special.push("<mask>".to_owned());
    Vocabulary { pieces, unknown: 3, special, added: Vec::new(), end: "</s>".to_owned() }
}

/// Pieces with numbers of their own.
fn of_numbers(model: &Model, numbers: HashMap<String, usize>) -> Result<Vocabulary> {
    let mut pieces: Vec<Option<(String, f64)>> = vec![None; numbers.len()];
    for (name, number) in numbers {
        match pieces.get_mut(number) {
            Some(place @ None) => *place = Some((name, NEVER)),
            _ => bail!(Corrupted, "vocab.json numbers its tokens other than from 0 on: \"{name}\" is {number}"),
        }
    }
    let mut pieces: Vec<(String, f64)> = pieces.into_iter().flatten().collect();
    let scores: HashMap<&str, f64> = model.pieces.iter().map(|piece| (piece.text.as_str(), scored(piece).1)).collect();
    for (name, score) in &mut pieces {
        *score = scores.get(name.as_str()).copied().unwrap_or(NEVER);
    }
    let Some(unknown) = pieces.iter().position(|(name, _)| name == "<unk>") else {
        bail!(Corrupted, "vocab.json has no token <unk>");
    };
    Ok(Vocabulary { pieces, unknown, special: Vec::new(), added: Vec::new(), end: "</s>".to_owned() })
}

fn tokenizer(model: Model, vocabulary: Vocabulary) -> Result<Tokenizer> {
    let Vocabulary { pieces, unknown, special, added, end } = vocabulary;
    let Some(end_number) = pieces.iter().position(|(name, _)| *name == end) else {
        bail!(Corrupted, "the vocabulary has no token {end}");
    };
    let mut tokenizer = match model.is_bpe {
        true => Tokenizer::new(pairs(pieces, unknown, model.byte_fallback)?),
        false => Tokenizer::new(Unigram::from(pieces, Some(unknown), model.byte_fallback).map_err(refused)?),
    };
    tokenizer.with_normalizer(Some(normalizer(model.charsmap.as_deref())?)).map_err(refused)?;
    let metaspace = Metaspace::new('▁', PrependScheme::Always, true);
    tokenizer.with_pre_tokenizer(Some(metaspace.clone())).with_decoder(Some(metaspace));
    let ends = TemplateProcessing::builder()
        .try_single(format!("$A {end}"))
        .map_err(|e| refused(e.into()))?
        .try_pair(format!("$A $B {end}"))
        .map_err(|e| refused(e.into()))?
        .special_tokens(vec![(end, end_number as u32)])
        .build()
        .map_err(|e| refused(e.to_string().into()))?;
    tokenizer.with_post_processor(Some(ends));
    let tokens = |names: Vec<String>, special| -> Vec<AddedToken> {
        names.into_iter().map(|name| AddedToken::from(name, special).normalized(false)).collect()
    };
    tokenizer.add_special_tokens(tokens(special, true)).map_err(refused)?;
    tokenizer.add_tokens(tokens(added, false)).map_err(refused)?;
    Ok(tokenizer)
}

/// A model of pairs, whose merges follow from the scores.
fn pairs(pieces: Vec<(String, f64)>, unknown: usize, byte_fallback: bool) -> Result<BPE> {
    let scored: Vec<(String, f32)> = pieces.into_iter().map(|(piece, score)| (piece, score as f32)).collect();
    // What stands for no text is put together from nothing.
    let text: Vec<(String, f32)> = scored.iter().filter(|(_, score)| f64::from(*score) > NEVER).cloned().collect();
    let merges = merges::of_scores(&text);
    let unknown = scored.get(unknown).map(|(name, _)| name);
    let numbers = scored.iter().zip(0_u32..).map(|((piece, _), number)| (piece.clone(), number.into()));
    let described = json!({
        "type": "BPE", "vocab": numbers.collect::<Map<String, Value>>(), "merges": merges, "unk_token": unknown, "fuse_unk": true,
        "byte_fallback": byte_fallback,
    });
    serde_json::from_str(&described.to_string()).map_err(|e| refused(e.into()))
}

/// Characters by the model's map, and one space in place of several.
fn normalizer(charsmap: Option<&[u8]>) -> Result<Sequence> {
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if let Some(map) = charsmap {
        steps.push(Precompiled::from(map).map_err(|e| refused(e.to_string().into()))?.into());
    }
    steps.push(Strip::new(false, true).into());
    let spaces = ReplacePattern::Regex(" {2,}".to_owned());
    steps.push(Replace::new(spaces, "▁").map_err(refused)?.into());
    Ok(Sequence::new(steps))
}

fn refused(error: tokenizers::Error) -> Error {
    Error::new(ErrorKind::Corrupted, format!("the SentencePiece model makes no tokenizer: {error}"))
}
