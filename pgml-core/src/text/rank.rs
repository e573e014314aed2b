//! Documents in the order of how well they answer a query.

use crate::{Result, Run, hyperparams};

use super::{ModelSpec, Tokens, in_batches};

hyperparams! {
    /// What a caller of `rank` may ask for: the names of sentence-transformers, and of PostgresML.
    pub struct RankArgs called "argument" {
        /// How many documents to return; all when null.
        top_k: Option<u32> = None, range: at_least(1.0);
        /// Whether the documents' texts are returned too.
        return_documents: bool = false;
        /// Most documents in one batch.
        batch_size: u32 = 32, range: at_least(1.0);
        /// Whether scores of a model with several outputs are made probabilities.
        apply_softmax: bool = false;
        /// What is applied to a model's single output: "sigmoid" (the model's own choice when null) or "identity".
        activation: Option<String> = None, choices: ["sigmoid", "identity"], aliases: ["activation_fct", "activation_fn"];
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
        num_workers: u32 = 0, no_effect: true;
        /// Accepted for compatibility.
        convert_to_numpy: bool = true, no_effect: true;
        /// Accepted for compatibility.
        convert_to_tensor: bool = false, no_effect: true;
    }
}

impl RankArgs {
    /// The form of the model `name` that these arguments ask for.
    #[must_use]
    pub fn spec(&self, name: &str) -> ModelSpec {
        let form = super::EmbedArgs { dtype: self.dtype.clone(), ..super::EmbedArgs::default() };
        ModelSpec {
            revision: self.revision.clone(),
            device: self.device.clone(),
            quantization: self.quantization.clone(),
            ..form.spec(name)
        }
    }
}

/// A document's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its index among the documents given, from 0.
    pub index: usize,
    /// How well it answers the query; higher is better.
    pub score: f64,
}

/// The `top_k` best scores, best first; equal ones in the order of the documents.
#[must_use]
pub fn rank_order(scores: &[f64], top_k: Option<u32>) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> = scores.iter().enumerate().map(|(index, &score)| Ranked { index, score }).collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked.truncate(top_k.map_or(usize::MAX, |k| k as usize));
    ranked
}

/// Scores documents against a query by reading both together.
pub trait Reranker: Send + Sync {
    /// The pairs as the model reads them, cut at the model's limit.
    ///
    /// # Errors
    /// Failures of the tokenizer.
    fn tokenize(&self, query: &str, documents: &[&str]) -> Result<Vec<Tokens>>;

    /// One score per pair, whatever else is in the batch.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled);
    /// [`ErrorKind::NotSupported`](crate::ErrorKind::NotSupported) for a model with several outputs.
    fn score_tokens(&self, batch: &[&Tokens], args: &RankArgs, run: &Run) -> Result<Vec<f64>>;

    /// The documents, best first.
    ///
    /// # Errors
    /// Those of the other methods.
    fn rank(&self, query: &str, documents: &[&str], args: &RankArgs, run: &Run) -> Result<Vec<Ranked>> {
        let pairs = self.tokenize(query, documents)?;
        let scores =
            in_batches(&pairs, args.batch_size as usize, usize::MAX, run, |batch| self.score_tokens(batch, args, run))?;
        Ok(rank_order(&scores, args.top_k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_equals_keep_their_order() {
        let ranked = rank_order(&[0.1, 0.9, 0.9, f64::NEG_INFINITY], Some(3));
        assert_eq!(ranked.iter().map(|r| r.index).collect::<Vec<_>>(), [1, 2, 0]);
    }
}
