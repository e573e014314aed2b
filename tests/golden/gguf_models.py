"""Checkpoints of `generators/` as GGUF files, in the layout of llama.cpp, and a tokenizer of SentencePiece's kind.

Writes `gguf/<name>/model.gguf`: norms and biases in single precision, matrices in half precision, which is exact but for the
smallest numbers. What they compute is in `generators/<name>/golden.json`; for `gemma2` and `gemma3`, whose files cannot say
by what scores are divided and which layers slide, in their own `golden.json`, by transformers with what llama.cpp takes for
granted.
`gguf/pieces/model.gguf` has a tokenizer of pieces with scores and nothing else; `gguf/pieces/golden.json` is what llama.cpp's
tokenizer makes of some texts. With the argument `check`, llama.cpp computes all files too, and how far it is apart is printed.

Versions: gguf 0.19.0, torch 2.15.0, transformers 5.23.0, llama-cpp-python 0.3.36. Run: python gguf_models.py [check]
"""

import json
import pathlib
import sys

import gguf
import llama_cpp
import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from generators import SENTENCES

HERE = pathlib.Path(__file__).parent
ARCHITECTURES = {
    "gpt2": gguf.MODEL_ARCH.GPT2, "writer": gguf.MODEL_ARCH.GPT2, "llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3, "gemma": gguf.MODEL_ARCH.GEMMA, "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3": gguf.MODEL_ARCH.GEMMA3, "llama_3": gguf.MODEL_ARCH.LLAMA,
}
TEXTS = [
    "The river is wide", "  two spaces and\nlines\n\n", "naïve 水 and 🦀", "ferries </s> and <s>", "12345 67", "", " ", "unseen: ŵ",
]


def paired(weight, n_heads):
    """Rows that are turned together side by side, as llama.cpp's kernels for LLaMA want them."""
    rows = weight.shape[0]
    return weight.reshape(n_heads, 2, rows // n_heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def changed(name, key, array, config):
    """What llama.cpp's conversion does to a tensor."""
    if name.startswith("llama") and "q_proj" in key:
        return paired(array, config["num_attention_heads"])
    if name.startswith("llama") and "k_proj" in key:
        return paired(array, config["num_key_value_heads"])
    if name.startswith("gemma") and key.endswith("norm.weight"):
        return array + 1
    if name in ("gpt2", "writer") and any(part in key for part in ["c_attn.weight", "c_proj.weight", "c_fc.weight"]):
        return np.ascontiguousarray(array.T)
    return array


def settings(writer, name, config):
    get = lambda *keys: next((config[key] for key in keys if config.get(key) is not None), None)
    width, heads = get("hidden_size", "n_embd"), get("num_attention_heads", "n_head")
    writer.add_context_length(get("max_position_embeddings", "n_positions"))
    writer.add_embedding_length(width)
    writer.add_block_count(get("num_hidden_layers", "n_layer"))
    writer.add_feed_forward_length(get("intermediate_size") or 4 * width)
    writer.add_head_count(heads)
    writer.add_file_type(1)
    if "n_embd" in config:
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
        return
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    head_dim = get("head_dim") or width // heads
    writer.add_rope_dimension_count(head_dim)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    rope = config.get("rope_parameters") or {}
    writer.add_rope_freq_base((rope.get("full_attention") or rope).get("rope_theta", 10000.0))
    if name in ("gemma2", "gemma3"):
        writer.add_sliding_window(config["sliding_window"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if name == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])


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


def write(name, folder, tokens):
    source = HERE / "generators" / name
    config = json.loads((source / "config.json").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    arch = ARCHITECTURES[name]
    writer = gguf.GGUFWriter(folder / "model.gguf", gguf.MODEL_ARCH_NAMES[arch])
    settings(writer, name, config)
    tokens(writer)
    names = gguf.get_tensor_name_map(arch, 2)
    for key, tensor in load_file(source / "model.safetensors").items():
        array = changed(name, key, tensor.float().numpy(), config)
        # Models of transformers have their tensors under a name that the map does not have.
        new = names.get_name(key, try_suffixes=(".weight", ".bias"))
        matrix = array.ndim == 2 and "position" not in new
        writer.add_tensor(new, array.astype(np.float16) if matrix else array.astype(np.float32))
    if name == "llama_3":
        writer.add_tensor("rope_freqs.weight", rope_factors(config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check(name, folder):
    """The same file computes in llama.cpp, which rounds inputs to half precision, about what the checkpoint does."""
    model = llama_cpp.Llama(str(folder / "model.gguf"), n_ctx=64, logits_all=True, verbose=False)
    own = folder / "golden.json"
    golden = json.loads((own if own.exists() else HERE / "generators" / name / "golden.json").read_text())
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


def gemma(name):
    """What the weights compute when scores are divided by the root of a head's width, and every layer of Gemma 3 slides."""
    source, folder = HERE / "generators" / name, HERE / "gguf" / name
    config = transformers.AutoConfig.from_pretrained(source)
    config.query_pre_attn_scalar = config.head_dim
    if name == "gemma3":
        config.layer_types = ["sliding_attention"] * 2
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source, config=config, dtype=torch.float32, attn_implementation="eager",
    ).eval()
    golden = json.loads((source / "golden.json").read_text())
    for case in golden["cases"]:
        ids = torch.tensor([case["ids"]])
        with torch.no_grad():
            case["logits"] = [round(x, 6) for x in model(ids).logits[0, -2:].flatten().tolist()]
        greedy = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        case["greedy"] = greedy[0, ids.shape[1] :].tolist()
        del case["beams"], case["beam_scores"], case["text"]
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        for name in ARCHITECTURES:
            check(name, HERE / "gguf" / name)
    else:
        for name in ARCHITECTURES:
            write(name, HERE / "gguf" / name, byte_tokens)
        pieces()
        gemma("gemma2")
        gemma("gemma3")
