"""Classification of texts with onnxruntime: a model of DistilBERT's shape with seeded random weights.

Argument: the folder to make, which our side reads too. Measurements are named `FORM THREADS WORK`: the form `f32` or `int8`
(onnxruntime's dynamic quantisation), the work `32x64` (sequences × tokens). The graph is exported by PyTorch and optimised by
onnxruntime's own tool for BERT, as its users do; the better of both is taken.
"""

import pathlib
import sys

import numpy as np
import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from protocol import mean_seconds as seconds, serve
from tokenizers import Tokenizer, models

FOLDER = pathlib.Path(sys.argv[1])
PLAIN, FUSED, QUANTISED = (str(FOLDER / f"{name}.onnx") for name in ("plain", "fused", "int8"))


def make():
    torch.manual_seed(1)
    config = transformers.DistilBertConfig(num_labels=2)
    config.architectures = ["DistilBertForSequenceClassification"]
    model = transformers.DistilBertForSequenceClassification(config).eval()
    model.save_pretrained(FOLDER)
    # Neither side reads texts: it only has to be there.
    Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).save(str(FOLDER / "tokenizer.json"))
    ids = torch.ones(2, 8, dtype=torch.long)
    axes = {"ids": {0: "b", 1: "s"}, "mask": {0: "b", 1: "s"}, "logits": {0: "b"}}
    torch.onnx.export(
        model, (ids, ids), PLAIN, input_names=["ids", "mask"], output_names=["logits"], dynamic_axes=axes, dynamo=False,
        opset_version=17,
    )
    fused = optimizer.optimize_model(PLAIN, model_type="bert", num_heads=config.n_heads, hidden_size=config.dim)
    fused.save_model_to_file(FUSED)
    quantize_dynamic(PLAIN, QUANTISED, weight_type=QuantType.QInt8)


if not pathlib.Path(QUANTISED).exists():
    FOLDER.mkdir(parents=True, exist_ok=True)
    make()
PATHS = {"f32": [PLAIN, FUSED], "int8": [QUANTISED]}
sessions = {}


def session(path, threads):
    if (path, threads) not in sessions:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        sessions[path, threads] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return sessions[path, threads]


class Measurements(dict):
    def __missing__(self, name):
        form, threads, work = name.split(" ")
        n, length = map(int, work.split("x"))
        ids = (1000 + (np.arange(n)[:, None] * 7919 + np.arange(length)[None] * 104_729) % 20_000).astype(np.int64)
        feed = {"ids": ids, "mask": np.ones_like(ids)}
        runs = [lambda path=path: session(path, int(threads)).run(None, feed) for path in PATHS[form]]
        return lambda: {"seconds": min(map(seconds, runs))}


serve(Measurements())
