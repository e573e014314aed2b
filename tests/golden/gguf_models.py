"""Checkpoints of `generators/` as GGUF files, in the layout of llama.cpp, and tokenizers of every kind.

Writes `gguf/<name>/model.gguf`: norms and biases in single precision, matrices in half precision, which is exact but for the
smallest numbers. `mixtral` is in three parts; `mixtral_old` is as files were before experts were put into one tensor, `phi_old` as
they were when queries, keys and values were one and heads did not share keys. What they compute is in
`generators/<name>/golden.json`; where files cannot say all that the checkpoint says (by what scores are divided, which layers
slide), in their own `golden.json`, by transformers with what llama.cpp takes for granted.
`gguf/pieces/model.gguf` has a tokenizer of pieces with scores and nothing else; `gguf/pieces/golden.json` is what llama.cpp's
tokenizer makes of some texts. `gguf/cuts/model.gguf` has byte pairs that were learnt across words, and `gguf/cuts/golden.json`
what llama.cpp makes of texts under every name of a way to cut them. With the argument `check`, llama.cpp computes all files
too, and how far it is apart is printed; of the windows of `phi3` it knows nothing, and its `phi3_long` is that of long texts.

Versions: gguf 0.19.0, torch 2.15.0, transformers 5.23.0, llama-cpp-python 0.3.36. Run: python gguf_models.py [check]
"""

import json
import pathlib
import re
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from generators import SENTENCES

HERE = pathlib.Path(__file__).parent
ARCH = gguf.MODEL_ARCH
ARCHITECTURES = {
    "gpt2": ARCH.GPT2, "writer": ARCH.GPT2, "llama": ARCH.LLAMA, "qwen2": ARCH.QWEN2, "qwen3": ARCH.QWEN3, "gemma": ARCH.GEMMA,
    "gemma2": ARCH.GEMMA2, "gemma3": ARCH.GEMMA3, "llama_3": ARCH.LLAMA, "phi": ARCH.PHI2, "phi_old": ARCH.PHI2,
    "phi3": ARCH.PHI3, "phi3_long": ARCH.PHI3, "mixtral": ARCH.LLAMA, "mixtral_old": ARCH.LLAMA, "qwen2_moe": ARCH.QWEN2MOE,
    "qwen3_moe": ARCH.QWEN3MOE, "starcoder2": ARCH.STARCODER2, "falcon": ARCH.FALCON,
    "falcon_groups": ARCH.FALCON, "falcon_one_norm": ARCH.FALCON, "gpt_neox": ARCH.GPTNEOX, "gpt_neox_serial": ARCH.GPTNEOX,
    "olmo": ARCH.OLMO, "olmo2": ARCH.OLMO2, "bloom": ARCH.BLOOM, "mpt": ARCH.MPT, "stablelm": ARCH.STABLELM,
    "cohere": ARCH.COMMAND_R, "granite": ARCH.GRANITE, "smollm3": ARCH.SMOLLM3,
}
# What llama.cpp takes for granted of models whose files do not say it.
GRANTED = {
    "gemma2": dict(query_pre_attn_scalar=16),
    "gemma3": dict(query_pre_attn_scalar=16, layer_types=["sliding_attention"] * 2),
    "mixtral": dict(sliding_window=None),
    "mixtral_old": dict(sliding_window=None),
    "starcoder2": dict(sliding_window=None),
    "falcon_groups": dict(bias=False),
    "qwen3_moe": dict(mlp_only_layers=[]),
    "smollm3": dict(no_rope_layer_interval=4, no_rope_layers=[1, 1, 1]),
}
PAIRED = ("llama", "mixtral", "olmo", "granite", "smollm3")
JOINED = ("falcon", "gpt_neox", "bloom")
# Matrices that are few and small, or choose experts, are in single precision.
SINGLE = ("position", "ffn_gate_inp")
TEXTS = [
    "The river is wide", "  two spaces and\nlines\n\n", "naïve 水 and 🦀", "ferries </s> and <s>", "12345 67", "", " ", "unseen: ŵ",
]


# Names of ways to cut texts, as `tokenizer.ggml.pre` has them.
CUTS = [
    "gpt-2", "phi-2", "mpt", "olmo", "jais", "roberta-bpe", "llama-bpe", "falcon3", "pixtral", "qwen2", "stablelm2", "megrez",
    "deepseek-r1-qwen", "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "falcon",
    "deepseek-llm", "deepseek-coder", "deepseek-v3", "dbrx", "smaug-bpe", "chatglm-bpe", "tekken", "gpt-4o", "llama4", "bloom",
    "poro-chat", "gpt3-finnish", "viking", "trillion", "granite-docling", "exaone4", "hunyuan",
]
CUT_TEXTS = SENTENCES[:3] + [
    "It's 1999, she'll say: I'VE 12345678 ideas; we'd (perhaps) buy 3.14 kg!",
    "HTTPServer getElementById snakeCaseName ABCdef XMLHttpRequest McDonald's DON'T",
    "  two  spaces\tand a tab\n\n\nthree lines \n \r\nwindows\r\n   end   ",
    "for (int i=0; i<10; ++i) { a[i] += b->c[i]/2; } // done\n\t\treturn x;",
    "price: $5.00 + 10% = \u20ac7,50 ~ `code` | a^b \\ path/to/file.txt",
    "na\u00efve caf\u00e9 \u00dcber stra\u00dfe \u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u03b1\u03b2\u03b3",
    "\u6c34\u306f\u6d41\u308c\u308b\u3002\u6c34 \u7684 2024\u5e7410\u6708\uff0c\u4f60\u597d\uff01 \ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0628\u0627\u0644\u0639\u0631\u0628\u064a\u0629\u060c \u0e44\u0e17\u0e22 e\u0301a\u0300 \U0001f980\U0001f468\u200d\U0001f469 \u00b2\u00bd\u216b \u0967\u0968\u0969",
    "a zebra zebra.zebra 1000000 10 100 1000 10000 x1y22z333",
    "\u2018quotes\u2019 \u201cmore\u201d \u2014 dash\u2026 end.\u00a0nbsp",
    "", " ", "\n",
]


def paired(weight, n_heads):
    """Rows that are turned together side by side, as llama.cpp's kernels for LLaMA want them."""
    rows = weight.shape[0]
    return weight.reshape(n_heads, 2, rows // n_heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def joined(tensor, n_heads, n_kv_heads):
    """Queries, then keys, then values, which checkpoints have side by side for each group of heads."""
    head_dim, group = tensor.shape[0] // (n_heads + 2 * n_kv_heads), n_heads // n_kv_heads
    groups = tensor.reshape(n_kv_heads, group + 2, head_dim, *tensor.shape[1:])
    parts = [groups[:, :group], groups[:, group], groups[:, group + 1]]
    return np.concatenate([part.reshape(-1, *tensor.shape[1:]) for part in parts])


def checkpoint(name):
    """Configuration and tensors of what a file is made from."""
    source = HERE / "generators" / name.removesuffix("_old")
    config = json.loads((source / "config.json").read_text())
    tensors = load_file(source / "model.safetensors")
    if name == "falcon_groups":
        tensors = {key: tensor for key, tensor in tensors.items() if ".ln_" in key or not key.endswith(".bias")}
    if name == "phi_old":
        config["num_key_value_heads"] = heads = config["num_attention_heads"]
        for key in [key for key in tensors if "q_proj" in key]:
            query, *others = [tensors.pop(key.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
            shared = heads * others[0].shape[0] // query.shape[0]
            others = [other.reshape(shared, -1, *other.shape[1:]).repeat_interleave(heads // shared, 0) for other in others]
            tensors[key.replace("q_proj", "qkv_proj")] = torch.cat([query] + [other.reshape(query.shape) for other in others])
    if name == "qwen3_moe":
        # The layer without experts, which llama.cpp cannot have.
        tensors = {key.replace(".2.", ".1."): tensor for key, tensor in tensors.items() if "layers.1." not in key}
        config["num_hidden_layers"] = 2
    return config, tensors


def changed(name, key, array, config):
    """What llama.cpp's conversion does to a tensor."""
    heads = config.get("num_attention_heads") or config.get("n_head")
    if name.startswith(PAIRED) and name != "olmo2" and "q_proj" in key:
        return paired(array, heads)
    if name.startswith(PAIRED) and name != "olmo2" and "k_proj" in key:
        return paired(array, config["num_key_value_heads"])
    if name.startswith(JOINED) and "query_key_value" in key:
        return joined(array, heads, kv_heads(config) or heads)
    if name.startswith("gemma") and key.endswith("norm.weight"):
        return array + 1
    if name in ("gpt2", "writer") and any(part in key for part in ["c_attn.weight", "c_proj.weight", "c_fc.weight"]):
        return np.ascontiguousarray(array.T)
    return array


def kv_heads(config):
    if config["model_type"] == "falcon":
        return config["num_kv_heads"] if config["new_decoder_architecture"] else 1
    return config.get("num_key_value_heads")


def settings(writer, name, config):
    get = lambda *keys: next((config[key] for key in keys if config.get(key) is not None), None)
    width, heads = get("hidden_size", "n_embd", "d_model"), get("num_attention_heads", "n_head", "n_heads")
    rope = config.get("rope_parameters") or {}
    rope = rope.get("full_attention") or rope
    writer.add_context_length(get("max_position_embeddings", "n_positions", "max_seq_len") or 64)
    writer.add_embedding_length(width)
    writer.add_block_count(get("num_hidden_layers", "n_layer", "n_layers"))
    writer.add_feed_forward_length(get("intermediate_size", "ffn_hidden_size") or 4 * width)
    writer.add_head_count(heads)
    writer.add_file_type(1)
    if kv := kv_heads(config):
        writer.add_head_count_kv(kv)
    if eps := get("layer_norm_epsilon", "layer_norm_eps", "norm_epsilon"):
        writer.add_layer_norm_eps(eps)
    elif name == "olmo":
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if rope:
        head_dim = get("head_dim") or width // heads
        writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
        if get("head_dim") or name.startswith(("llama", "gemma", "qwen")):
            writer.add_key_length(head_dim)
            writer.add_value_length(head_dim)
        writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    if name in ("gemma2", "gemma3"):
        writer.add_sliding_window(config["sliding_window"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if name == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
    if experts := get("num_local_experts", "num_experts"):
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config["num_experts_per_tok"])
    if inner := get("moe_intermediate_size"):
        writer.add_expert_feed_forward_length(inner)
    if inner := get("shared_expert_intermediate_size"):
        writer.add_expert_shared_feed_forward_length(inner)
    if name.startswith("phi3"):
        writer.add_sliding_window(config["sliding_window"] or 0)
    if name == "phi3_long":
        original = rope["original_max_position_embeddings"]
        writer.add_rope_scaling_orig_ctx_len(original)
        longer = config["max_position_embeddings"] / original
        writer.add_rope_scaling_attn_factors((1 + np.log(longer) / np.log(original)) ** 0.5)
    if name.startswith("gpt_neox"):
        writer.add_parallel_residual(config["use_parallel_residual"])
    if name == "falcon":
        writer.add_tensor_data_layout("jploski")
    if name == "mpt":
        writer.add_max_alibi_bias(config["attn_config"]["alibi_bias_max"])
    if name == "cohere":
        writer.add_logit_scale(config["logit_scale"])
    if name == "granite":
        writer.add_attention_scale(config["attention_multiplier"])
        writer.add_embedding_scale(config["embedding_multiplier"])
        writer.add_residual_scale(config["residual_multiplier"])
        writer.add_logit_scale(config["logits_scaling"])


def rope_factors(config):
    """By what LLaMA 3.1 divides each frequency, which its files have as a tensor."""
    rope, head_dim = config["rope_parameters"], config["head_dim"]
    frequencies = rope["rope_theta"] ** (-np.arange(0, head_dim, 2) / head_dim)
    waves = rope["original_max_position_embeddings"] * frequencies / (2 * np.pi)
    kept = np.clip((waves - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"]), 0, 1)
    return (1 / ((1 - kept) / rope["factor"] + kept)).astype(np.float32)


def byte_tokens(writer):
    stored = json.loads((HERE / "generators" / "tokenizer.json").read_text())
    words = sorted(stored["model"]["vocab"].items(), key=lambda word: word[1])
    special = {token["content"] for token in stored["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([word for word, _ in words])
    writer.add_token_types([3 if word in special else 1 for word, _ in words])
    writer.add_token_merges([" ".join(merge) for merge in stored["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)


def piece_tokens(writer, n):
    """Pieces of words with their space, learnt as byte pairs are, scored by how early they were learnt."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(vocab_size=n - 259, special_tokens=[])
    made.train_from_iterator(SENTENCES, trainer)
    learnt = sorted(made.get_vocab().items(), key=lambda word: word[1])
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + [word for word, _ in learnt]
    scores = [0.0] * 259 + [-float(rank) for rank in range(len(learnt))]
    tokens += [f"<unused_{i}>" for i in range(n - len(tokens))]
    scores += [-1e9] * (n - len(scores))
    types = [2, 3, 3] + [6] * 256 + [1] * len(learnt)
    types += [5] * (n - len(types))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{{ eos_token }}{% endfor %}")


EXPERT = re.compile(r"layers\.(\d+)\..*experts\.(?:(\d+)\.)?(\w+?)(?:_proj)?(?:\.weight)?$")
EXPERT_PARTS = {"w1": "gate", "w2": "down", "w3": "up"}


def experts(name, arrays):
    """The tensors of experts, one for all of a layer, or one for each in old files; what is left of `arrays` is no expert's."""
    stacks, made = {}, {}
    for key in [key for key in arrays if "experts." in key]:
        layer, expert, part = EXPERT.search(key).groups()
        array = arrays.pop(key)
        if part == "gate_up":
            half = array.shape[1] // 2
            made[f"blk.{layer}.ffn_gate_exps.weight"], made[f"blk.{layer}.ffn_up_exps.weight"] = array[:, :half], array[:, half:]
        elif expert is None:
            made[f"blk.{layer}.ffn_{part}_exps.weight"] = array
        elif name == "mixtral_old":
            made[f"blk.{layer}.ffn_{EXPERT_PARTS[part]}.{expert}.weight"] = array
        else:
            stack = f"blk.{layer}.ffn_{EXPERT_PARTS.get(part, part)}_exps.weight"
            stacks.setdefault(stack, {})[int(expert)] = array
    made |= {stack: np.stack([arrays[i] for i in sorted(arrays)]) for stack, arrays in stacks.items()}
    return {key: np.ascontiguousarray(array) for key, array in made.items()}


def write(name, folder, tokens):
    config, tensors = checkpoint(name)
    folder.mkdir(parents=True, exist_ok=True)
    arch = ARCHITECTURES[name]
    parts = dict(split_max_tensors=10) if name == "mixtral" else {}
    writer = gguf.GGUFWriter(folder / "model.gguf", gguf.MODEL_ARCH_NAMES[arch], **parts)
    settings(writer, name, config)
    tokens(writer)
    names = gguf.get_tensor_name_map(arch, 3)
    arrays = {key: changed(name, key, tensor.float().numpy(), config) for key, tensor in tensors.items()}
    made = experts(name, arrays)
    # Models of transformers have their tensors under a name that the map does not have.
    known = lambda key: names.get_name(key, try_suffixes=(".weight", ".bias"))
    renamed = lambda key: known(key) or known(key.removeprefix("transformer."))
    made |= {renamed(key): array for key, array in arrays.items()}
    if name == "gpt_neox_serial":
        made["output.weight"] = made["token_embd.weight"]
    for new, array in made.items():
        matrix = array.ndim > 1 and not any(part in new for part in SINGLE)
        writer.add_tensor(new, array.astype(np.float16) if matrix else array.astype(np.float32))
    if name == "llama_3":
        writer.add_tensor("rope_freqs.weight", rope_factors(config))
    for kind in ("short", "long") if name == "phi3_long" else ():
        writer.add_tensor(f"rope_factors_{kind}.weight", np.float32(config["rope_parameters"][f"{kind}_factor"]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check(name, folder):
    """The same file computes in llama.cpp, which rounds inputs to half precision, about what the checkpoint does."""
    model = llama_cpp.Llama(str(sorted(folder.glob("model*.gguf"))[0]), n_ctx=64, logits_all=True, verbose=False)
    own = folder / "golden.json"
    golden = json.loads((own if own.exists() else HERE / "generators" / name.removesuffix("_old") / "golden.json").read_text())
    for case in golden["cases"]:
        model.reset()
        model.eval(case["ids"])
        scores = model.scores[len(case["ids"]) - 1]
        wanted = np.array(case["logits"][-len(scores) :])
        print("-", name, len(case["ids"]), "differs by", abs(scores - wanted).max(), "of", abs(wanted).max(), flush=True)


def pieces():
    folder = HERE / "gguf" / "pieces"
    folder.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
    settings(writer, "llama", json.loads((HERE / "generators" / "llama" / "config.json").read_text()))
    piece_tokens(writer, 500)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = llama_cpp.Llama(str(folder / "model.gguf"), vocab_only=True, verbose=False)
    ids = lambda text: model.tokenize(text.encode(), add_bos=True, special=True)
    (folder / "golden.json").write_text(json.dumps([dict(text=text, ids=ids(text)) for text in TEXTS]) + "\n")


def cuts():
    """Byte pairs of texts that were not cut at all: where a pre-tokenizer cuts, a pair is not merged."""
    folder = HERE / "gguf" / "cuts"
    folder.mkdir(parents=True, exist_ok=True)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=1500, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    made.train_from_iterator([text.replace("zebra", "z") for text in CUT_TEXTS for _ in range(3)], trainer)
    stored = json.loads(made.to_str())["model"]
    words = [word for word, _ in sorted(stored["vocab"].items(), key=lambda word: word[1])]
    # Words that no merges make: only who takes whole pieces as they are finds them.
    words += ["<s>", "</s>", "zebra", "\u0120zebra"]
    base = [words, [" ".join(merge) for merge in stored["merges"]]]
    golden = {}
    for pre in CUTS:
        path = folder / f"{pre}.gguf"
        cut_file(path, pre, *base)
        model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
        golden[pre] = [model.tokenize(text.encode(), add_bos=True, special=True) for text in CUT_TEXTS]
        path.unlink()
    cut_file(folder / "model.gguf", "gpt-2", *base)
    (folder / "golden.json").write_text(json.dumps(dict(texts=CUT_TEXTS, ids=golden)) + "\n")


def cut_file(path, pre, words, merges):
    writer = gguf.GGUFWriter(path, "llama")
    settings(writer, "llama", json.loads((HERE / "generators" / "llama" / "config.json").read_text()))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(words)
    writer.add_token_types([3 if word in ("<s>", "</s>") else 1 for word in words])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(words.index("<s>"))
    writer.add_eos_token_id(words.index("</s>"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def granted(name):
    """What the weights compute with what llama.cpp takes for granted."""
    config, tensors = checkpoint(name)
    with tempfile.TemporaryDirectory() as source:
        (pathlib.Path(source) / "config.json").write_text(json.dumps({**config, **GRANTED[name]}))
        save_file(tensors, f"{source}/model.safetensors", metadata=dict(format="pt"))
        model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager")
    model.eval()
    golden = json.loads((HERE / "generators" / name.removesuffix("_old") / "golden.json").read_text())
    for case in golden["cases"]:
        ids = torch.tensor([case["ids"]])
        with torch.no_grad():
            case["logits"] = [round(x, 6) for x in model(ids).logits[0, -2:].flatten().tolist()]
        greedy = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        case["greedy"] = greedy[0, ids.shape[1] :].tolist()
        del case["beams"], case["beam_scores"], case["text"]
    (HERE / "gguf" / name / "golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        # llama.cpp reads files of the old kind no more.
        for name in ARCHITECTURES.keys() - {"mixtral_old"}:
            check(name, HERE / "gguf" / name)
    else:
        for name in ARCHITECTURES:
            write(name, HERE / "gguf" / name, byte_tokens)
        pieces()
        cuts()
        for name in GRANTED:
            granted(name)
