//! Every architecture of GGUF files that is read.

use super::names::*;
use super::settings::*;
use super::{File, Layout};
use crate::checkpoint::Change;

/// What most decoders are.
const DECODER_LAYOUT: Layout = Layout {
    name: "",
    model_type: "",
    is: |_| true,
    keys: &[SIZES],
    rest: silu,
    outside: OUTSIDE,
    layers: "model.layers",
    inside: &[DECODER],
    change: unchanged,
};

/// One line each; of several with one name the first that a file is counts.
#[rustfmt::skip]
pub(super) static LAYOUTS: &[Layout] = &[
    Layout { name: "llama", model_type: "mixtral", is: has_experts, keys: &[SIZES, EXPERTS], rest: llama, inside: &[MIXTRAL, DECODER], change: in_pairs, ..DECODER_LAYOUT },
    Layout { name: "llama", model_type: "llama", rest: llama, change: in_pairs, ..DECODER_LAYOUT },
    Layout { name: "qwen2", model_type: "qwen2", ..DECODER_LAYOUT },
    Layout { name: "qwen2moe", model_type: "qwen2_moe", keys: &[SIZES, EXPERTS], rest: qwen_2_experts, inside: &[QWEN_EXPERTS, DECODER], ..DECODER_LAYOUT },
    Layout { name: "qwen3", model_type: "qwen3", ..DECODER_LAYOUT },
    Layout { name: "qwen3moe", model_type: "qwen3_moe", keys: &[SIZES, EXPERTS], rest: qwen_3_experts, inside: &[QWEN_EXPERTS, DECODER], ..DECODER_LAYOUT },
    Layout { name: "gemma", model_type: "gemma", rest: gemma, change: norms_plus_one, ..DECODER_LAYOUT },
    Layout { name: "gemma2", model_type: "gemma2", rest: gemma_2, inside: &[OUTPUT_NORMS, DECODER], change: norms_plus_one, ..DECODER_LAYOUT },
    Layout { name: "gemma3", model_type: "gemma3_text", rest: gemma_3, inside: &[OUTPUT_NORMS, DECODER], change: norms_plus_one, ..DECODER_LAYOUT },
    Layout { name: "phi2", model_type: "phi", keys: &[SIZES, NORM_EPS], rest: phi_2, outside: PHI_OUTSIDE, inside: &[PHI, DECODER], ..DECODER_LAYOUT },
    Layout { name: "phi3", model_type: "phi3", rest: phi_3, inside: &[PHI_3, DECODER], ..DECODER_LAYOUT },
    Layout { name: "starcoder2", model_type: "starcoder2", keys: &[SIZES, STARCODER_EPS], rest: tanh_gelu, inside: &[STARCODER, DECODER], ..DECODER_LAYOUT },
    Layout { name: "olmo", model_type: "olmo", rest: olmo, change: in_pairs, ..DECODER_LAYOUT },
    Layout { name: "olmo2", model_type: "olmo2", rest: olmo_2, inside: &[OUTPUT_NORMS, DECODER], ..DECODER_LAYOUT },
    Layout { name: "stablelm", model_type: "stablelm", keys: &[SIZES, NORM_EPS], rest: stablelm, ..DECODER_LAYOUT },
    Layout { name: "command-r", model_type: "cohere", keys: &[SIZES, NORM_EPS, LOGIT_SCALE], rest: command_r, ..DECODER_LAYOUT },
    Layout { name: "granite", model_type: "granite", keys: &[SIZES, FACTORS], rest: granite, change: in_pairs, ..DECODER_LAYOUT },
    Layout { name: "smollm3", model_type: "smollm3", rest: smollm_3, change: in_pairs, ..DECODER_LAYOUT },
    Layout { name: "gptneox", model_type: "gpt_neox", keys: &[SIZES, NORM_EPS, NEOX_BASE], rest: neox, outside: NEOX_OUTSIDE, layers: "gpt_neox.layers", inside: &[NEOX], change: in_groups, ..DECODER_LAYOUT },
    Layout { name: "falcon", model_type: "falcon", is: |file| file.has("blk.0.attn_norm_2.weight"), keys: &[SIZES, FALCON_KEYS], rest: falcon, outside: BLOOM_OUTSIDE, layers: "transformer.h", inside: &[FALCON_NORMS, BLOOM, NEOX], change: in_groups },
    Layout { name: "falcon", model_type: "falcon", keys: &[SIZES, FALCON_KEYS], rest: falcon, outside: BLOOM_OUTSIDE, layers: "transformer.h", inside: &[BLOOM, NEOX], change: in_groups, ..DECODER_LAYOUT },
    Layout { name: "bloom", model_type: "bloom", keys: &[BLOOM_KEYS], rest: nothing, outside: BLOOM_OUTSIDE, layers: "transformer.h", inside: &[BLOOM, NEOX], change: in_groups, ..DECODER_LAYOUT },
    Layout { name: "mpt", model_type: "mpt", keys: &[MPT_KEYS], rest: mpt, outside: MPT_OUTSIDE, layers: "transformer.blocks", inside: &[MPT], ..DECODER_LAYOUT },
    Layout { name: "gpt2", model_type: "gpt2", keys: &[GPT2_KEYS], rest: gpt_2, outside: GPT2_OUTSIDE, layers: "transformer.h", inside: &[GPT2], change: transposed, ..DECODER_LAYOUT },
];

fn has_experts(file: &File<'_>) -> bool {
    file.count("expert_count") > 0
}

fn unchanged(_: &File<'_>, _: &str) -> Change {
    Change::None
}

fn in_pairs(file: &File<'_>, tensor: &str) -> Change {
    match tensor {
        "attn_q" => Change::Pairs(file.count("attention.head_count")),
        "attn_k" => Change::Pairs(file.n_kv_heads()),
        _ => Change::None,
    }
}

fn in_groups(file: &File<'_>, tensor: &str) -> Change {
    match tensor {
        "attn_qkv" => Change::Joined { n_heads: file.count("attention.head_count"), n_kv_heads: file.n_kv_heads() },
        _ => Change::None,
    }
}

fn norms_plus_one(_: &File<'_>, tensor: &str) -> Change {
    if tensor.ends_with("norm") { Change::PlusOne } else { Change::None }
}

fn transposed(_: &File<'_>, tensor: &str) -> Change {
    match tensor {
        "attn_qkv" | "attn_output" | "ffn_up" | "ffn_down" => Change::Transposed,
        _ => Change::None,
    }
}
