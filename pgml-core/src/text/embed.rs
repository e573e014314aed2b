//! Texts to vectors.

use serde_json::Value;

use crate::{Result, Run, bail, hyperparams};

use super::{ModelSpec, Tokens, in_batches};

hyperparams! {
    /// What a caller of `embed` may ask for: the names of sentence-transformers, and of PostgresML.
    pub struct EmbedArgs called "argument" {
        /// Text put in front of every input.
        prompt: Option<String> = None, aliases: ["instruction"];
        /// Name of one of the model's own prompts.
        prompt_name: Option<String> = None;
        /// Whether vectors are scaled to length 1.
        normalize: bool = false, aliases: ["normalize_embeddings"];
        /// How many leading dimensions to keep; all when null.
        truncate_dim: Option<u32> = None, range: at_least(1.0);
        /// "float32", or one bit per dimension, eight to a number: "binary" (-128 to 127) or "ubinary" (0 to 255).
        precision: String = "float32".to_owned(), choices: ["float32", "binary", "ubinary"];
        /// What to return.
        output_value: String = "sentence_embedding".to_owned(), choices: ["sentence_embedding"];
        /// Most texts in one batch.
        batch_size: u32 = 32, range: at_least(1.0);
        /// Branch, tag or commit of the model.
        revision: Option<String> = None;
        /// Token for the model hub.
        token: Option<String> = None, aliases: ["use_auth_token"];
        /// Where the model runs: "auto", "cpu", "wgpu", "wgpu:1", ...
        device: Option<String> = None;
        /// The type of the model's numbers: "f32", "bf16" or "f16".
        dtype: Option<String> = None, choices: ["f32", "float32", "bf16", "bfloat16", "f16", "float16"], aliases: ["torch_dtype"];
        /// How the model's weights are quantised.
        quantization: Option<String> = None, choices: ["int8"];
        /// Accepted for compatibility: code of a model is never executed.
        trust_remote_code: bool = false, no_effect: true;
        /// Accepted for compatibility.
        show_progress_bar: bool = false, no_effect: true;
        /// Accepted for compatibility.
        convert_to_numpy: bool = true, no_effect: true;
        /// Accepted for compatibility.
        convert_to_tensor: bool = false, no_effect: true;
        /// Accepted for compatibility.
        model_kwargs: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility.
        tokenizer_kwargs: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility.
        config_kwargs: Value = Value::Null, no_effect: true;
    }
}

impl EmbedArgs {
    /// The form of the model `name` that these arguments ask for.
    #[must_use]
    pub fn spec(&self, name: &str) -> ModelSpec {
        ModelSpec {
            name: name.to_owned(),
            revision: self.revision.clone(),
            device: self.device.clone(),
            dtype: self.dtype.as_deref().map(short_dtype).filter(|dtype| *dtype != "f32").map(str::to_owned),
            quantization: self.quantization.clone(),
            ..ModelSpec::default()
        }
    }

    /// Truncates, normalises and packs one vector of a model, in this order, as sentence-transformers does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) when `truncate_dim` exceeds the vector.
    pub fn finish(&self, mut vector: Vec<f32>) -> Result<Vec<f32>> {
        if let Some(dimensions) = self.truncate_dim.map(|n| n as usize) {
            if dimensions > vector.len() {
                bail!(InvalidParameter, "truncate_dim is {dimensions}, but the model has {} dimensions", vector.len());
            }
            vector.truncate(dimensions);
        }
        if self.normalize {
            normalize(&mut vector);
        }
        Ok(match self.precision.as_str() {
            "ubinary" => pack_signs(&vector, 0.0),
            "binary" => pack_signs(&vector, -128.0),
            _ => vector,
        })
    }
}

/// The short name of a type of numbers, as in `bf16`.
fn short_dtype(name: &str) -> &str {
    match name {
        "float32" => "f32",
        "bfloat16" => "bf16",
        "float16" => "f16",
        short => short,
    }
}

/// Scales to length 1; a vector of zeros stays one.
pub fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt().max(1e-12);
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
}

/// One bit per dimension, set where it is positive, the first in the highest place; the last number is filled with 0.
fn pack_signs(vector: &[f32], offset: f32) -> Vec<f32> {
    vector
        .chunks(8)
        .map(|bits| {
            let byte = bits.iter().enumerate().fold(0_u8, |byte, (i, x)| byte | (u8::from(*x > 0.0) << (7 - i)));
            f32::from(byte) + offset
        })
        .collect()
}

/// Turns texts into vectors.
pub trait Embedder: Send + Sync {
    /// Numbers in a vector.
    fn dimensions(&self) -> usize;

    /// The texts as the model reads them, prompts put in front, cut at the model's limit.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) for a prompt name that the model does not
    /// have, listing those that it has.
    fn tokenize(&self, texts: &[&str], args: &EmbedArgs) -> Result<Vec<Tokens>>;

    /// One vector of [`Embedder::dimensions`] numbers per sequence, whatever else is in the batch.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled); failures of the device.
    fn embed_tokens(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>>;

    /// One vector per text, in order.
    ///
    /// # Errors
    /// Those of the other methods and of [`EmbedArgs::finish`].
    fn embed(&self, texts: &[&str], args: &EmbedArgs, run: &Run) -> Result<Vec<Vec<f32>>> {
        let tokens = self.tokenize(texts, args)?;
        let vectors =
            in_batches(&tokens, args.batch_size as usize, usize::MAX, run, |batch| self.embed_tokens(batch, run))?;
        vectors.into_iter().map(|vector| args.finish(vector)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Hyperparams};

    fn args(json: Value) -> EmbedArgs {
        EmbedArgs::from_json("embed", json.as_object().expect("an object")).expect("valid")
    }

    #[test]
    fn vectors_are_truncated_before_they_are_normalised() {
        let args = args(serde_json::json!({"truncate_dim": 2, "normalize_embeddings": true}));
        assert_eq!(args.finish(vec![3.0, 4.0, 12.0]).expect("works"), [0.6, 0.8]);
        assert_eq!(args.finish(vec![1.0]).expect_err("too short").kind(), ErrorKind::InvalidParameter);
    }

    #[test]
    fn binary_precision_packs_eight_signs_to_a_number() {
        // numpy 2.4: np.packbits([1, 0, 0, 0, 0, 0, 0, 1, 1]) is [129, 128].
        let vector = vec![0.5, -1.0, 0.0, -0.1, -2.0, 0.0, 0.0, 1e-9, 3.0];
        assert_eq!(
            args(serde_json::json!({"precision": "ubinary"})).finish(vector.clone()).expect("works"),
            [129.0, 128.0]
        );
        assert_eq!(args(serde_json::json!({"precision": "binary"})).finish(vector).expect("works"), [1.0, 0.0]);
    }

    #[test]
    fn equal_forms_of_a_model_have_equal_specifications() {
        let plain = args(serde_json::json!({"normalize": true})).spec("m");
        assert_eq!(plain, args(serde_json::json!({"dtype": "float32"})).spec("m"));
        assert_ne!(plain, args(serde_json::json!({"torch_dtype": "bfloat16"})).spec("m"));
    }
}
