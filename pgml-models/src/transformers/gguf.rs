//! What llama.cpp calls things in GGUF files that checkpoints of transformers call otherwise: keys of the configuration, names
//! of tensors, and forms of a few of them. Learnt from `convert_hf_to_gguf.py` of llama.cpp.

use pgml_core::{ErrorKind, Result, bail, error::unknown_name};
use serde_json::{Map, Value, json};

use crate::checkpoint::Change;
use crate::gguf::{self, Gguf};

/// One architecture of llama.cpp.
pub struct Layout {
    /// `general.architecture`.
    name: &'static str,
    /// What transformers calls it.
    model_type: &'static str,
    /// Keys behind the architecture's name, and the fields of `config.json` that they are.
    keys: &'static [(&'static str, &'static str)],
    /// What `config.json` has beside.
    rest: fn(&Keys<'_>, &mut Map<String, Value>) -> Result<()>,
    /// Tensors outside of layers.
    outside: &'static [(&'static str, &'static str)],
    /// Where layers stand.
    layers: &'static str,
    /// Tensors of a layer; the first list that has one says what it is.
    inside: &'static [&'static [(&'static str, &'static str)]],
    /// How the tensor of this name in the file is changed.
    change: fn(&Keys<'_>, &str) -> Change,
}

/// The metadata that belongs to the architecture.
pub struct Keys<'a> {
    gguf: &'a Gguf<'a>,
    architecture: &'a str,
}

/// Every architecture that is read, one line each.
#[rustfmt::skip]
static LAYOUTS: &[Layout] = &[
    Layout { name: "llama", model_type: "llama", keys: DECODER_KEYS, rest: llama, outside: OUTSIDE, layers: "model.layers", inside: &[DECODER], change: in_pairs },
    Layout { name: "qwen2", model_type: "qwen2", keys: DECODER_KEYS, rest: silu, outside: OUTSIDE, layers: "model.layers", inside: &[DECODER], change: unchanged },
    Layout { name: "qwen3", model_type: "qwen3", keys: DECODER_KEYS, rest: silu, outside: OUTSIDE, layers: "model.layers", inside: &[DECODER], change: unchanged },
    Layout { name: "gemma", model_type: "gemma", keys: DECODER_KEYS, rest: gemma, outside: OUTSIDE, layers: "model.layers", inside: &[DECODER], change: norms_plus_one },
    Layout { name: "gemma2", model_type: "gemma2", keys: DECODER_KEYS, rest: gemma_2, outside: OUTSIDE, layers: "model.layers", inside: &[GEMMA, DECODER], change: norms_plus_one },
    Layout { name: "gemma3", model_type: "gemma3_text", keys: DECODER_KEYS, rest: gemma_3, outside: OUTSIDE, layers: "model.layers", inside: &[GEMMA, DECODER], change: norms_plus_one },
    Layout { name: "gpt2", model_type: "gpt2", keys: GPT2_KEYS, rest: gpt2, outside: GPT2_OUTSIDE, layers: "transformer.h", inside: &[GPT2], change: transposed },
];

const DECODER_KEYS: &[(&str, &str)] = &[
    ("context_length", "max_position_embeddings"),
    ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("attention.sliding_window", "sliding_window"),
    ("rope.freq_base", "rope_theta"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
];

const OUTSIDE: &[(&str, &str)] =
    &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

const DECODER: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Where Gemma 2 and 3 differ from it.
const GEMMA: &[(&str, &str)] = &[
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

const GPT2_KEYS: &[(&str, &str)] = &[
    ("context_length", "n_positions"),
    ("embedding_length", "n_embd"),
    ("block_count", "n_layer"),
    ("feed_forward_length", "n_inner"),
    ("attention.head_count", "n_head"),
    ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
];

const GPT2_OUTSIDE: &[(&str, &str)] = &[
    ("token_embd", "transformer.wte"),
    ("position_embd", "transformer.wpe"),
    ("output_norm", "transformer.ln_f"),
    ("output", "lm_head"),
];

const GPT2: &[(&str, &str)] = &[
    ("attn_norm", "ln_1"),
    ("attn_qkv", "attn.c_attn"),
    ("attn_output", "attn.c_proj"),
    ("ffn_norm", "ln_2"),
    ("ffn_up", "mlp.c_fc"),
    ("ffn_down", "mlp.c_proj"),
];

/// Finds the layout of a file.
///
/// # Errors
/// [`ErrorKind::Corrupted`] without `general.architecture`; [`ErrorKind::NotSupported`], listing what is known.
pub fn layout(gguf: &Gguf<'_>) -> Result<&'static Layout> {
    let Some(name) = gguf.text("general.architecture") else {
        bail!(Corrupted, "the GGUF file has no general.architecture");
    };
    LAYOUTS.iter().find(|layout| layout.name == name).ok_or_else(|| {
        let known = LAYOUTS.iter().map(|layout| layout.name);
        unknown_name(ErrorKind::NotSupported, "architecture of GGUF files", name, known)
    })
}

impl Layout {
    /// What `config.json` of the same model says.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for what the file says and no architecture here does.
    pub fn config(&self, gguf: &Gguf<'_>) -> Result<Map<String, Value>> {
        let keys = Keys { gguf, architecture: self.name };
        let mut config = Map::new();
        config.insert("model_type".to_owned(), self.model_type.into());
        for (key, field) in self.keys {
            if let Some(value) = keys.number(key)? {
                config.insert((*field).to_owned(), value);
            }
        }
        // The table's own size is what counts: some files have no vocab_size, some a wrong one.
        if let Some((_, words)) = gguf.tensors().find(|(name, _)| *name == "token_embd.weight") {
            config.insert("vocab_size".to_owned(), words.shape.first().copied().unwrap_or(0).into());
        }
        (self.rest)(&keys, &mut config)?;
        Ok(config)
    }

    /// What a checkpoint of transformers calls the tensor `name`, and how it has it; `None` for what is no weight.
    #[must_use]
    pub fn rename(&self, gguf: &Gguf<'_>, name: &str) -> Option<(String, Change)> {
        if name == ROPE_FACTORS {
            return None;
        }
        let keys = Keys { gguf, architecture: self.name };
        let (tensor, kind) = name.rsplit_once('.')?;
        let new = |tables: &[&[(&str, &'static str)]], tensor: &str| {
            tables.iter().copied().flatten().find(|(known, _)| *known == tensor).map(|(_, new)| *new)
        };
        let change = |tensor: &str| (self.change)(&keys, tensor);
        let renamed = match tensor.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((layer, tensor)) => {
                new(self.inside, tensor).map(|new| (format!("{}.{layer}.{new}.{kind}", self.layers), change(tensor)))
            }
            None => new(&[self.outside], tensor).map(|new| (format!("{new}.{kind}"), change(tensor))),
        };
        // Under its own name it is left over in the end, and named.
        renamed.or_else(|| Some((name.to_owned(), Change::None))).map(|(new, change)| match kind {
            // A bias has no columns.
            "bias" if change == Change::Transposed => (new, Change::None),
            _ => (new, change),
        })
    }
}

/// By what LLaMA 3.1 and later divide the frequencies of rotary positions.
const ROPE_FACTORS: &str = "rope_freqs.weight";

impl Keys<'_> {
    fn get(&self, key: &str) -> Option<&gguf::Value<'_>> {
        self.gguf.get(&format!("{}.{key}", self.architecture))
    }

    /// A number as `config.json` has it.
    fn number(&self, key: &str) -> Result<Option<Value>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        if let Some(array) = value.as_array() {
            let mut numbers = array.numbers().into_iter().flatten();
            let first = numbers.next();
            return match first {
                Some(first) if numbers.all(|number| number == first) && first >= 0.0 => Ok(Some(json!(first as u64))),
                _ => bail!(NotSupported, "layers with another {key} each, as in this GGUF file, are not supported"),
            };
        }
        Ok(match value.as_u64() {
            Some(number) => Some(number.into()),
            // As exact as it was meant: 1e-5 and not what the nearest 32-bit float is.
            None => value.as_f64().and_then(|number| (number as f32).to_string().parse::<f64>().ok()).map(Value::from),
        })
    }

    fn count(&self, key: &str) -> usize {
        self.get(key).and_then(gguf::Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    }
}

fn silu(keys: &Keys<'_>, config: &mut Map<String, Value>) -> Result<()> {
    config.insert("hidden_act".to_owned(), "silu".into());
    if keys.count("expert_count") > 0 {
        bail!(NotSupported, "GGUF files with a mixture of experts are not supported");
    }
    rope_scaling(keys, config)
}

fn llama(keys: &Keys<'_>, config: &mut Map<String, Value>) -> Result<()> {
    // What it says of heads that are not as wide as all heads together are.
    if let (None, Some(width)) = (config.get("head_dim"), keys.number("rope.dimension_count")?) {
        config.insert("head_dim".to_owned(), width);
    }
    // Mistral's window; llama.cpp ignores it for this architecture.
    config.remove("sliding_window");
    silu(keys, config)
}

fn gemma(_: &Keys<'_>, config: &mut Map<String, Value>) -> Result<()> {
    config.insert("hidden_activation".to_owned(), "gelu_pytorch_tanh".into());
    config.insert("hidden_act".to_owned(), "gelu_pytorch_tanh".into());
    Ok(())
}

fn gemma_2(keys: &Keys<'_>, config: &mut Map<String, Value>) -> Result<()> {
    gemma(keys, config)?;
    for (field, usual) in [("attn_logit_softcapping", 50.0), ("final_logit_softcapping", 30.0)] {
        config.entry(field).or_insert_with(|| usual.into());
    }
    config.entry("sliding_window").or_insert_with(|| 4096.into());
    query_scale(keys, config, 46)
}

fn gemma_3(keys: &Keys<'_>, config: &mut Map<String, Value>) -> Result<()> {
    gemma(keys, config)?;
    config.remove("attn_logit_softcapping");
    config.insert("rope_local_base_freq".to_owned(), 10_000.0.into());
    config.entry("rope_theta").or_insert_with(|| 1e6.into());
    rope_scaling(keys, config)?;
    query_scale(keys, config, 62)
}

/// The largest model of a family, known by its layers, divides scores by another width than that of its heads. Files do not
/// say so; llama.cpp knows it too.
fn query_scale(keys: &Keys<'_>, config: &mut Map<String, Value>, largest: usize) -> Result<()> {
    let scale = match keys.count("block_count") == largest {
        true => keys.count("embedding_length").checked_div(keys.count("attention.head_count")).unwrap_or(0),
        false => keys.count("attention.key_length"),
    };
    config.insert("query_pre_attn_scalar".to_owned(), scale.into());
    Ok(())
}

fn gpt2(_: &Keys<'_>, config: &mut Map<String, Value>) -> Result<()> {
    config.insert("activation_function".to_owned(), "gelu_new".into());
    Ok(())
}

fn rope_scaling(keys: &Keys<'_>, config: &mut Map<String, Value>) -> Result<()> {
    let scaling = match keys.get("rope.scaling.type").and_then(gguf::Value::as_text) {
        None | Some("none") => return Ok(()),
        Some(scaling @ ("linear" | "yarn")) => scaling,
        Some(other) => bail!(NotSupported, "rotary positions scaled as \"{other}\" are not supported in GGUF files"),
    };
    let mut scaled = Map::from_iter([("rope_type".to_owned(), scaling.into())]);
    for (key, field) in [
        ("rope.scaling.factor", "factor"),
        ("rope.scaling.original_context_length", "original_max_position_embeddings"),
        ("rope.scaling.attn_factor", "attention_factor"),
    ] {
        if let Some(value) = keys.number(key)? {
            scaled.insert(field.to_owned(), value);
        }
    }
    config.insert("rope_scaling".to_owned(), scaled.into());
    Ok(())
}

/// Scaling by factors of a tensor, in the words of `config.json`: those of long texts, for texts of every length.
pub fn scale_by_factors(config: &mut Map<String, Value>, factors: &[f32]) {
    let factors: Value = factors.iter().map(|factor| f64::from(*factor)).collect::<Vec<_>>().into();
    let length = config.get("max_position_embeddings").cloned().unwrap_or(Value::Null);
    config.insert(
        "rope_scaling".to_owned(),
        json!({
            "rope_type": "longrope", "factor": 1.0, "attention_factor": 1.0, "short_factor": factors, "long_factor": factors,
            "original_max_position_embeddings": length,
        }),
    );
}

/// The factors of a file that has some.
#[must_use]
pub fn rope_factors(gguf: &Gguf<'_>, file: &[u8]) -> Option<Vec<f32>> {
    let (_, tensor) = gguf.tensors().find(|(name, _)| *name == ROPE_FACTORS)?;
    (tensor.element == gguf::Element::F32).then(|| {
        let (numbers, _) = file[tensor.bytes.clone()].as_chunks();
        numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    })
}

fn unchanged(_: &Keys<'_>, _: &str) -> Change {
    Change::None
}

fn in_pairs(keys: &Keys<'_>, tensor: &str) -> Change {
    let n_heads = keys.count("attention.head_count");
    match tensor {
        "attn_q" => Change::Pairs(n_heads),
        "attn_k" => Change::Pairs(match keys.count("attention.head_count_kv") {
            0 => n_heads,
            n_kv_heads => n_kv_heads,
        }),
        _ => Change::None,
    }
}

fn norms_plus_one(_: &Keys<'_>, tensor: &str) -> Change {
    if tensor.ends_with("norm") { Change::PlusOne } else { Change::None }
}

fn transposed(_: &Keys<'_>, tensor: &str) -> Change {
    match tensor {
        "attn_qkv" | "attn_output" | "ffn_up" | "ffn_down" => Change::Transposed,
        _ => Change::None,
    }
}
