//! What llama.cpp calls tensors, and what checkpoints of transformers do. A star stands for the number of an expert: one
//! tensor holds all of them, or its name says which one it is. Names in braces are those of parts of a tensor.

/// A tensor's name in GGUF files, and its other one.
pub(super) type Name = (&'static str, &'static str);

pub(super) const OUTSIDE: &[Name] =
    &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

pub(super) const DECODER: &[Name] = &[
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

/// Where Gemma 2 and 3, and OLMo 2, differ from it.
pub(super) const OUTPUT_NORMS: &[Name] = &[
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

/// The second half as files had it before experts were put into one tensor.
pub(super) const MIXTRAL: &[Name] = &[
    ("ffn_gate_inp", "block_sparse_moe.gate"),
    ("ffn_gate_exps", "block_sparse_moe.experts.*.w1"),
    ("ffn_up_exps", "block_sparse_moe.experts.*.w3"),
    ("ffn_down_exps", "block_sparse_moe.experts.*.w2"),
    ("ffn_gate.*", "block_sparse_moe.experts.*.w1"),
    ("ffn_up.*", "block_sparse_moe.experts.*.w3"),
    ("ffn_down.*", "block_sparse_moe.experts.*.w2"),
];

pub(super) const QWEN_EXPERTS: &[Name] = &[
    ("ffn_gate_inp", "mlp.gate"),
    ("ffn_gate_exps", "mlp.experts.*.gate_proj"),
    ("ffn_up_exps", "mlp.experts.*.up_proj"),
    ("ffn_down_exps", "mlp.experts.*.down_proj"),
    ("ffn_gate_inp_shexp", "mlp.shared_expert_gate"),
    ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
    ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
    ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
];

pub(super) const PHI_OUTSIDE: &[Name] =
    &[("token_embd", "model.embed_tokens"), ("output_norm", "model.final_layernorm"), ("output", "lm_head")];

pub(super) const PHI: &[Name] = &[
    // In files of Phi-2's first weeks.
    ("attn_qkv", "self_attn.{q_proj,k_proj,v_proj}"),
    ("attn_output", "self_attn.dense"),
    ("ffn_up", "mlp.fc1"),
    ("ffn_down", "mlp.fc2"),
];

pub(super) const PHI_3: &[Name] = &[("attn_qkv", "self_attn.qkv_proj"), ("ffn_up", "mlp.gate_up_proj")];

pub(super) const STARCODER: &[Name] = &[("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj")];

pub(super) const NEOX_OUTSIDE: &[Name] =
    &[("token_embd", "gpt_neox.embed_in"), ("output_norm", "gpt_neox.final_layer_norm"), ("output", "embed_out")];

pub(super) const NEOX: &[Name] = &[
    ("attn_norm", "input_layernorm"),
    ("attn_qkv", "attention.query_key_value"),
    ("attn_output", "attention.dense"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_up", "mlp.dense_h_to_4h"),
    ("ffn_down", "mlp.dense_4h_to_h"),
];

pub(super) const BLOOM_OUTSIDE: &[Name] = &[
    ("token_embd", "transformer.word_embeddings"),
    ("token_embd_norm", "transformer.word_embeddings_layernorm"),
    ("output_norm", "transformer.ln_f"),
    ("output", "lm_head"),
];

/// Where BLOOM and Falcon differ from GPT-NeoX.
pub(super) const BLOOM: &[Name] =
    &[("attn_qkv", "self_attention.query_key_value"), ("attn_output", "self_attention.dense")];

/// Of Falcon with a norm for each half of a layer.
pub(super) const FALCON_NORMS: &[Name] = &[("attn_norm", "ln_mlp"), ("attn_norm_2", "ln_attn")];

pub(super) const MPT_OUTSIDE: &[Name] =
    &[("token_embd", "transformer.wte"), ("output_norm", "transformer.norm_f"), ("output", "lm_head")];

pub(super) const MPT: &[Name] = &[
    ("attn_norm", "norm_1"),
    ("attn_qkv", "attn.Wqkv"),
    ("attn_output", "attn.out_proj"),
    ("ffn_norm", "norm_2"),
    ("ffn_up", "ffn.up_proj"),
    ("ffn_down", "ffn.down_proj"),
];

pub(super) const GPT2_OUTSIDE: &[Name] = &[
    ("token_embd", "transformer.wte"),
    ("position_embd", "transformer.wpe"),
    ("output_norm", "transformer.ln_f"),
    ("output", "lm_head"),
];

pub(super) const GPT2: &[Name] = &[
    ("attn_norm", "ln_1"),
    ("attn_qkv", "attn.c_attn"),
    ("attn_output", "attn.c_proj"),
    ("ffn_norm", "ln_2"),
    ("ffn_up", "mlp.c_fc"),
    ("ffn_down", "mlp.c_proj"),
];
