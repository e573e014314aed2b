//! What llama.cpp's metadata says of a model, in the words of `config.json`.

use pgml_core::{Result, bail};
use serde_json::{Map, Value, json};

use super::File;
use crate::gguf;

/// A key behind the architecture's name, and the field of `config.json` that it is.
pub(super) type Key = (&'static str, &'static str);

pub(super) const SIZES: &[Key] = &[
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

pub(super) const EXPERTS: &[Key] = &[
    ("expert_count", "num_local_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
    ("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
];

pub(super) const NORM_EPS: &[Key] = &[("attention.layer_norm_epsilon", "layer_norm_eps")];

pub(super) const STARCODER_EPS: &[Key] = &[("attention.layer_norm_epsilon", "norm_epsilon")];

pub(super) const LOGIT_SCALE: &[Key] = &[("logit_scale", "logit_scale")];

pub(super) const FACTORS: &[Key] = &[
    ("attention.scale", "attention_multiplier"),
    ("embedding_scale", "embedding_multiplier"),
    ("residual_scale", "residual_multiplier"),
    // In spite of its name scores are divided by it.
    ("logit_scale", "logits_scaling"),
];

pub(super) const NEOX_BASE: &[Key] = &[("rope.freq_base", "rotary_emb_base")];

pub(super) const FALCON_KEYS: &[Key] =
    &[("feed_forward_length", "ffn_hidden_size"), ("attention.layer_norm_epsilon", "layer_norm_epsilon")];

pub(super) const BLOOM_KEYS: &[Key] = &[
    ("embedding_length", "hidden_size"),
    ("block_count", "n_layer"),
    ("attention.head_count", "n_head"),
    ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
];

pub(super) const MPT_KEYS: &[Key] = &[
    ("embedding_length", "d_model"),
    ("block_count", "n_layers"),
    ("attention.head_count", "n_heads"),
    ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
];

pub(super) const GPT2_KEYS: &[Key] = &[
    ("context_length", "n_positions"),
    ("embedding_length", "n_embd"),
    ("block_count", "n_layer"),
    ("feed_forward_length", "n_inner"),
    ("attention.head_count", "n_head"),
    ("attention.layer_norm_epsilon", "layer_norm_epsilon"),
];

type Config = Map<String, Value>;

fn set(config: &mut Config, field: &str, value: impl Into<Value>) {
    config.insert(field.to_owned(), value.into());
}

pub(super) fn nothing(_: &File<'_>, _: &mut Config) -> Result<()> {
    Ok(())
}

pub(super) fn silu(file: &File<'_>, config: &mut Config) -> Result<()> {
    set(config, "hidden_act", "silu");
    rope_scaling(file, config)
}

pub(super) fn llama(file: &File<'_>, config: &mut Config) -> Result<()> {
    // What it says of heads that are not as wide as all heads together are.
    if let (None, Some(width)) = (config.get("head_dim"), file.number("rope.dimension_count")?) {
        set(config, "head_dim", width);
    }
    // Mistral's window; llama.cpp ignores it for this architecture.
    config.remove("sliding_window");
    check_routing(file)?;
    silu(file, config)
}

pub(super) fn qwen_2_experts(file: &File<'_>, config: &mut Config) -> Result<()> {
    qwen_experts(file, config, false)
}

pub(super) fn qwen_3_experts(file: &File<'_>, config: &mut Config) -> Result<()> {
    qwen_experts(file, config, true)
}

/// Files do not say whether the weights of experts sum up to 1; llama.cpp knows it of the architecture.
fn qwen_experts(file: &File<'_>, config: &mut Config, normalised: bool) -> Result<()> {
    set(config, "norm_topk_prob", normalised);
    check_routing(file)?;
    silu(file, config)
}

/// Experts are chosen and weighed by a softmax, and by nothing else.
fn check_routing(file: &File<'_>) -> Result<()> {
    for key in ["expert_gating_func", "expert_weights_scale"] {
        let value = file.get(key).and_then(gguf::Value::as_f64).unwrap_or(0.0);
        if ![0.0, 1.0].contains(&value) {
            bail!(NotSupported, "{key} {value}, as in this GGUF file, is not supported");
        }
    }
    Ok(())
}

pub(super) fn gemma(_: &File<'_>, config: &mut Config) -> Result<()> {
    set(config, "hidden_activation", "gelu_pytorch_tanh");
    set(config, "hidden_act", "gelu_pytorch_tanh");
    Ok(())
}

pub(super) fn gemma_2(file: &File<'_>, config: &mut Config) -> Result<()> {
    gemma(file, config)?;
    for (field, usual) in [("attn_logit_softcapping", 50.0), ("final_logit_softcapping", 30.0)] {
        config.entry(field).or_insert_with(|| usual.into());
    }
    config.entry("sliding_window").or_insert_with(|| 4096.into());
    query_scale(file, config, 46)
}

pub(super) fn gemma_3(file: &File<'_>, config: &mut Config) -> Result<()> {
    gemma(file, config)?;
    config.remove("attn_logit_softcapping");
    set(config, "rope_local_base_freq", 10_000.0);
    config.entry("rope_theta").or_insert_with(|| 1e6.into());
    rope_scaling(file, config)?;
    query_scale(file, config, 62)
}

/// The largest model of a family, known by its layers, divides scores by another width than that of its heads. Files do not
/// say so; llama.cpp knows it too.
fn query_scale(file: &File<'_>, config: &mut Config, largest: usize) -> Result<()> {
    let scale = match file.count("block_count") == largest {
        true => file.head_width(),
        false => file.count("attention.key_length"),
    };
    set(config, "query_pre_attn_scalar", scale);
    Ok(())
}

pub(super) fn phi_2(file: &File<'_>, config: &mut Config) -> Result<()> {
    set(config, "hidden_act", "gelu_new");
    turned_part(file, config, "partial_rotary_factor");
    rope_scaling(file, config)
}

pub(super) fn phi_3(file: &File<'_>, config: &mut Config) -> Result<()> {
    // So files say that there is none.
    if config.get("sliding_window") == Some(&json!(0)) {
        config.remove("sliding_window");
    }
    turned_part(file, config, "partial_rotary_factor");
    silu(file, config)
}

pub(super) fn tanh_gelu(file: &File<'_>, config: &mut Config) -> Result<()> {
    set(config, "hidden_act", "gelu_pytorch_tanh");
    rope_scaling(file, config)
}

pub(super) fn olmo(file: &File<'_>, config: &mut Config) -> Result<()> {
    if let Some(clip) = file.number("attention.clamp_kqv")? {
        set(config, "clip_qkv", clip);
    }
    silu(file, config)
}

pub(super) fn olmo_2(file: &File<'_>, config: &mut Config) -> Result<()> {
    if config.contains_key("sliding_window") {
        bail!(NotSupported, "GGUF files of OLMo 3, whose layers slide, are not supported");
    }
    silu(file, config)
}

pub(super) fn stablelm(file: &File<'_>, config: &mut Config) -> Result<()> {
    // The key of that name is not to be trusted: files have it where nothing is parallel.
    set(config, "use_parallel_residual", !file.has("blk.0.ffn_norm.weight"));
    set(config, "qk_layernorm", file.has("blk.0.attn_q_norm.weight"));
    turned_part(file, config, "partial_rotary_factor");
    silu(file, config)
}

pub(super) fn command_r(file: &File<'_>, config: &mut Config) -> Result<()> {
    set(config, "use_qk_norm", file.has("blk.0.attn_q_norm.weight"));
    silu(file, config)
}

pub(super) fn granite(file: &File<'_>, config: &mut Config) -> Result<()> {
    let scores = 1.0 / (file.head_width() as f64).sqrt();
    config.entry("attention_multiplier").or_insert_with(|| scores.into());
    for field in ["embedding_multiplier", "residual_multiplier", "logits_scaling"] {
        config.entry(field).or_insert_with(|| 1.0.into());
    }
    silu(file, config)
}

pub(super) fn smollm_3(file: &File<'_>, config: &mut Config) -> Result<()> {
    set(config, "no_rope_layer_interval", 4);
    silu(file, config)
}

pub(super) fn neox(file: &File<'_>, config: &mut Config) -> Result<()> {
    set(config, "hidden_act", "gelu");
    let parallel = file.get("use_parallel_residual").and_then(gguf::Value::as_bool);
    set(config, "use_parallel_residual", parallel.unwrap_or(true));
    turned_part(file, config, "rotary_pct");
    rope_scaling(file, config)
}

pub(super) fn falcon(file: &File<'_>, config: &mut Config) -> Result<()> {
    let (two_norms, n_kv_heads) = (file.has("blk.0.attn_norm_2.weight"), file.n_kv_heads());
    set(config, "num_kv_heads", n_kv_heads);
    set(config, "new_decoder_architecture", two_norms || n_kv_heads > 1);
    set(config, "num_ln_in_parallel_attn", if two_norms { 2 } else { 1 });
    rope_scaling(file, config)
}

pub(super) fn mpt(file: &File<'_>, config: &mut Config) -> Result<()> {
    let most = file.get("attention.max_alibi_bias").and_then(gguf::Value::as_f64).unwrap_or(0.0);
    let mut attention = Map::new();
    set(&mut attention, "alibi", most > 0.0);
    if most != 8.0 {
        set(&mut attention, "alibi_bias_max", most);
    }
    set(&mut attention, "qk_ln", file.has("blk.0.attn_q_norm.weight"));
    if let Some(clip) = file.number("attention.clamp_kqv")? {
        set(&mut attention, "clip_qkv", clip);
    }
    set(config, "attn_config", attention);
    Ok(())
}

pub(super) fn gpt_2(_: &File<'_>, config: &mut Config) -> Result<()> {
    set(config, "activation_function", "gelu_new");
    Ok(())
}

/// How much of each head positions turn.
fn turned_part(file: &File<'_>, config: &mut Config, field: &str) {
    let (turned, width) = (file.count("rope.dimension_count"), file.head_width());
    let share = if turned > 0 && width > 0 { turned as f64 / width as f64 } else { 1.0 };
    // Times the width it is never below what it was.
    set(config, field, share.next_up());
}

fn rope_scaling(file: &File<'_>, config: &mut Config) -> Result<()> {
    let scaling = match file.get("rope.scaling.type").and_then(gguf::Value::as_text) {
        None | Some("none") => return Ok(()),
        // See `scale_by_factors`.
        Some("longrope") if file.has("rope_factors_long.weight") => return Ok(()),
        Some(scaling @ ("linear" | "yarn")) => scaling,
        Some(other) => bail!(NotSupported, "rotary positions scaled as \"{other}\" are not supported in GGUF files"),
    };
    let mut scaled = Map::from_iter([("rope_type".to_owned(), scaling.into())]);
    for (key, field) in [
        ("rope.scaling.factor", "factor"),
        ("rope.scaling.original_context_length", "original_max_position_embeddings"),
        ("rope.scaling.attn_factor", "attention_factor"),
    ] {
        if let Some(value) = file.number(key)? {
            scaled.insert(field.to_owned(), value);
        }
    }
    set(config, "rope_scaling", scaled);
    Ok(())
}

/// Scaling by factors, which stand in tensors: the same for texts of every length (LLaMA 3.1), or others for long ones.
pub(super) fn scale_by_factors(file: &File<'_>, config: &mut Config) -> Result<()> {
    let length = || config.get("max_position_embeddings").cloned().unwrap_or(Value::Null);
    let scaling = if let Some(factors) = file.floats("rope_freqs.weight") {
        json!({
            "rope_type": "longrope", "factor": 1.0, "attention_factor": 1.0, "short_factor": factors, "long_factor": factors,
            "original_max_position_embeddings": length(),
        })
    } else if let (Some(short), Some(long)) =
        (file.floats("rope_factors_short.weight"), file.floats("rope_factors_long.weight"))
    {
        let original = file.number("rope.scaling.original_context_length")?.unwrap_or_else(length);
        json!({
            "rope_type": "longrope", "short_factor": short, "long_factor": long,
            "attention_factor": file.number("rope.scaling.attn_factor")?, "original_max_position_embeddings": original,
        })
    } else {
        return Ok(());
    };
    set(config, "rope_scaling", scaling);
    Ok(())
}
