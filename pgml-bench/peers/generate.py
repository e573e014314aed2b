"""Text generation with llama.cpp and with transformers on PyTorch, on random weights in the shapes of real models.

Argument: the folder that `generation_models.py` made. Measurements are named `SIDE SHAPE FORM THREADS WORK`: the side
`llama.cpp` or `transformers`; the work `decode` (seconds for a token after a short prompt), `prompt` (seconds for a prompt of
512 tokens) or `first` (seconds until the first token after a prompt of 32). Each token is the one with the largest score.
"""

import ctypes
import pathlib
import sys
import time

import llama_cpp
import numpy as np
import torch
import transformers
from protocol import serve

FOLDER = pathlib.Path(sys.argv[1])
PROMPT, FIRST, DECODED = 512, 32, 24
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}

# It would say thousands of lines.
silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))


def tokens(n):
    """As our side makes them: what they are does not matter to the time."""
    return [1000 + (i * 104_729) % 20_000 for i in range(n)]


class LlamaCpp:
    def __init__(self, shape, form, threads):
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(str(FOLDER / shape / f"{form}.gguf").encode(), params)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_threads, params.n_threads_batch = 1024, 512, threads, threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.n = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        assert self.context and self.n > 0

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def read(self, ids):
        array = (llama_cpp.llama_token * len(ids))(*ids)
        assert llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(array, len(ids))) == 0
        logits = llama_cpp.llama_get_logits_ith(self.context, -1)
        return int(np.ctypeslib.as_array(logits, shape=(self.n,)).argmax())


class Transformers:
    def __init__(self, shape, form, threads):
        torch.set_num_threads(threads)
        self.threads = threads
        model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER / shape, dtype=DTYPES[form])
        self.model = model.eval()

    def clear(self):
        torch.set_num_threads(self.threads)
        self.cache = transformers.DynamicCache(config=self.model.config)

    def read(self, ids):
        with torch.inference_mode():
            out = self.model(torch.tensor([ids]), past_key_values=self.cache, use_cache=True, logits_to_keep=1)
            return int(out.logits[0, -1].argmax())


SIDES = {"llama.cpp": LlamaCpp, "transformers": Transformers}
loaded = {}


def model(side, shape, form, threads):
    """One at a time is in memory."""
    key = (side, shape, form, threads)
    if key not in loaded:
        loaded.clear()
        loaded[key] = SIDES[side](shape, form, int(threads))
    return loaded[key]


def measure(side, shape, form, threads, work):
    one = model(side, shape, form, threads)
    one.clear()
    if work == "decode":
        token = one.read(tokens(FIRST))
        token = one.read([token])
        start = time.perf_counter()
        for _ in range(DECODED):
            token = one.read([token])
        return (time.perf_counter() - start) / DECODED
    start = time.perf_counter()
    one.read(tokens(PROMPT if work == "prompt" else FIRST))
    return time.perf_counter() - start


class Measurements(dict):
    def __missing__(self, name):
        return lambda: {"seconds": measure(*name.split(" "))}


serve(Measurements())
