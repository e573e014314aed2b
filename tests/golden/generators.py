"""Tiny seeded checkpoints of every architecture that generates text, and what transformers generates with them.

Writes, for each, a folder `generators/<name>` with `config.json`, `model.safetensors` (rounded to bfloat16, so that it is
small and exact in every type) and `golden.json`: for some prompts the scores of every token, and what greedy and beam search
make of them. All share the tokenizer in `generators/tokenizer.json`: bytes and some merges, trained on a few sentences.
`writer` is a GPT-2 that knows these sentences by heart, so that what it writes can be read.

Versions: torch 2.15.0, transformers 5.23.0, tokenizers as transformers brings it. Run: python generators.py [name ...]
"""

import json
import pathlib
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).parent / "generators"
VOCABULARY = 300
PROMPTS = ["The river is", "a", "Every morning the ferry crosses the river and comes back before noon", "naïve 水 and"]
NEW_TOKENS = 12
BEAMS = 3

SENTENCES = [
    "The river is wide and slow in summer.",
    "Every morning the ferry crosses the river and comes back before noon.",
    "People who live on the islands know the ferry by the sound of its horn.",
    "In winter the ice is thick enough to walk on, and the ferry rests.",
    "Nobody remembers when the first bridge was built, or who paid for it.",
    "The captain keeps a table of tides on the wall.",
    "A table has rows and columns, and every row has its place.",
    "When the wind turns, the gulls follow the boats home.",
    "Children count the lights on the other side before they sleep.",
    "The water remembers nothing, and that is why it is clear.",
]

TOKENS = dict(bos_token_id=0, eos_token_id=1, pad_token_id=1)
LLAMA = dict(
    TOKENS, vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=40, max_position_embeddings=64,
)
NEOX = dict(
    TOKENS, vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
    max_position_embeddings=64,
)
FALCON = dict(
    TOKENS, vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64,
)
GPT2 = dict(TOKENS, vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64)

GENERATORS = {
    "gpt2": (transformers.GPT2LMHeadModel, transformers.GPT2Config(**GPT2)),
    "writer": (transformers.GPT2LMHeadModel, transformers.GPT2Config(**{**GPT2, "n_embd": 64, "n_positions": 128})),
    "llama": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**LLAMA)),
    "llama_3": (
        transformers.LlamaForCausalLM,
        transformers.LlamaConfig(
            **LLAMA, head_dim=16,
            rope_parameters={
                "rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16, "rope_theta": 100.0,
            },
        ),
    ),
    "qwen2_yarn": (
        transformers.Qwen2ForCausalLM,
        transformers.Qwen2Config(
            **LLAMA,
            rope_parameters={
                "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 100.0,
            },
        ),
    ),
    "mistral": (transformers.MistralForCausalLM, transformers.MistralConfig(**LLAMA, sliding_window=6)),
    "qwen2": (transformers.Qwen2ForCausalLM, transformers.Qwen2Config(**LLAMA, tie_word_embeddings=True)),
    "qwen3": (transformers.Qwen3ForCausalLM, transformers.Qwen3Config(**LLAMA, head_dim=16)),
    "gemma3": (
        transformers.Gemma3ForCausalLM,
        transformers.Gemma3TextConfig(
            **LLAMA, head_dim=16, sliding_window=6, query_pre_attn_scalar=12,
            layer_types=["sliding_attention", "full_attention"], final_logit_softcapping=3.0,
        ),
    ),
    "gemma": (transformers.GemmaForCausalLM, transformers.GemmaConfig(**{**LLAMA, "intermediate_size": 48}, head_dim=16)),
    "gemma2": (
        transformers.Gemma2ForCausalLM,
        transformers.Gemma2Config(
            **LLAMA, head_dim=16, sliding_window=6, query_pre_attn_scalar=12, attn_logit_softcapping=1.5,
            final_logit_softcapping=3.0,
        ),
    ),
    "gpt_neox": (transformers.GPTNeoXForCausalLM, transformers.GPTNeoXConfig(**NEOX, rotary_pct=0.5)),
    "gpt_neox_serial": (
        transformers.GPTNeoXForCausalLM,
        transformers.GPTNeoXConfig(
            **NEOX, rotary_pct=1.0, rotary_emb_base=100, use_parallel_residual=False, tie_word_embeddings=True,
        ),
    ),
    "phi": (transformers.PhiForCausalLM, transformers.PhiConfig(**LLAMA, partial_rotary_factor=0.5)),
    "phi_norms": (
        transformers.PhiForCausalLM,
        transformers.PhiConfig(**LLAMA, partial_rotary_factor=0.75, rope_theta=100.0, qk_layernorm=True),
    ),
    "phi3": (transformers.Phi3ForCausalLM, transformers.Phi3Config(**LLAMA, sliding_window=6)),
    "phi3_long": (
        transformers.Phi3ForCausalLM,
        # With these heads half of a head is turned, by three angles. The longest prompt is beyond the switch of factors, and
        # others pass it while they are continued.
        transformers.Phi3Config(
            **{**LLAMA, "hidden_size": 48}, original_max_position_embeddings=14, partial_rotary_factor=0.5,
            rope_parameters={
                "rope_type": "longrope", "rope_theta": 100.0, "short_factor": [1.0, 1.25, 1.5],
                "long_factor": [1.5, 2.0, 4.0], "partial_rotary_factor": 0.5, "original_max_position_embeddings": 14,
            },
        ),
    ),
    "olmo": (transformers.OlmoForCausalLM, transformers.OlmoConfig(**LLAMA)),
    "olmo2": (transformers.Olmo2ForCausalLM, transformers.Olmo2Config(**LLAMA)),
    "starcoder2": (
        transformers.Starcoder2ForCausalLM, transformers.Starcoder2Config(**LLAMA, sliding_window=6, use_bias=True),
    ),
    "starcoder2_bare": (
        transformers.Starcoder2ForCausalLM,
        transformers.Starcoder2Config(**LLAMA, sliding_window=None, use_bias=False, tie_word_embeddings=False),
    ),
    "falcon": (transformers.FalconForCausalLM, transformers.FalconConfig(**FALCON)),
    "falcon_groups": (
        transformers.FalconForCausalLM,
        transformers.FalconConfig(**FALCON, new_decoder_architecture=True, num_kv_heads=2, bias=True, ffn_hidden_size=40),
    ),
    "falcon_one_norm": (
        transformers.FalconForCausalLM,
        transformers.FalconConfig(
            **FALCON, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1, tie_word_embeddings=False,
        ),
    ),
    "falcon_alibi": (
        transformers.FalconForCausalLM,
        transformers.FalconConfig(**FALCON, alibi=True, multi_query=False, parallel_attn=False, bias=True),
    ),
    "mixtral": (
        transformers.MixtralForCausalLM,
        transformers.MixtralConfig(**LLAMA, num_local_experts=4, num_experts_per_tok=2, sliding_window=6),
    ),
    "qwen2_moe": (
        transformers.Qwen2MoeForCausalLM,
        transformers.Qwen2MoeConfig(
            **LLAMA, num_experts=5, num_experts_per_tok=3, moe_intermediate_size=24, shared_expert_intermediate_size=36,
        ),
    ),
    "qwen3_moe": (
        transformers.Qwen3MoeForCausalLM,
        transformers.Qwen3MoeConfig(
            **{**LLAMA, "num_hidden_layers": 3}, head_dim=16, num_experts=5, num_experts_per_tok=2,
            moe_intermediate_size=24, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[1],
        ),
    ),
    "opt": (
        transformers.OPTForCausalLM,
        transformers.OPTConfig(
            **{**TOKENS, "bos_token_id": 0}, vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, ffn_dim=40,
            num_attention_heads=4, max_position_embeddings=64,
        ),
    ),
    "gpt_neo": (
        transformers.GPTNeoForCausalLM,
        transformers.GPTNeoConfig(
            **TOKENS, vocab_size=VOCABULARY, hidden_size=32, num_layers=2, attention_types=[[["global", "local"], 1]],
            num_heads=4, max_position_embeddings=64, window_size=6,
        ),
    ),
    "bloom": (
        transformers.BloomForCausalLM,
        transformers.BloomConfig(**TOKENS, vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4),
    ),
    "cohere": (transformers.CohereForCausalLM, transformers.CohereConfig(**LLAMA, logit_scale=0.25)),
    "mpt": (
        transformers.MptForCausalLM,
        transformers.MptConfig(**TOKENS, vocab_size=VOCABULARY, d_model=32, n_layers=2, n_heads=4, max_seq_len=64),
    ),
    "stablelm": (transformers.StableLmForCausalLM, transformers.StableLmConfig(**LLAMA, use_qkv_bias=True)),
    "granite": (
        transformers.GraniteForCausalLM,
        transformers.GraniteConfig(
            **LLAMA, embedding_multiplier=3.0, attention_multiplier=0.25, residual_multiplier=0.5, logits_scaling=2.0,
        ),
    ),
    "smollm3": (
        transformers.SmolLM3ForCausalLM,
        transformers.SmolLM3Config(**{**LLAMA, "num_hidden_layers": 3}, no_rope_layer_interval=2, rope_theta=100.0),
    ),
    "opt_350m": (
        transformers.OPTForCausalLM,
        transformers.OPTConfig(
            **{**TOKENS, "bos_token_id": 0}, vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, ffn_dim=40,
            num_attention_heads=4, max_position_embeddings=64, do_layer_norm_before=False, word_embed_proj_dim=24,
        ),
    ),
    "opt_bare": (
        transformers.OPTForCausalLM,
        transformers.OPTConfig(
            **{**TOKENS, "bos_token_id": 0}, vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, ffn_dim=40,
            num_attention_heads=4, max_position_embeddings=64, enable_bias=False, layer_norm_elementwise_affine=False,
            activation_function="gelu", word_embed_proj_dim=40,
        ),
    ),
    "cohere_norms": (
        transformers.CohereForCausalLM, transformers.CohereConfig(**LLAMA, logit_scale=0.25, use_qk_norm=True),
    ),
    "mpt_clipped": (
        transformers.MptForCausalLM,
        transformers.MptConfig(
            **TOKENS, vocab_size=VOCABULARY, d_model=32, n_layers=2, n_heads=4, max_seq_len=64,
            attn_config=dict(clip_qkv=1.5, softmax_scale=0.25),
        ),
    ),
    "olmo_clipped": (transformers.OlmoForCausalLM, transformers.OlmoConfig(**LLAMA, clip_qkv=1.5)),
    "stablelm_parallel": (
        transformers.StableLmForCausalLM,
        transformers.StableLmConfig(**LLAMA, use_parallel_residual=True, qk_layernorm=True, tie_word_embeddings=True),
    ),
    "stablelm_norms": (
        transformers.StableLmForCausalLM, transformers.StableLmConfig(**LLAMA, qk_layernorm=True, partial_rotary_factor=0.5),
    ),
    "qwen2_moe_sliding": (
        transformers.Qwen2MoeForCausalLM,
        transformers.Qwen2MoeConfig(
            **{**LLAMA, "num_hidden_layers": 3}, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24,
            shared_expert_intermediate_size=36, use_sliding_window=True, sliding_window=6, max_window_layers=2,
        ),
    ),
    "gptj": (
        transformers.GPTJForCausalLM,
        transformers.GPTJConfig(**{**GPT2, "n_embd": 48}, n_inner=40, rotary_dim=6),
    ),
}

# Stored as on the hub, where transformers holds the tensors otherwise.
AS_SAVED = ["gpt_neox", "mixtral", "qwen2_moe", "qwen2_moe_sliding"]


def tokenizer():
    path = FOLDER / "tokenizer.json"
    if not path.exists():
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        made.train_from_iterator(SENTENCES, trainer)
        made.save(str(path))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(path), bos_token="<s>", eos_token="</s>", pad_token="</s>",
    )


def checkpoint(name, words):
    model_class, config = GENERATORS[name]
    torch.manual_seed(len(name) * 1000 + sum(map(ord, name)))
    model = model_class(config).eval()
    if name == "writer":
        learn(model, words)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            # Large enough that scores differ, and norms and biases that are not their own defaults.
            scale = 0.1 if "norm" in key or "ln_" in key or key.endswith("bias") else 0.35
            if name != "writer":
                parameter.add_(torch.randn_like(parameter) * scale)
            parameter.copy_(parameter.to(torch.bfloat16).float())
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    tied = getattr(config, "tie_word_embeddings", True)
    stored = as_saved(model) if name in AS_SAVED else model.state_dict()
    tensors = {
        key: value.to(torch.bfloat16).contiguous()
        for key, value in stored.items()
        if not (tied and key.startswith(("lm_head", "embed_out")))
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [model_class.__name__]
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True, default=str) + "\n")
    (folder / "golden.json").write_text(json.dumps(golden(model, words)) + "\n")


def as_saved(model):
    """The tensors as save_pretrained names and cuts them: experts one by one, as on the hub."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(pathlib.Path(folder) / "model.safetensors")


def learn(model, words):
    """Trains on the sentences until the model knows them by heart."""
    rows = [words(sentence)["input_ids"] + [1] for sentence in SENTENCES]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [1] * (longest - len(row)) for row in rows])
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(150):
        loss = model(ids, attention_mask=torch.ones_like(ids), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("writer: loss", loss.item())


def rounded(tensor):
    return [round(x, 6) for x in tensor.flatten().tolist()]


def golden(model, words):
    cases = []
    for prompt in PROMPTS:
        ids = torch.tensor([words(prompt)["input_ids"]])
        mask = torch.ones_like(ids)
        with torch.no_grad():
            logits = model(ids, attention_mask=mask).logits[0]
        common = dict(attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=True)
        greedy = model.generate(ids, **common)[0, ids.shape[1] :]
        without = model.generate(ids, **{**common, "use_cache": False})[0, ids.shape[1] :]
        assert greedy.tolist() == without.tolist(), prompt
        beams = model.generate(
            ids, **common, num_beams=BEAMS, num_return_sequences=BEAMS, output_scores=True, return_dict_in_generate=True,
        )
        cases.append(
            dict(
                prompt=prompt,
                ids=ids[0].tolist(),
                logits=rounded(logits[-2:]),
                greedy=greedy.tolist(),
                text=words.decode(greedy, skip_special_tokens=True),
                beams=[[int(t) for t in row[ids.shape[1] :]] for row in beams.sequences],
                beam_scores=rounded(beams.sequences_scores),
            )
        )
    # Packed texts are what padded ones are, on either side; factors of LongRoPE follow the longest text of a batch.
    if "long_factor" not in str(getattr(model.config, "rope_parameters", "")):
        check_padding(model, cases)
    return dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), cases=cases)


def check_padding(model, cases):
    longest = max(len(case["ids"]) for case in cases)
    for side in ("left", "right"):
        rows, masks = [], []
        for case in cases:
            pad, ids = [1] * (longest - len(case["ids"])), case["ids"]
            rows.append(pad + ids if side == "left" else ids + pad)
            masks.append([0] * len(pad) + [1] * len(ids) if side == "left" else [1] * len(ids) + [0] * len(pad))
        rows, masks = torch.tensor(rows), torch.tensor(masks)
        if side == "left":
            made = model.generate(rows, attention_mask=masks, max_new_tokens=NEW_TOKENS, do_sample=False)[:, longest:]
            for case, text in zip(cases, made.tolist()):
                assert text[: len(case["greedy"])] == case["greedy"], (case["prompt"], side)
        else:
            with torch.no_grad():
                logits = model(rows, attention_mask=masks).logits
            for case, scores in zip(cases, logits):
                last = scores[len(case["ids"]) - 1]
                wanted = torch.tensor(case["logits"][-len(last) :])
                assert torch.allclose(last, wanted, atol=1e-4 * max(1, wanted.abs().max())), (case["prompt"], side)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    words = tokenizer()
    for name in sys.argv[1:] or GENERATORS:
        checkpoint(name, words)
        print(name, flush=True)
