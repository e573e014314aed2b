"""A checkpoint of BERT-base's shape with seeded random weights, for measuring time alone.

Arguments: the folder of a BERT whose tokenizer and modules it gets, and the folder to make.
"""

import json
import pathlib
import shutil
import sys

import torch
from transformers import BertConfig, BertModel

MODEL, FOLDER = map(pathlib.Path, sys.argv[1:3])

torch.manual_seed(1)
BertModel(BertConfig(), add_pooling_layer=False).save_pretrained(FOLDER)
for path in MODEL.rglob("*.json"):
    part = path.relative_to(MODEL)
    if str(part) != "config.json":
        (FOLDER / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, FOLDER / part)
pooling = FOLDER / "1_Pooling" / "config.json"
pooling.write_text(json.dumps(json.loads(pooling.read_text()) | {"word_embedding_dimension": 768}))
