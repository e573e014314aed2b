//! The arguments of generation that are more than a number: lists of tokens, texts, biases.

use pgml_core::text::GenerateArgs;
use pgml_core::{Error, ErrorKind, Hyperparams, Result, bail};
use serde_json::Value;
use tokenizers::Tokenizer;

use super::settings::{EarlyStopping, StopString};

/// An error that says what the argument `name` is and must be.
fn refused(name: &str, given: &Value, wanted: &str) -> Error {
    let error =
        Error::new(ErrorKind::InvalidParameter, format!("argument \"{name}\" is {given}, but must be {wanted}"));
    match GenerateArgs::specs().iter().find(|spec| spec.name == name) {
        Some(spec) => error.with_detail(spec.doc),
        None => error,
    }
}

/// A token, or a list of them. Negative ones, which checkpoints write for "none", are passed over.
pub(super) fn tokens(name: &str, given: &Value) -> Result<Vec<u32>> {
    let token = |value: &Value| match value.as_i64() {
        Some(id) if id < 0 => Some(None),
        Some(id) => u32::try_from(id).ok().map(Some),
        None => None,
    };
    let read: Option<Vec<Option<u32>>> = match given {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.iter().map(token).collect(),
        one => token(one).map(|id| vec![id]),
    };
    let read = read.ok_or_else(|| refused(name, given, "a token's number or a list of them"))?;
    Ok(read.into_iter().flatten().collect())
}

/// A text, or a list of texts that are not empty.
fn texts(name: &str, given: &Value) -> Result<Vec<String>> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let read = match given {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.iter().map(text).collect(),
        one => text(one).map(|text| vec![text]),
    };
    read.ok_or_else(|| refused(name, given, "a text that is not empty, or a list of such"))
}

/// The tokens that end a text.
pub(super) fn eos(args: &GenerateArgs, tokenizer: Option<&Tokenizer>) -> Result<Vec<u32>> {
    let Some(text) = &args.eos_token else { return tokens("eos_token_id", &args.eos_token_id) };
    match needs("eos_token", tokenizer)?.token_to_id(text) {
        Some(id) => Ok(vec![id]),
        None => bail!(InvalidParameter, "eos_token is \"{text}\", which is no token of the model's vocabulary"),
    }
}

fn needs<'t>(name: &str, tokenizer: Option<&'t Tokenizer>) -> Result<&'t Tokenizer> {
    tokenizer
        .ok_or_else(|| Error::new(ErrorKind::NotSupported, format!("\"{name}\" needs a tokenizer, but there is none")))
}

/// Runs of tokens that do not come, given as such or as texts.
pub(super) fn bad_words(args: &GenerateArgs, tokenizer: Option<&Tokenizer>) -> Result<Vec<Vec<u32>>> {
    let mut runs = match &args.bad_words_ids {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().map(|run| tokens("bad_words_ids", run)).collect::<Result<_>>()?,
        other => return Err(refused("bad_words_ids", other, "a list of lists of tokens")),
    };
    for word in texts("bad_words", &args.bad_words)? {
        let tokenizer = needs("bad_words", tokenizer)?;
        // At the beginning of a text and within one, words are other tokens.
        for text in [word.clone(), format!(" {word}")] {
            let encoding = tokenizer.encode_fast(text, false).map_err(|e| {
                Error::new(ErrorKind::InvalidParameter, format!("the tokenizer refuses the bad word \"{word}\": {e}"))
            })?;
            runs.push(encoding.get_ids().to_vec());
        }
    }
    runs.sort_unstable();
    runs.dedup();
    if runs.iter().any(Vec::is_empty) {
        return Err(refused("bad_words_ids", &args.bad_words_ids, "lists of tokens, none of them empty"));
    }
    Ok(runs)
}

/// A number within single precision.
fn single(given: &Value) -> Option<f32> {
    given.as_f64().map(|x| x as f32).filter(|x| x.is_finite())
}

/// Runs of tokens and what is added to their last one's logit.
pub(super) fn biases(args: &GenerateArgs) -> Result<Vec<(Vec<u32>, f32)>> {
    let wanted = "a list of pairs of a list of tokens and a number, as in [[[5], -1.5], [[7, 8], 2.0]]";
    let refuse = || refused("sequence_bias", &args.sequence_bias, wanted);
    let mut biases = Vec::new();
    match &args.sequence_bias {
        Value::Null => {}
        Value::Array(list) => {
            for pair in list {
                let (run, bias) = match pair.as_array().map(Vec::as_slice) {
                    Some([run @ Value::Array(_), bias]) => (tokens("sequence_bias", run)?, bias),
                    _ => return Err(refuse()),
                };
                biases.push((run, single(bias).ok_or_else(refuse)?));
            }
        }
        _ => return Err(refuse()),
    }
    if biases.iter().any(|(run, _)| run.is_empty()) {
        return Err(refuse());
    }
    biases.extend(logit_bias(&args.logit_bias)?);
    Ok(biases)
}

/// OpenAI's form: tokens are the names of an object.
fn logit_bias(given: &Value) -> Result<Vec<(Vec<u32>, f32)>> {
    let refuse = || refused("logit_bias", given, "an object of tokens and numbers, as in {\"50256\": -100}");
    match given {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) => map
            .iter()
            .map(|(token, bias)| {
                let token: u32 = token.parse().map_err(|_| refuse())?;
                Ok((vec![token], single(bias).ok_or_else(refuse)?))
            })
            .collect(),
        _ => Err(refuse()),
    }
}

/// The beginning and the factor of the exponential decay.
pub(super) fn decay(given: &Value) -> Result<Option<(usize, f64)>> {
    let name = "exponential_decay_length_penalty";
    let refuse = || refused(name, given, "a list of a number of tokens and a factor, as in [50, 1.05]");
    match given {
        Value::Null => Ok(None),
        Value::Array(list) => match list.as_slice() {
            [start, factor] => {
                let start = start.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(refuse)?;
                let factor = factor.as_f64().filter(|factor| *factor > 0.0).ok_or_else(refuse)?;
                Ok(Some((start, factor)))
            }
            _ => Err(refuse()),
        },
        _ => Err(refuse()),
    }
}

/// When beam search ends.
pub(super) fn early_stopping(given: &Value) -> Result<EarlyStopping> {
    match given {
        Value::Null | Value::Bool(false) => Ok(EarlyStopping::No),
        Value::Bool(true) => Ok(EarlyStopping::Yes),
        Value::String(text) if text == "never" => Ok(EarlyStopping::Never),
        other => Err(refused("early_stopping", other, "true, false or \"never\"")),
    }
}

/// The texts that end a text: those that stay its end, and those that are cut off.
pub(super) fn stop_strings(args: &GenerateArgs) -> Result<Vec<StopString>> {
    let kept = texts("stop_strings", &args.stop_strings)?.into_iter().map(|text| StopString { text, cut: false });
    let cut = texts("stop", &args.stop)?.into_iter().map(|text| StopString { text, cut: true });
    Ok(kept.chain(cut).collect())
}

/// The form that the text has, when that is any at all.
pub(super) fn response_format(given: &Value) -> Option<Value> {
    let any = given.is_null() || given.get("type").is_some_and(|kind| kind == "text");
    (!any).then(|| given.clone())
}
