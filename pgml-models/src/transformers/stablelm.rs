//! StableLM 3B and StableLM 2 (Bellagente et al. 2024).

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::decoder::{self, Decoder, IGNORED, Kind, PLAIN};
use super::{Encoder, TextEncoder, only, read};
use crate::nn::{LayerNorm, Source};

/// StableLM.
pub static STABLELM: Encoder =
    Encoder { model_types: &["stablelm"], prefix: "model", ignored: IGNORED, load, head: None };

#[derive(Deserialize)]
struct Own {
    layer_norm_eps: f64,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "use_parallel_residual", &[json!(false)])?;
    only(config, "qk_layernorm", &[json!(false)])?;
    decoder::load(config, source, &Kind { norm, turned: Some(("partial_rotary_factor", 0.25)), ..PLAIN })
}

fn norm(config: &Value, fields: &Decoder, source: &Source<'_>) -> Result<LayerNorm> {
    LayerNorm::load(source, fields.hidden_size, read::<Own>(config)?.layer_norm_eps)
}
