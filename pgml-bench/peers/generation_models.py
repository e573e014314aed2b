"""Models with seeded random weights in the shapes of real ones, for measuring time alone.

Argument: the folder to make. `<shape>/model.safetensors` is in bf16, `<shape>/<form>.gguf` has the same weights for llama.cpp,
in the form, without a tokenizer: both sides are given tokens. `<shape>/tokenizer.json`, for SQL, has a word for each token: `w0`,
`w1`, and so on. Shapes that are there already stay.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
import tokenizers
import torch
import transformers

SHAPES = {
    "gpt2": (gguf.MODEL_ARCH.GPT2, transformers.GPT2Config()),
    "qwen2.5-0.5b": (
        gguf.MODEL_ARCH.QWEN2,
        transformers.Qwen2Config(
            hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2,
            vocab_size=151936, max_position_embeddings=32768, rms_norm_eps=1e-6, tie_word_embeddings=True,
        ),
    ),
    "tinyllama-1.1b": (
        gguf.MODEL_ARCH.LLAMA,
        transformers.LlamaConfig(
            hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32, num_key_value_heads=4,
            vocab_size=32000, max_position_embeddings=2048,
        ),
    ),
}
FORMS = {"q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0}
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def settings(writer, config):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", 4 * config.hidden_size))
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(getattr(config, "num_key_value_heads", config.num_attention_heads))
    writer.add_layer_norm_eps(getattr(config, "layer_norm_epsilon", 1e-5))
    writer.add_layer_norm_rms_eps(getattr(config, "rms_norm_eps", 1e-5))
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")


def convert(folder, arch, config, tensors, form):
    path = folder / f"{form}.gguf"
    writer = gguf.GGUFWriter(path.with_suffix(".partial"), gguf.MODEL_ARCH_NAMES[arch])
    settings(writer, config)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for key, tensor in tensors.items():
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        array = tensor.float().numpy()
        if key.endswith(TRANSPOSED):
            array = np.ascontiguousarray(array.T)
        if array.ndim == 2 and "position" not in name:
            # The words and the output layer have 8 bits in files of 4, as those of llama.cpp's users do.
            kind = FORMS["q8_0"] if name.startswith(("token_embd", "output.")) else FORMS[form]
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    path.with_suffix(".partial").rename(path)


def words(folder, config):
    vocabulary = {f"w{i}": i for i in range(config.vocab_size)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))


def make(folder, arch, config):
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tensors = {key: tensor for key, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        tensors.pop("lm_head.weight")
    words(folder, config)
    for form in FORMS:
        convert(folder, arch, config, tensors, form)
    for file in folder.iterdir():
        # The server's user reads them too.
        file.chmod(0o644)
    (folder / "complete").write_text(json.dumps(dict(transformers=transformers.__version__)))


for name, (arch, config) in SHAPES.items():
    folder = pathlib.Path(sys.argv[1]) / name
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, arch, config)
