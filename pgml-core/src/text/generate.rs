//! What a caller of text generation may ask for.

use serde_json::Value;

use crate::hyperparams;

use super::{EmbedArgs, ModelSpec};

hyperparams! {
    /// What a caller of text generation may ask for: the names of transformers' `generate`, and those of OpenAI's API.
    ///
    /// What is null is the checkpoint's own choice, else transformers' default, which the sentences name.
    pub struct GenerateArgs called "argument" {
        /// Most tokens to generate.
        max_new_tokens: Option<u32> = None, range: at_least(1.0);
        /// OpenAI's name of `max_new_tokens`.
        max_tokens: Option<u32> = None, range: at_least(1.0), aliases: ["max_completion_tokens"];
        /// Most tokens of prompt and text together; `max_new_tokens` goes before it. Without either, 20 new tokens.
        max_length: Option<u32> = None, range: at_least(1.0);
        /// Fewest tokens of prompt and text together (0).
        min_length: Option<u32> = None;
        /// Fewest tokens to generate (0).
        min_new_tokens: Option<u32> = None;
        /// Whether tokens are drawn by their probability; otherwise the most probable one is taken (false).
        do_sample: Option<bool> = None;
        /// What logits are divided by before a token is drawn (1); 0 takes the most probable one.
        temperature: Option<f64> = None, range: at_least(0.0);
        /// How many of the most probable tokens one is drawn from; 0 for all (50).
        top_k: Option<u32> = None;
        /// Draws from the fewest tokens that are this probable together (1).
        top_p: Option<f64> = None, range: between(0.0, 1.0);
        /// Draws from tokens that are at least this part as probable as the most probable one.
        min_p: Option<f64> = None, range: between(0.0, 1.0);
        /// Draws from the tokens nearest to the expected information that are this probable together (1).
        typical_p: Option<f64> = None, range: above_up_to(0.0, 1.0);
        /// Draws from tokens that are at least this probable; 0 for all (0).
        epsilon_cutoff: Option<f64> = None, range: at_least_below(0.0, 1.0);
        /// As `epsilon_cutoff`, lower where the distribution is flat (0).
        eta_cutoff: Option<f64> = None, range: at_least_below(0.0, 1.0);
        /// Draws from the most probable tokens whose entropy together is this part of that of the best hundred.
        top_h: Option<f64> = None, range: above_up_to(0.0, 1.0);
        /// Above 1 makes tokens that were there before, prompt included, less probable (1).
        repetition_penalty: Option<f64> = None, range: above(0.0);
        /// Above 1 makes tokens of the input more probable (1).
        encoder_repetition_penalty: Option<f64> = None, range: above(0.0), aliases: ["hallucination_penalty"];
        /// Subtracted from the logits of tokens that were generated before (0).
        presence_penalty: Option<f64> = None, range: between(-2.0, 2.0);
        /// Subtracted from a token's logit for each time it was generated before (0).
        frequency_penalty: Option<f64> = None, range: between(-2.0, 2.0);
        /// No run of this many tokens comes twice; 0 for no limit (0).
        no_repeat_ngram_size: Option<u32> = None;
        /// No run of this many tokens of the input comes in the text; 0 for no limit (0).
        encoder_no_repeat_ngram_size: Option<u32> = None;
        /// Texts that do not come, each a text or a list.
        bad_words: Value = Value::Null;
        /// Runs of tokens that do not come: a list of lists.
        bad_words_ids: Value = Value::Null;
        /// What is added to logits where a run of tokens would be completed: pairs of a list of tokens and a number.
        sequence_bias: Value = Value::Null;
        /// OpenAI's form of biases for single tokens: an object such as {"50256": -100}.
        logit_bias: Value = Value::Null;
        /// Tokens that do not come.
        suppress_tokens: Value = Value::Null;
        /// Tokens that do not come first.
        begin_suppress_tokens: Value = Value::Null;
        /// The first token of a translation, usually that of its language.
        forced_bos_token_id: Option<u32> = None;
        /// The last token when the greatest length is reached: one or a list.
        forced_eos_token_id: Value = Value::Null;
        /// A number of new tokens and a factor: after so many the end becomes more probable with each token, by the factor.
        exponential_decay_length_penalty: Value = Value::Null;
        /// Whether infinite logits and those that are not numbers are replaced rather than refused (false).
        remove_invalid_values: Option<bool> = None;
        /// Whether scores are made log-probabilities again after all other rules (false).
        renormalize_logits: Option<bool> = None;
        /// How many candidates beam search follows; 1 for no beam search (1).
        num_beams: Option<u32> = None, range: between(1.0, 1024.0);
        /// Beam search in groups is not supported: 1.
        num_beam_groups: Option<u32> = None, range: between(1.0, 1.0);
        /// When beam search ends: true with enough candidates, false when better ones are unlikely, "never" (false).
        early_stopping: Value = Value::Null;
        /// Beam search divides a candidate's score by its length to this power: above 0 prefers long ones (1).
        length_penalty: Option<f64> = None;
        /// How many texts to return (1).
        num_return_sequences: Option<u32> = None, range: between(1.0, 1024.0);
        /// OpenAI's name of `num_return_sequences`; more than 1 draws tokens.
        n: Option<u32> = None, range: between(1.0, 1024.0);
        /// How many texts to draw, of which the `n` most probable are returned.
        best_of: Option<u32> = None, range: between(1.0, 1024.0);
        /// The tokens that end a text: one or a list.
        eos_token_id: Value = Value::Null;
        /// The token that ends a text, as text.
        eos_token: Option<String> = None;
        /// The token that fills up batches.
        pad_token_id: Option<i64> = None;
        /// The token that an empty prompt begins with.
        bos_token_id: Option<i64> = None;
        /// The token that the decoder of an encoder and decoder begins with.
        decoder_start_token_id: Option<u32> = None;
        /// A text is complete with one of these texts, which is its end: a text or a list.
        stop_strings: Value = Value::Null;
        /// A text ends before one of these texts: a text or a list.
        stop: Value = Value::Null;
        /// Draws the same tokens again; a new number for each call when null.
        seed: Option<u64> = None;
        /// Whether the prompt is part of the text.
        return_full_text: Option<bool> = None;
        /// OpenAI's name of `return_full_text`.
        echo: Option<bool> = None;
        /// Log-probabilities are not returned: false or 0.
        logprobs: Value = Value::Null;
        /// Log-probabilities are not returned: 0.
        top_logprobs: Option<u32> = None, range: between(0.0, 0.0);
        /// The form that the text has, as {"type": "json_object"}.
        response_format: Value = Value::Null;
        /// Translation: the language of the input, in the model's own code, where it knows several: "en_XX", "eng_Latn", "en".
        src_lang: Option<String> = None;
        /// Translation: the language of the text, in the model's own code, where it knows several.
        tgt_lang: Option<String> = None;
        /// Whether an input that a model with encoder cannot read whole is cut; otherwise it is refused (false).
        truncation: Option<bool> = None;
        /// The template that a chat is written with, or the name of one of the model's; the model's own when null.
        chat_template: Option<String> = None;
        /// The functions that a model may call in a chat, as a list of JSON schemas.
        tools: Value = Value::Null;
        /// Accepted for compatibility: what was computed for earlier tokens is always kept.
        use_cache: Option<bool> = None, no_effect: true;
        /// Branch, tag or commit of the model.
        revision: Option<String> = None;
        /// Token for the model hub.
        token: Option<String> = None, aliases: ["use_auth_token"];
        /// Where the model runs: "auto", "cpu", "wgpu", "wgpu:1", ...
        device: Option<String> = None;
        /// The type of the model's numbers: "f32", "bf16" or "f16".
        dtype: Option<String> = None, choices: ["f32", "float32", "bf16", "bfloat16", "f16", "float16"], aliases: ["torch_dtype"];
        /// How the model's weights are quantised: in blocks of 32, as GGUF's Q8_0 and Q4_0.
        quantization: Option<String> = None, choices: ["int8", "int4"];
        /// Accepted for compatibility: code of a model is never executed.
        trust_remote_code: bool = false, no_effect: true;
    }
}

impl GenerateArgs {
    /// The form of the model `name` that these arguments ask for.
    #[must_use]
    pub fn spec(&self, name: &str) -> ModelSpec {
        let form = EmbedArgs { dtype: self.dtype.clone(), ..EmbedArgs::default() };
        ModelSpec {
            revision: self.revision.clone(),
            device: self.device.clone(),
            quantization: self.quantization.clone(),
            ..form.spec(name)
        }
    }

    /// Whether a name is used that OpenAI's API has and transformers has not.
    ///
    /// There a temperature by itself asks for sampling; in transformers it says nothing without `do_sample`.
    #[must_use]
    pub fn speaks_openai(&self) -> bool {
        let Self { max_tokens, presence_penalty, frequency_penalty, n, best_of, echo, .. } = self;
        let numbers = max_tokens.is_some() || n.is_some() || best_of.is_some();
        let penalties = presence_penalty.is_some() || frequency_penalty.is_some();
        let others = [&self.logit_bias, &self.stop, &self.logprobs, &self.response_format];
        numbers || penalties || echo.is_some() || others.iter().any(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Hyperparams;

    fn parse(json: Value) -> crate::Result<GenerateArgs> {
        GenerateArgs::from_json("transform", json.as_object().expect("an object"))
    }

    #[test]
    fn both_vocabularies_are_read() {
        let args = parse(json!({"max_new_tokens": 5, "num_beams": 4, "early_stopping": "never"})).expect("valid");
        assert!(!args.speaks_openai());
        let args = parse(json!({"temperature": 0.8, "max_tokens": 1000.0, "top_p": 1, "presence_penalty": 0}));
        assert!(args.expect("valid").speaks_openai());
    }

    #[test]
    fn refusals_say_what_is_known() {
        let error = parse(json!({"max_new_token": 5})).expect_err("misspelt");
        assert_eq!(
            error.message(),
            "unknown argument of transform \"max_new_token\"; did you mean \"max_new_tokens\"?"
        );
        let error = parse(json!({"num_beam_groups": 2})).expect_err("refused");
        assert_eq!(error.detail(), Some("Beam search in groups is not supported: 1."));
    }
}
