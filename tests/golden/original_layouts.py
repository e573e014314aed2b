"""Checkpoints as their authors store them, where transformers has names of its own.

What corresponds to what is said by `conversion_mapping.py` of transformers 5.23, which converts the other way.
"""

import torch


def renamed(state, names, joined):
    """`names`: (ours, theirs) in the order of replacing; `joined`: their tensor and the parts of ours it is made of."""
    result = {}
    for key, value in state.items():
        for theirs, parts in joined.items():
            if f"{parts[0]}." in key:
                value = torch.cat([state[key.replace(parts[0], part)] for part in parts])
                key = key.replace(parts[0], theirs)
            elif any(f"{part}." in key for part in parts[1:]):
                key = None
                break
        if key is None:
            continue
        for ours, other in names:
            key = key.replace(ours, other)
        result[key] = value
    return result


def nomic_bert(config, state):
    names = [
        ("embeddings.LayerNorm", "emb_ln"), ("layers.", "encoder.layers."), ("self_attn.o_proj", "attn.out_proj"),
        ("up_proj", "fc11"), ("gate_proj", "fc12"), ("down_proj", "fc2"), ("post_attention_layernorm", "norm1"),
        ("post_mlp_layernorm", "norm2"),
    ]
    joined = {"attn.Wqkv": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]}
    original = {
        "model_type": "nomic_bert", "architectures": ["NomicBertModel"], "activation_function": "swiglu", "causal": False,
        "n_embd": config["hidden_size"], "n_layer": config["num_hidden_layers"], "n_head": config["num_attention_heads"],
        "n_inner": config["intermediate_size"], "n_positions": config["max_position_embeddings"],
        "layer_norm_epsilon": config["layer_norm_eps"], "vocab_size": config["vocab_size"],
        "type_vocab_size": config["type_vocab_size"], "pad_vocab_size_multiple": 1, "prenorm": False,
        "parallel_block": False, "use_rms_norm": False, "rotary_emb_base": config["rope_parameters"]["rope_theta"],
        "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None, "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False,
    }
    return original, renamed(state, names, joined)


def gte(config, state):
    names = [
        ("layers.", "encoder.layer."), ("self_attn.o_proj", "attention.o_proj"), ("post_attention_layernorm", "attn_ln"),
        ("post_mlp_layernorm", "mlp_ln"),
    ]
    joined = {
        "attention.qkv_proj": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        "mlp.up_gate_proj": ["mlp.up_proj", "mlp.gate_proj"],
    }
    parameters = config.pop("rope_parameters")
    # A base eight times as large and angles divided by 8^(2/8) is what the authors' "ntk" with factor 8 does to heads of 8.
    config.update(
        model_type="new", architectures=["NewModel"], rope_theta=parameters["rope_theta"] / 8,
        rope_scaling={"type": "ntk", "factor": 8.0}, position_embedding_type="rope", pack_qkv=True,
        layer_norm_type="layer_norm", logn_attention_scale=False,
    )
    # Checkpoints with a head have the model under a name.
    return config, {f"new.{key}": value for key, value in renamed(state, names, joined).items()}


ORIGINAL_LAYOUTS = {"nomic_bert_original": nomic_bert, "gte_original": gte}
