"""Tiny seeded checkpoints of every architecture, and what transformers computes with them.

Writes, for each, a folder `architectures/<name>` with `config.json`, `model.safetensors` (rounded to bfloat16, so that it
is small and exact in every type) and `golden.safetensors`: the tokens of three sequences of different lengths and the last
hidden states of each.

Versions: torch 2.15.0, transformers 5.23.0, safetensors 0.8.0. Run: python architectures.py [name ...]
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

from jina_bert import JinaBert, JinaConfig
from original_layouts import ORIGINAL_LAYOUTS

FOLDER = pathlib.Path(__file__).parent / "architectures"
LENGTHS = [5, 17, 1]
VOCABULARY = 61

BERT = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
    max_position_embeddings=24,
)

LLAMA = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=40, max_position_embeddings=24, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)
MODERNBERT = dict(BERT, num_hidden_layers=4, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
DEBERTA = dict(
    BERT, relative_attention=True, position_buckets=8, max_relative_positions=-1, pos_att_type=["p2c", "c2p"],
    share_att_key=True, norm_rel_ebd="layer_norm", position_biased_input=False,
)
ROPE_LINEAR = {"rope_type": "linear", "factor": 1.3, "rope_theta": 500.0}
T5 = dict(
    vocab_size=VOCABULARY, d_model=32, d_kv=6, d_ff=40, num_layers=2, num_heads=4, relative_attention_num_buckets=8,
    relative_attention_max_distance=12,
)
GEMMA = dict(
    LLAMA, num_hidden_layers=3, head_dim=6, query_pre_attn_scalar=10, sliding_window=6,
    layer_types=["sliding_attention", "full_attention", "sliding_attention"],
)

# name: (configuration, class of the model)
MODELS = {
    "bert": (lambda: transformers.BertConfig(**BERT), transformers.BertModel),
    "roberta": (
        lambda: transformers.RobertaConfig(**BERT, type_vocab_size=1, pad_token_id=1),
        transformers.RobertaModel,
    ),
    "electra": (lambda: transformers.ElectraConfig(**BERT, embedding_size=16), transformers.ElectraModel),
    "distilbert": (
        lambda: transformers.DistilBertConfig(
            vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=24,
        ),
        transformers.DistilBertModel,
    ),
    "albert": (
        lambda: transformers.AlbertConfig(
            **{**BERT, "num_hidden_layers": 4}, embedding_size=16, num_hidden_groups=2, inner_group_num=1,
        ),
        transformers.AlbertModel,
    ),
    "mpnet": (lambda: transformers.MPNetConfig(**BERT, pad_token_id=1), transformers.MPNetModel),
    # All of a question, nothing of a table.
    "tapas": (lambda: transformers.TapasConfig(**BERT, type_vocab_sizes=[3, 16, 16, 2, 16, 16, 10]), transformers.TapasModel),
    # As deberta-v3-base: logarithmic buckets, keys and queries of distances made with those of the content.
    "deberta_v3": (lambda: transformers.DebertaV2Config(**DEBERTA, type_vocab_size=0), transformers.DebertaV2Model),
    # As deberta-v2-xlarge.
    "deberta_v2_conv": (
        lambda: transformers.DebertaV2Config(
            **DEBERTA, type_vocab_size=0, conv_kernel_size=3, conv_act="gelu", attention_head_size=8,
        ),
        transformers.DebertaV2Model,
    ),
    "deberta_v2_plain": (
        lambda: transformers.DebertaV2Config(
            **BERT, relative_attention=True, max_relative_positions=6, pos_att_type="c2p", embedding_size=16,
            type_vocab_size=2,
        ),
        transformers.DebertaV2Model,
    ),
    "deberta_v2_own_projections": (
        lambda: transformers.DebertaV2Config(**{**DEBERTA, "share_att_key": False, "norm_rel_ebd": "none"}),
        transformers.DebertaV2Model,
    ),
    # Windows of 2 to each side: the longest sequence is far longer.
    "modernbert": (lambda: transformers.ModernBertConfig(**MODERNBERT, local_attention=4), transformers.ModernBertModel),
    "modernbert_biased": (
        lambda: transformers.ModernBertConfig(
            **MODERNBERT, local_attention=6, norm_bias=True, attention_bias=True,
            layer_types=["sliding_attention", "full_attention"] * 2,
        ),
        transformers.ModernBertModel,
    ),
    "nomic_bert": (lambda: transformers.NomicBertConfig(**BERT), transformers.NomicBertModel),
    "nomic_bert_original": (lambda: transformers.NomicBertConfig(**BERT), transformers.NomicBertModel),
    "gte": (
        lambda: transformers.GteConfig(**BERT, type_vocab_size=0, rope_parameters=ROPE_LINEAR), transformers.GteModel,
    ),
    "gte_original": (
        lambda: transformers.GteConfig(
            **BERT, type_vocab_size=2, rope_parameters=dict(rope_type="linear", factor=8 ** (2 / 8), rope_theta=8 * 600.0),
        ),
        transformers.GteModel,
    ),
    "jina_bert": (lambda: JinaConfig(**BERT, feed_forward_type="geglu"), JinaBert),
    "jina_bert_reglu": (
        lambda: JinaConfig(**{**BERT, "num_attention_heads": 2}, feed_forward_type="reglu"), JinaBert,
    ),
    "jina_bert_code": (lambda: JinaConfig(**BERT, feed_forward_type="geglu", for_code=True), JinaBert),
    "t5": (lambda: transformers.T5Config(**T5, feed_forward_proj="relu"), transformers.T5EncoderModel),
    # With a decoder that embedders leave alone.
    "t5_gated": (lambda: transformers.T5Config(**T5, feed_forward_proj="gated-gelu"), transformers.T5Model),
    "mt5": (lambda: transformers.MT5Config(**T5, feed_forward_proj="gated-silu"), transformers.MT5EncoderModel),
    # The decoder reads the text too, shifted by one token.
    "bart": (
        lambda: transformers.BartConfig(
            vocab_size=VOCABULARY, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
            decoder_attention_heads=2, encoder_ffn_dim=40, decoder_ffn_dim=48, max_position_embeddings=24, pad_token_id=0,
            decoder_start_token_id=1, scale_embedding=True,
        ),
        transformers.BartModel,
    ),
    "llama": (lambda: transformers.LlamaConfig(**LLAMA, rope_parameters=ROPE_LINEAR), transformers.LlamaModel),
    "mistral": (lambda: transformers.MistralConfig(**LLAMA, sliding_window=4), transformers.MistralModel),
    "qwen2": (lambda: transformers.Qwen2Config(**LLAMA), transformers.Qwen2Model),
    "qwen2_windows": (
        lambda: transformers.Qwen2Config(**LLAMA, use_sliding_window=True, sliding_window=5, max_window_layers=1),
        transformers.Qwen2Model,
    ),
    # Looking to both sides, as gte-Qwen2 does.
    "qwen2_both_sides": (
        lambda: transformers.Qwen2Config(
            **LLAMA, use_sliding_window=True, sliding_window=3, max_window_layers=1, is_causal=False,
        ),
        transformers.Qwen2Model,
    ),
    # With the head of a language model.
    "qwen3": (lambda: transformers.Qwen3Config(**LLAMA, head_dim=6), transformers.Qwen3ForCausalLM),
    "gemma3": (
        lambda: transformers.Gemma3TextConfig(**GEMMA, use_bidirectional_attention=True), transformers.Gemma3TextModel,
    ),
    "gemma3_causal": (lambda: transformers.Gemma3TextConfig(**GEMMA), transformers.Gemma3TextModel),
}


def randomise(model, seed):
    """Seeded weights of a size that makes every part matter, biases and norms included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = parameter.dim() == 1 and name.endswith("weight")
            scale = 0.2 if parameter.dim() < 2 else 1.5 / parameter.shape[-1] ** 0.5
            values = noise * scale + (1.0 if is_norm else 0.0)
            parameter.copy_(values.to(torch.bfloat16).float())


def sequences(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY, (length,), generator=generator) for length in LENGTHS]


def last_hidden_state(model, ids):
    """What an embedder pools: of models with a head or a decoder, the part before."""
    body = getattr(model, "encoder", None) if model.config.is_encoder_decoder else getattr(model, "model", model)
    if model.config.model_type == "bart":
        body = model
    return body(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state


def golden(model):
    tensors = {}
    for i, ids in enumerate(sequences(7)):
        with torch.no_grad():
            hidden = last_hidden_state(model, ids[None])[0]
        tensors[f"ids.{i}"] = ids.to(torch.int32)
        tensors[f"hidden.{i}"] = hidden.float().contiguous()
    return tensors


def write(name):
    configuration, model_class = MODELS[name]
    model = model_class(configuration()).eval().float()
    randomise(model, seed=len(name))
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config.to_dict()
    config["architectures"] = [model_class.__name__]
    state = {key: value for key, value in model.state_dict().items() if value.is_floating_point()}
    if name in ORIGINAL_LAYOUTS:
        config, state = ORIGINAL_LAYOUTS[name](config, state)
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True, default=str) + "\n")
    # Tensors under several names are stored once, as transformers does.
    firsts = {value.data_ptr(): key for key, value in reversed(state.items())}
    state = {key: state[key].to(torch.bfloat16).contiguous() for key in firsts.values()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    save_file(golden(model), folder / "golden.safetensors")
    print(name, sum(value.numel() for value in state.values()), "numbers")


if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        write(name)
