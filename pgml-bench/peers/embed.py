"""MiniLM with onnxruntime and with sentence-transformers, on the real weights.

Arguments: the model's folder, a file of texts as JSON. Measurements are named `SIDE THREADS WORK`: the side `onnx`,
`onnx-int8` or `torch`; the work `32x64` (sequences × tokens) or `texts` (with onnxruntime padded to the longest of a batch
of 32, after sorting by length, as sentence-transformers does).

The ONNX graph is written here from the checkpoint and then optimised for BERT by onnxruntime's own tool (fused attention,
GELU and layer norms), as its users do.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from protocol import mean_seconds as seconds, serve
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

FOLDER = pathlib.Path(sys.argv[1])
TEXTS = json.loads(pathlib.Path(sys.argv[2]).read_text()) if len(sys.argv) > 2 else []
BATCH = 32
CONFIG = json.loads((FOLDER / "config.json").read_text())
WIDTH, HEADS = CONFIG["hidden_size"], CONFIG["num_attention_heads"]
SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="pgml-bench-onnx-"))


class Graph:
    """A graph under construction."""

    def __init__(self, weights):
        self.weights, self.nodes, self.initializers = weights, [], []

    def constant(self, name, value):
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def linear(self, x, key):
        weight = self.constant(f"{key}.weight", np.ascontiguousarray(self.weights[f"{key}.weight"].T))
        product = self.node("MatMul", [x, weight], f"{key}.product")
        return self.node("Add", [product, self.constant(f"{key}.bias", self.weights[f"{key}.bias"])], f"{key}.sum")

    def norm(self, x, key):
        scale, bias = (self.constant(f"{key}.{part}", self.weights[f"{key}.{part}"]) for part in ("weight", "bias"))
        return self.node("LayerNormalization", [x, scale, bias], f"{key}.norm", axis=-1, epsilon=1e-12)

    def heads(self, x, key, order):
        split = self.node("Reshape", [x, "split"], f"{key}.split")
        return self.node("Transpose", [split], f"{key}.heads", perm=order)

    def layer(self, x, i):
        key = f"encoder.layer.{i}"
        of = {name: self.linear(x, f"{key}.attention.self.{name}") for name in ("query", "key", "value")}
        query, value = (self.heads(of[name], f"{key}.{name}", [0, 2, 1, 3]) for name in ("query", "value"))
        keys = self.heads(of["key"], f"{key}.key", [0, 2, 3, 1])
        scores = self.node("Div", [self.node("MatMul", [query, keys], f"{key}.scores"), "root"], f"{key}.scaled")
        weights = self.node("Softmax", [self.node("Add", [scores, "mask.added"], f"{key}.masked")], f"{key}.weights", axis=-1)
        gathered = self.node("Transpose", [self.node("MatMul", [weights, value], f"{key}.gathered")], f"{key}.back", perm=[0, 2, 1, 3])
        joined = self.node("Reshape", [gathered, "join"], f"{key}.joined")
        attended = self.norm(self.node("Add", [self.linear(joined, f"{key}.attention.output.dense"), x], f"{key}.plus"), f"{key}.attention.output.LayerNorm")
        inner = self.linear(attended, f"{key}.intermediate.dense")
        error = self.node("Add", [self.node("Erf", [self.node("Div", [inner, "root2"], f"{key}.over")], f"{key}.erf"), "one"], f"{key}.one")
        gelu = self.node("Mul", [self.node("Mul", [inner, error], f"{key}.times"), "half"], f"{key}.gelu")
        return self.norm(self.node("Add", [self.linear(gelu, f"{key}.output.dense"), attended], f"{key}.plus2"), f"{key}.output.LayerNorm")

    def build(self, path):
        for name, value in [("root", np.float32((WIDTH / HEADS) ** 0.5)), ("root2", np.float32(2**0.5)), ("one", np.float32(1)), ("half", np.float32(0.5)), ("zero", np.int64(0)), ("step", np.int64(1)), ("far", np.float32(-10_000))]:
            self.constant(name, value)
        self.constant("split", np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
        self.constant("join", np.array([0, 0, WIDTH], np.int64))
        for table in ("word", "position", "token_type"):
            self.constant(f"table.{table}", self.weights[f"embeddings.{table}_embeddings.weight"])
        words = self.node("Gather", ["table.word", "ids"], "words")
        length = self.node("Gather", [self.node("Shape", ["ids"], "shape"), "step"], "length")
        places = self.node("Gather", ["table.position", self.node("Range", ["zero", length, "step"], "range")], "places")
        types = self.node("Gather", ["table.token_type", "zero"], "types")
        embedded = self.node("Add", [self.node("Add", [words, places], "placed"), types], "embedded")
        x = self.norm(embedded, "embeddings.LayerNorm")
        reversed_mask = self.node("Sub", ["one", "mask"], "unmasked")
        axes = self.constant("axes", np.array([1, 2], np.int64))
        self.node("Unsqueeze", [self.node("Mul", [reversed_mask, "far"], "mask.far"), axes], "mask.added")
        for i in range(CONFIG["num_hidden_layers"]):
            x = self.layer(x, i)
        inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "s"]), helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["b", "s"])]
        outputs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["b", "s", WIDTH])]
        graph = helper.make_graph(self.nodes, "bert", inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        onnx.save(model, path)


def exported():
    plain, fused, quantised = (str(SCRATCH / name) for name in ("plain.onnx", "fused.onnx", "int8.onnx"))
    Graph(load_file(FOLDER / "model.safetensors")).build(plain)
    optimizer.optimize_model(plain, model_type="bert", num_heads=HEADS, hidden_size=WIDTH).save_model_to_file(fused)
    quantize_dynamic(plain, quantised, weight_type=QuantType.QInt8)
    return {"onnx": [plain, fused], "onnx-int8": [quantised]}


PATHS = exported()
TOKENIZER = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
TOKENIZER.enable_truncation(256)
TOKENIZER.no_padding()
TORCH = SentenceTransformer(str(FOLDER), device="cpu")
sessions = {}


def session(path, threads):
    if (path, threads) not in sessions:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        sessions[path, threads] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return sessions[path, threads]


def pooled(path, threads, ids, mask):
    hidden = session(path, threads).run(None, {"ids": ids, "mask": mask})[0]
    mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def onnx_texts(path, threads):
    encodings = TOKENIZER.encode_batch_fast(TEXTS)
    encodings.sort(key=lambda encoding: -len(encoding.ids))
    for start in range(0, len(encodings), BATCH):
        batch = [encoding.ids for encoding in encodings[start : start + BATCH]]
        ids, mask = np.zeros((len(batch), len(batch[0])), np.int64), np.zeros((len(batch), len(batch[0])), np.float32)
        for i, row in enumerate(batch):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        pooled(path, threads, ids, mask)


def made_up(work):
    n, length = map(int, work.split("x"))
    ids = 1000 + (np.arange(n)[:, None] * 7919 + np.arange(length)[None] * 104_729) % 20_000
    return ids.astype(np.int64), np.ones((n, length), np.float32)


def torch_work(threads, work):
    torch.set_num_threads(threads)
    if work == "texts":
        return lambda: TORCH.encode(TEXTS, batch_size=BATCH)
    ids, mask = made_up(work)
    features = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask).long()}

    def forward():
        with torch.inference_mode():
            TORCH({name: value.clone() for name, value in features.items()})

    return forward


class Measurements(dict):
    def __missing__(self, name):
        return lambda: {"seconds": self.measure(*name.split(" "))}

    def measure(self, side, threads, work):
        threads = int(threads)
        if side == "torch":
            return seconds(torch_work(threads, work))
        if work == "texts":
            return min(seconds(lambda: onnx_texts(path, threads)) for path in PATHS[side])
        ids, mask = made_up(work)
        # The better of the two graphs: fusing does not always pay.
        return min(seconds(lambda: pooled(path, threads, ids, mask)) for path in PATHS[side])


serve(Measurements())
