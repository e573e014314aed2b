//! What a generation does, settled from its caller's arguments and its checkpoint's defaults.

use pgml_core::text::GenerateArgs;
use pgml_core::{Error, ErrorKind, Hyperparams, Result, bail};
use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::arguments;

/// When beam search ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyStopping {
    /// As soon as there are as many complete candidates as beams.
    Yes,
    /// When the best running beam at its present length is no better than the worst complete candidate.
    No,
    /// When no running beam could become better than the worst complete candidate.
    Never,
}

/// A text that ends a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopString {
    /// The text.
    pub text: String,
    /// Whether the generated text ends before it; otherwise it is the end of the generated text.
    pub cut: bool,
}

/// Everything that decides which tokens are generated, but for the model and the prompt.
///
/// The fields are named as transformers' `GenerationConfig` names them.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationSettings {
    /// Most new tokens; goes before `max_length`.
    pub max_new_tokens: Option<usize>,
    /// Most tokens with the prompt (for an encoder and decoder: with what the decoder begins with).
    pub max_length: Option<usize>,
    /// Most tokens that the model can read, prompt included; no limit when absent.
    pub context: Option<usize>,
    /// Fewest tokens with the prompt.
    pub min_length: usize,
    /// Fewest new tokens.
    pub min_new_tokens: usize,
    /// Whether tokens are drawn.
    pub do_sample: bool,
    /// What logits are divided by before tokens are drawn.
    pub temperature: f32,
    /// How many of the most probable tokens one is drawn from; 0 for all.
    pub top_k: usize,
    /// Mass of the most probable tokens that one is drawn from.
    pub top_p: f64,
    /// Least probability, as part of the greatest.
    pub min_p: Option<f64>,
    /// Mass of the most typical tokens that one is drawn from.
    pub typical_p: f64,
    /// Least probability.
    pub epsilon_cutoff: f64,
    /// Least probability where the distribution is not flat.
    pub eta_cutoff: f64,
    /// Part of the entropy of the best hundred tokens that one is drawn from.
    pub top_h: Option<f64>,
    /// Divides the positive logits of tokens that were there before and multiplies the negative ones.
    pub repetition_penalty: f64,
    /// The same the other way round, for tokens of the input.
    pub encoder_repetition_penalty: f64,
    /// Subtracted for tokens generated before.
    pub presence_penalty: f32,
    /// Subtracted for each time a token was generated before.
    pub frequency_penalty: f32,
    /// Length of the runs of tokens that come once only; 0 for no limit.
    pub no_repeat_ngram_size: usize,
    /// Length of the runs of the input's tokens that do not come; 0 for no limit.
    pub encoder_no_repeat_ngram_size: usize,
    /// Runs of tokens that do not come.
    pub bad_words_ids: Vec<Vec<u32>>,
    /// Runs of tokens, and what is added to the logit of the last where the others stand before it.
    pub sequence_bias: Vec<(Vec<u32>, f32)>,
    /// Tokens that do not come.
    pub suppress_tokens: Vec<u32>,
    /// Tokens that do not come first.
    pub begin_suppress_tokens: Vec<u32>,
    /// The first token.
    pub forced_bos_token_id: Option<u32>,
    /// The last tokens at the greatest length.
    pub forced_eos_token_id: Vec<u32>,
    /// From how many new tokens on the end becomes more probable, and how quickly.
    pub exponential_decay_length_penalty: Option<(usize, f64)>,
    /// Whether infinite logits and NaN are replaced.
    pub remove_invalid_values: bool,
    /// Whether scores are made log-probabilities after all other rules.
    pub renormalize_logits: bool,
    /// How many candidates beam search follows.
    pub num_beams: usize,
    /// When beam search ends.
    pub early_stopping: EarlyStopping,
    /// The power of its length that a candidate's score is divided by.
    pub length_penalty: f64,
    /// How many texts are returned.
    pub num_return_sequences: usize,
    /// How many texts are drawn, at least `num_return_sequences`.
    pub best_of: usize,
    /// The tokens that end a text.
    pub eos_token_id: Vec<u32>,
    /// The token that fills up batches.
    pub pad_token_id: Option<u32>,
    /// The token that an empty prompt begins with.
    pub bos_token_id: Option<u32>,
    /// The token that the decoder of an encoder and decoder begins with.
    pub decoder_start_token_id: Option<u32>,
    /// The texts that end a text.
    pub stop_strings: Vec<StopString>,
    /// Chooses what is drawn.
    pub seed: Option<u64>,
    /// Whether the prompt is part of the text; the task's own choice when absent.
    pub return_full_text: Option<bool>,
    /// The form that the text has.
    pub response_format: Option<Value>,
}

impl Default for GenerationSettings {
    /// transformers' defaults: greedy, 20 new tokens, no end.
    fn default() -> Self {
        Self {
            max_new_tokens: None,
            max_length: None,
            context: None,
            min_length: 0,
            min_new_tokens: 0,
            do_sample: false,
            temperature: 1.0,
            top_k: 50,
            top_p: 1.0,
            min_p: None,
            typical_p: 1.0,
            epsilon_cutoff: 0.0,
            eta_cutoff: 0.0,
            top_h: None,
            repetition_penalty: 1.0,
            encoder_repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            no_repeat_ngram_size: 0,
            encoder_no_repeat_ngram_size: 0,
            bad_words_ids: Vec::new(),
            sequence_bias: Vec::new(),
            suppress_tokens: Vec::new(),
            begin_suppress_tokens: Vec::new(),
            forced_bos_token_id: None,
            forced_eos_token_id: Vec::new(),
            exponential_decay_length_penalty: None,
            remove_invalid_values: false,
            renormalize_logits: false,
            num_beams: 1,
            early_stopping: EarlyStopping::No,
            length_penalty: 1.0,
            num_return_sequences: 1,
            best_of: 1,
            eos_token_id: Vec::new(),
            pad_token_id: None,
            bos_token_id: None,
            decoder_start_token_id: None,
            stop_strings: Vec::new(),
            seed: None,
            return_full_text: None,
            response_format: None,
        }
    }
}

impl GenerationSettings {
    /// Settles the arguments of a caller over the defaults of a checkpoint.
    ///
    /// `defaults` are JSON objects, the last one goes before the others: a task's own defaults, `config.json`,
    /// `generation_config.json`, the checkpoint's parameters for one task. What they hold beside arguments of
    /// generation is passed over. The `tokenizer` reads the arguments that are texts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for values out of bounds or contradictions, naming what is allowed.
    pub fn resolve(
        defaults: &[&Map<String, Value>],
        args: &GenerateArgs,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<Self> {
        let mut merged = Map::new();
        for layer in defaults {
            overlay(&mut merged, layer);
        }
        // A checkpoint's limit of one kind yields to a caller's limit of the other kind.
        let given = args.to_json();
        for (key, other) in [("max_length", "max_new_tokens"), ("eos_token", "eos_token_id")] {
            if !given[key].is_null() {
                merged.remove(other);
            }
        }
        overlay(&mut merged, &given);
        let mut known = GenerateArgs::from_json("generation", &merged)?;
        accept_openai(&mut known, args)?;
        let settings = Self::read(&known, tokenizer)?;
        settings.check()?;
        Ok(settings)
    }

    /// Reads the arguments, all layers merged.
    fn read(args: &GenerateArgs, tokenizer: Option<&Tokenizer>) -> Result<Self> {
        let default = Self::default();
        let size = |given: Option<u32>, default: usize| given.map_or(default, |n| n as usize);
        let id = |given: Option<i64>| given.and_then(|id| u32::try_from(id).ok());
        let num_return_sequences = size(args.num_return_sequences, 1);
        Ok(Self {
            max_new_tokens: args.max_new_tokens.map(|n| n as usize),
            max_length: args.max_length.map(|n| n as usize),
            context: None,
            min_length: size(args.min_length, 0),
            min_new_tokens: size(args.min_new_tokens, 0),
            do_sample: args.do_sample.unwrap_or(false),
            temperature: args.temperature.unwrap_or(1.0) as f32,
            top_k: size(args.top_k, default.top_k),
            top_p: args.top_p.unwrap_or(1.0),
            min_p: args.min_p,
            typical_p: args.typical_p.unwrap_or(1.0),
            epsilon_cutoff: args.epsilon_cutoff.unwrap_or(0.0),
            eta_cutoff: args.eta_cutoff.unwrap_or(0.0),
            top_h: args.top_h,
            repetition_penalty: args.repetition_penalty.unwrap_or(1.0),
            encoder_repetition_penalty: args.encoder_repetition_penalty.unwrap_or(1.0),
            presence_penalty: args.presence_penalty.unwrap_or(0.0) as f32,
            frequency_penalty: args.frequency_penalty.unwrap_or(0.0) as f32,
            no_repeat_ngram_size: size(args.no_repeat_ngram_size, 0),
            encoder_no_repeat_ngram_size: size(args.encoder_no_repeat_ngram_size, 0),
            bad_words_ids: arguments::bad_words(args, tokenizer)?,
            sequence_bias: arguments::biases(args)?,
            suppress_tokens: arguments::tokens("suppress_tokens", &args.suppress_tokens)?,
            begin_suppress_tokens: arguments::tokens("begin_suppress_tokens", &args.begin_suppress_tokens)?,
            forced_bos_token_id: args.forced_bos_token_id,
            forced_eos_token_id: arguments::tokens("forced_eos_token_id", &args.forced_eos_token_id)?,
            exponential_decay_length_penalty: arguments::decay(&args.exponential_decay_length_penalty)?,
            remove_invalid_values: args.remove_invalid_values.unwrap_or(false),
            renormalize_logits: args.renormalize_logits.unwrap_or(false),
            num_beams: size(args.num_beams, 1),
            early_stopping: arguments::early_stopping(&args.early_stopping)?,
            length_penalty: args.length_penalty.unwrap_or(1.0),
            num_return_sequences,
            best_of: size(args.best_of, num_return_sequences),
            eos_token_id: arguments::eos(args, tokenizer)?,
            pad_token_id: id(args.pad_token_id),
            bos_token_id: id(args.bos_token_id),
            decoder_start_token_id: args.decoder_start_token_id,
            stop_strings: arguments::stop_strings(args)?,
            seed: args.seed,
            return_full_text: args.return_full_text,
            response_format: arguments::response_format(&args.response_format),
        })
    }

    /// The greatest of the tokens that a vocabulary must have, and the argument that names it.
    pub(super) fn greatest_token(&self) -> Option<(u32, &'static str)> {
        let bad = self.bad_words_ids.iter().flatten().map(|token| (*token, "bad_words_ids"));
        let biased = self.sequence_bias.iter().flat_map(|(run, _)| run).map(|token| (*token, "sequence_bias"));
        let first = self.forced_bos_token_id.iter().map(|token| (*token, "forced_bos_token_id"));
        let last = self.forced_eos_token_id.iter().map(|token| (*token, "forced_eos_token_id"));
        bad.chain(biased).chain(first).chain(last).max_by_key(|(token, _)| *token)
    }

    /// Refuses what contradicts itself.
    pub(super) fn check(&self) -> Result<()> {
        let Self { num_return_sequences: n, num_beams, best_of, .. } = *self;
        if num_beams == 1 && !self.do_sample && n.max(best_of) > 1 {
            return Err(Error::new(
                ErrorKind::InvalidParameter,
                format!("greedy generation without beams makes one text, not {}", n.max(best_of)),
            )
            .with_hint("set do_sample to true, or num_beams to at least the number of texts"));
        }
        if num_beams > 1 && n > num_beams {
            bail!(InvalidParameter, "num_return_sequences is {n}, but can be at most num_beams, which is {num_beams}");
        }
        if best_of < n {
            bail!(InvalidParameter, "best_of is {best_of}, but must be at least the number of texts, which is {n}");
        }
        if num_beams > 1 && best_of > n {
            bail!(InvalidParameter, "best_of draws texts, which beam search does not: leave one of them out");
        }
        if self.do_sample && self.temperature == 0.0 {
            return Err(Error::new(ErrorKind::InvalidParameter, "temperature is 0, but must be greater than 0")
                .with_hint("to take the most probable token each time, set do_sample to false"));
        }
        Ok(())
    }

    /// The greatest length with a prompt of `prompt` tokens, prompt included.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when there is no place for a single token.
    pub fn max_length(&self, prompt: usize) -> Result<usize> {
        // transformers' default of 20 counts new tokens only.
        let wanted = match (self.max_new_tokens, self.max_length) {
            (Some(new), _) => prompt.saturating_add(new),
            (None, Some(length)) => length,
            (None, None) => prompt.saturating_add(20),
        };
        if prompt >= wanted {
            return Err(Error::new(
                ErrorKind::InvalidParameter,
                format!("the prompt has {prompt} tokens, but max_length is {wanted}"),
            )
            .with_hint("increase max_length or, better yet, set max_new_tokens"));
        }
        match self.context {
            Some(context) if prompt >= context => Err(Error::new(
                ErrorKind::InvalidParameter,
                format!("the prompt has {prompt} tokens, but the model reads at most {context}"),
            )
            .with_hint(format!("shorten the prompt by {} tokens or more", prompt + 1 - context))),
            Some(context) => Ok(wanted.min(context)),
            None => Ok(wanted),
        }
    }
}

/// Puts the arguments of generation that `layer` has over those in `merged`.
fn overlay(merged: &mut Map<String, Value>, layer: &Map<String, Value>) {
    for spec in GenerateArgs::specs() {
        if let Some(value) = layer.get(spec.name).filter(|value| !value.is_null()) {
            merged.insert(spec.name.to_owned(), value.clone());
        }
    }
}

/// Settles what OpenAI's names mean beside transformers'.
fn accept_openai(merged: &mut GenerateArgs, args: &GenerateArgs) -> Result<()> {
    either("max_new_tokens", args.max_new_tokens, "max_tokens", args.max_tokens)?;
    either("num_return_sequences", args.num_return_sequences, "n", args.n)?;
    either("return_full_text", args.return_full_text, "echo", args.echo)?;
    merged.max_new_tokens = args.max_tokens.or(merged.max_new_tokens);
    merged.num_return_sequences = args.n.or(merged.num_return_sequences);
    merged.return_full_text = args.echo.or(merged.return_full_text);
    if !matches!(&args.logprobs, Value::Null | Value::Bool(false)) && args.logprobs.as_u64() != Some(0) {
        bail!(NotSupported, "logprobs are not returned: leave out \"logprobs\"");
    }
    if args.do_sample.is_none() {
        let several = args.n.or(args.best_of).is_some_and(|n| n > 1) && merged.num_beams.is_none_or(|beams| beams == 1);
        let heated = args.temperature.is_some_and(|t| t > 0.0) || args.top_p.is_some_and(|p| p < 1.0);
        if args.speaks_openai() && (several || heated) {
            merged.do_sample = Some(true);
        }
        if args.temperature == Some(0.0) {
            merged.do_sample = Some(false);
        }
    }
    Ok(())
}

/// Refuses two names of one argument that say different things.
fn either<T: PartialEq + std::fmt::Display>(name: &str, a: Option<T>, alias: &str, b: Option<T>) -> Result<()> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => {
            bail!(InvalidParameter, "{name} is {a} and {alias} is {b}, but they are one argument: give one of them")
        }
        _ => Ok(()),
    }
}
