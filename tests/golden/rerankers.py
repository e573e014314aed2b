"""Tiny seeded cross-encoders, and how sentence-transformers scores pairs with them.

Writes, for each, a folder `rerankers/<name>` with `config.json`, `model.safetensors` (bfloat16), a tokenizer of a few words, and
`golden.json`: a query, documents, the logits and the scores. Pairs longer than the limit are among them.

Versions: torch 2.15.0, transformers 5.23.0, sentence-transformers 6.2.0. Run: python rerankers.py [name ...]
"""

import json
import pathlib
import random
import sys

import torch
import transformers
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from architectures import BERT, DEBERTA, MODERNBERT, ROPE_LINEAR, VOCABULARY, randomise
from original_layouts import gte as gte_original

FOLDER = pathlib.Path(__file__).parent / "rerankers"
QUERY = "w1 w7 w7 w2"
LIMIT = 20

# name: (configuration, class of the model, what the tokenizer gives, further fields of config.json)
PAIRS = ["input_ids", "token_type_ids", "attention_mask"]
PLAIN = ["input_ids", "attention_mask"]
IDENTITY = "torch.nn.modules.linear.Identity"
MODELS = {
    "bert": (lambda: transformers.BertConfig(**BERT), "Bert", PAIRS, {"sbert_ce_default_activation_function": IDENTITY}),
    "roberta": (lambda: transformers.RobertaConfig(**BERT, type_vocab_size=1, pad_token_id=1), "Roberta", PLAIN, {}),
    "electra": (lambda: transformers.ElectraConfig(**BERT, embedding_size=16), "Electra", PAIRS, {}),
    "distilbert": (
        lambda: transformers.DistilBertConfig(
            vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=24,
        ),
        "DistilBert", PLAIN, {},
    ),
    "albert": (lambda: transformers.AlbertConfig(**BERT, embedding_size=16), "Albert", PAIRS, {}),
    "mpnet": (lambda: transformers.MPNetConfig(**BERT, pad_token_id=1), "MPNet", PLAIN, {}),
    "modernbert": (
        lambda: transformers.ModernBertConfig(**MODERNBERT, local_attention=4, classifier_pooling="mean"),
        "ModernBert", PLAIN, {"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.0.0"}},
    ),
    "modernbert_cls": (
        lambda: transformers.ModernBertConfig(
            **MODERNBERT, local_attention=4, classifier_bias=True, classifier_activation="silu",
        ),
        "ModernBert", PLAIN, {},
    ),
    "deberta_v2": (lambda: transformers.DebertaV2Config(**DEBERTA, type_vocab_size=2), "DebertaV2", PAIRS, {}),
    "gte": (lambda: transformers.GteConfig(**BERT, type_vocab_size=1, rope_parameters=ROPE_LINEAR), "Gte", PLAIN, {}),
    "gte_original": (
        lambda: transformers.GteConfig(
            **BERT, type_vocab_size=1, rope_parameters=dict(rope_type="linear", factor=8 ** (2 / 8), rope_theta=8 * 600.0),
        ),
        "Gte", PLAIN, {},
    ),
}


def tokenizer(inputs):
    special = ["[PAD]", "[MASK]", "[CLS]", "[SEP]", "[UNK]"]
    words = special + [f"w{i}" for i in range(VOCABULARY - len(special))]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=LIMIT, model_input_names=inputs, pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]", unk_token="[UNK]", mask_token="[MASK]",
    )


def documents():
    random.seed(5)
    words = [f"w{i}" for i in range(50)] + ["unknown"]
    return ["", "w3"] + [" ".join(random.choices(words, k=n)) for n in (2, 5, 9, 14, 40)]


def write(name):
    configuration, family, inputs, further = MODELS[name]
    config = configuration()
    config.num_labels = 1
    model = getattr(transformers, f"{family}ForSequenceClassification")(config).eval().float()
    randomise(model, seed=len(name))
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    fields = {**model.config.to_dict(), "architectures": [type(model).__name__], **further}
    state = {key: value.to(torch.bfloat16).contiguous() for key, value in model.state_dict().items() if value.is_floating_point()}
    put(folder, fields, state)
    tokenizer(inputs).save_pretrained(folder)
    encoder = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    assert encoder.max_seq_length == LIMIT
    pairs = [(QUERY, document) for document in documents()] + [(" ".join([QUERY] * 10), documents()[-1])]
    golden = {
        "pairs": pairs,
        "logits": encoder.predict(pairs, activation_fn=torch.nn.Identity()).tolist(),
        "scores": encoder.predict(pairs).tolist(),
    }
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
    if name == "gte_original":
        head = {key: value for key, value in state.items() if not key.startswith("gte.")}
        body = {key.removeprefix("gte."): value for key, value in state.items() if key.startswith("gte.")}
        fields, body = gte_original(fields, body)
        put(folder, fields, {**head, **body})
    print(name, golden["scores"])


def put(folder, fields, state):
    (folder / "config.json").write_text(json.dumps(fields, indent=1, sort_keys=True, default=str) + "\n")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        write(name)
