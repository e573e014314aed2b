"""Writes `gguf_blocks.json`: blocks of weights as GGUF files have them, and the numbers that they stand for.

Made with gguf 0.19.0 (the package of llama.cpp) and numpy 2.4.6:

    python tests/golden/gguf_blocks.py
"""

import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

rng = np.random.default_rng(1)


def hex_of(blocks):
    return np.ascontiguousarray(blocks).tobytes().hex()


def exact(values):
    return [float(v) for v in np.asarray(values, np.float32).ravel()]


def rows(large=3e4):
    """32 weights a row: usual ones, tiny and large ones, all zero, ties between codes, the largest being negative."""
    usual = rng.normal(size=(4, 32)) * np.array([[0.02], [1.0], [1e-7], [large]])
    ties = np.concatenate([[-127.0], np.arange(-15.5, 15.5)])
    negative = np.linspace(-1.0, 0.7, 32)
    return np.stack([*usual, np.zeros(32), ties, negative, -negative]).astype(np.float32)


def quantized(kind, large=3e4):
    x = rows(large)
    blocks = quants.quantize(x, kind)
    return {"x": exact(x), "blocks": hex_of(blocks), "values": exact(quants.dequantize(blocks, kind))}


def random_blocks(kind, halves):
    """Any bytes make a block; its half-precision numbers, at `halves`, are finite."""
    size = GGML_QUANT_SIZES[kind][1]
    blocks = rng.integers(0, 256, size=(3, size), dtype=np.uint8)
    for at in halves:
        blocks[:, at : at + 2] = rng.normal(size=3).astype(np.float16).view(np.uint8).reshape(3, 2)
    return {"blocks": hex_of(blocks), "values": exact(quants.dequantize(blocks, kind))}


Q = GGMLQuantizationType
golden = {
    "Q8_0": quantized(Q.Q8_0),
    "Q4_0": quantized(Q.Q4_0),
    "Q4_K": random_blocks(Q.Q4_K, [0, 2]),
    "Q5_K": random_blocks(Q.Q5_K, [0, 2]),
    "Q6_K": random_blocks(Q.Q6_K, [208]),
    "Q4_1": quantized(Q.Q4_1, 1e3),
    "Q5_0": quantized(Q.Q5_0, 1e3),
    "Q5_1": quantized(Q.Q5_1, 1e3),
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
