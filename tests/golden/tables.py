"""Tiny seeded checkpoints of TAPAS, and what transformers' pipeline answers with them.

Writes, for each, a folder `tasks/<name>` as `tasks.py` does it, and `tokens.json` with the tokens and
their types of every question; `conversations.json`, questions that mean the answers to those before, and how the pipeline
answers them with `sequential`; and `table_numbers.json`, the numbers and dates in texts. The tokenizer of transformers is made of Python alone; its
vocabulary is written as `tokenizer.json` of a BERT. Inputs are JSON texts, in which columns keep their order.

Versions: torch 2.15.0, transformers 5.23.0, tokenizers 0.23, pandas 3.1.1. Run: python tables.py
"""

import json
import pathlib
import random

import pandas
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from architectures import randomise

FOLDER = pathlib.Path(__file__).parent / "tasks"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[EMPTY]"]
SIZES = [3, 32, 32, 2, 32, 32, 10]
BASE = dict(
    vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
    max_position_embeddings=96, type_vocab_sizes=SIZES, pad_token_id=0,
)

TOWNS = {
    "Town": ["Lübeck", "São Paulo", "New York", "Zoë's 水 harbour", ""],
    "People": ["216,530", "12.3 million", "8804190", "7", "n/a"],
    "Founded": ["1143", "25 January 1554", "1624", "May 1999", "2 june 1800"],
}
SHIPS = {
    "zz name": ["Anna", "Maria", "Trave"],
    "built": ["1990-05-02", "1987-11-30", "12.03.2001"],
    "a length, m": ["-5", "1st", "twelve"],
}
LONG = {"n": [str(i * 7 % 13) for i in range(30)], "harbour": ["a wide river, the " + "ferry " * (i % 4) for i in range(30)]}
INPUTS = [
    (TOWNS, "Which town has more than 12 people?"),
    (TOWNS, "founded before 1624"),
    (TOWNS, ["How many towns?", "Which one was founded in May 1999, or in the year 2010?"]),
    (SHIPS, "built after november 1987, length 12"),
    (SHIPS, "?"),
    (LONG, "where is 7"),
    ({"only": ["one"]}, "one?"),
]
MODELS = {
    "tapas": (
        dict(
            num_aggregation_labels=4, aggregation_labels={0: "NONE", 1: "SUM", 2: "AVERAGE", 3: "COUNT"},
            no_aggregation_label_index=0, max_num_rows=8, max_num_columns=3,
        ),
        90,
    ),
    "tapas_cells": (dict(reset_position_index_per_cell=False, allow_empty_column_selection=True, temperature=0.5), 60),
}


def vocabulary():
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    texts = [json.dumps([table, query], ensure_ascii=False) for table, query in INPUTS]
    made.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL))
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return made


def spread(model, batches):
    """Outputs that differ: random ones say nearly the same of all cells and questions."""
    with torch.no_grad():
        bodies = [model.tapas(**{key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids")}) for batch in batches]
        states = torch.cat([body.last_hidden_state[0] for body in bodies])
        for part in ("output", "column_output"):
            weights = getattr(model, f"{part}_weights")
            weights.copy_((weights * 3).to(torch.bfloat16))
            getattr(model, f"{part}_bias").copy_((0.4 - (states @ weights).mean()).to(torch.bfloat16))
        if model.config.num_aggregation_labels:
            layer = model.aggregation_classifier
            layer.weight.copy_((layer.weight * 4).to(torch.bfloat16))
            means = torch.cat([layer(body.pooler_output) for body in bodies]).mean(0)
            layer.bias.copy_((layer.bias - means).to(torch.bfloat16))


def write(name):
    own, limit = MODELS[name]
    made = vocabulary()
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    words = [word for word, _ in sorted(made.get_vocab().items(), key=lambda item: item[1])]
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(words) + "\n")
    tokenizer = transformers.TapasTokenizer(str(vocab), model_max_length=limit)
    config = transformers.TapasConfig(**BASE, **own)
    torch.manual_seed(3)
    model = transformers.TapasForQuestionAnswering(config).eval()
    randomise(model, seed=len(name))
    batches = [
        tokenizer(pandas.DataFrame(table), query, return_tensors="pt", truncation="drop_rows_to_fit")
        for table, queries in INPUTS for query in ([queries] if isinstance(queries, str) else queries)
    ]
    spread(model, batches)
    pipeline = transformers.pipeline("table-question-answering", model=model, tokenizer=tokenizer, device="cpu")

    def answer(table, query):
        # One by one: padding of several in a batch would count in the score for choosing no column.
        return [answer(table, one) for one in query] if isinstance(query, list) else pipeline(dict(table=table, query=query))

    answers = [answer(table, query) for table, query in INPUTS]
    vocab.unlink()
    fields = {**config.to_dict(), "architectures": ["TapasForQuestionAnswering"]}
    (folder / "config.json").write_text(json.dumps(fields, indent=1, sort_keys=True, default=str) + "\n")
    tensors = {key: value.to(torch.bfloat16).contiguous() for key, value in model.state_dict().items() if value.is_floating_point()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    fields = dict(
        tokenizer_class="TapasTokenizer", model_max_length=limit, do_lower_case=True, cell_trim_length=-1, max_column_id=None,
        max_row_id=None, strip_column_names=False, additional_special_tokens=["[EMPTY]"],
    )
    (folder / "tokenizer_config.json").write_text(json.dumps(fields, indent=1) + "\n")
    inputs = [json.dumps(dict(table=table, query=query), ensure_ascii=False) for table, query in INPUTS]
    tokens = [dict(ids=batch["input_ids"][0].tolist(), types=batch["token_type_ids"][0].tolist()) for batch in batches]
    (folder / "tokens.json").write_text(json.dumps(tokens) + "\n")
    golden = {"table-question-answering": dict(inputs=inputs, cases=[dict(args={}, answers=answers)])}
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
    print(name, json.dumps(answers, ensure_ascii=False), flush=True)


CONVERSATIONS = [
    (TOWNS, ["How many towns?", "Which one was founded in May 1999, or in the year 2010?", "and the others?"]),
    (TOWNS, ["people", "founded before 1624", "which of these towns"]),
    (SHIPS, ["built after november 1987", "and which of them is 12 long?", "its name", "its name?"]),
    # Each question leaves room for fewer rows: transformers fails where a cell was not there before.
    (LONG, ["where is 7", "where is it wide and slow, if the ferry of the river is not there"]),
    (SHIPS, ["one question alone"]),
]


def conversations(name):
    """Of a checkpoint that is there already. Choosing no column is not allowed in it, so that padding counts in nothing."""
    folder = FOLDER / name
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(sorted(words, key=words.get)) + "\n")
    tokenizer = transformers.TapasTokenizer(str(vocab), model_max_length=MODELS[name][1])
    vocab.unlink()
    model = transformers.TapasForQuestionAnswering.from_pretrained(folder, dtype=torch.float32).eval()
    pipeline = transformers.pipeline("table-question-answering", model=model, tokenizer=tokenizer, device="cpu")
    made = []
    for table, queries in CONVERSATIONS:
        asked = dict(table=table, query=queries)
        said, apart = (pipeline(dict(asked), sequential=sequential) for sequential in (True, False))
        made.append(dict(input=json.dumps(asked, ensure_ascii=False), answer=said, differs=said != apart))
        print(name, json.dumps(made[-1], ensure_ascii=False), flush=True)
    assert sum(one["differs"] for one in made) > 1, "the answers before must count"
    (folder / "conversations.json").write_text(json.dumps(made, ensure_ascii=False) + "\n")


WORDS = (
    "one 1st twelfth 3 -4 +5.5 .5 1,000 1,0000 12,345.67 1990s may sep sept. september january, 2 31 30 february 29 2000 1900 "
    "2016 2017 1999-12-31 31-12-1999 12-31-1999 1999-13 31.12.1999 friday, monday jun june - , . 1e5 inf nan 2nd/3rd 5% $7 a1b "
    "1.2.3 1- -1 2000-02-29 2001-02-29 0 00 '68 zero second eleven 水 é 10½ x-3 4th july 4 1776 dec 25"
).split()


def numbers():
    """What the numbers and dates in texts are to the tokenizer."""
    from transformers.models.tapas.tokenization_tapas import _get_numeric_values, normalize_for_match

    def plain(value):
        return value.float_value if value.date is None else [value.date.year, value.date.month, value.date.day]

    chosen = random.Random(11)
    texts = WORDS + [" ".join(chosen.choices(WORDS, k=chosen.randint(2, 7))) for _ in range(500)]
    values = [[text, [plain(value) for value in _get_numeric_values(normalize_for_match(text))]] for text in texts]
    path = FOLDER.parent / "table_numbers.json"
    path.write_text("[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in values) + "\n]\n")


if __name__ == "__main__":
    numbers()
    for name in MODELS:
        write(name)
    conversations("tapas")
