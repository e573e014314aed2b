"""Tiny seeded checkpoints for classifying texts, and what transformers' pipelines answer with them.

Writes, for each, a folder `classifiers/<name>` with `config.json`, `model.safetensors` (rounded to bfloat16), `tokenizer.json`,
`tokenizer_config.json` and `golden.json`: calls of pipelines and their answers.

Versions: torch 2.15.0, transformers 5.23.0. Run: python classifiers.py
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

FOLDER = pathlib.Path(__file__).parent / "classifiers"
TEXTS = ["The ferry was late again.", "A wide and slow river", "x", "naïve 水, and a rather longer text about tides and tables"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
BERT = dict(
    vocab_size=120, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
    max_position_embeddings=64, pad_token_id=0,
)


def labels(*names):
    return dict(id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)})


MODELS = {
    "bert": (transformers.BertForSequenceClassification, transformers.BertConfig(**BERT, **labels("good", "bad", "neither"))),
    "distilbert": (
        transformers.DistilBertForSequenceClassification,
        transformers.DistilBertConfig(
            vocab_size=120, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=64, pad_token_id=0,
            **labels("NEGATIVE", "POSITIVE"),
        ),
    ),
    "several": (
        transformers.BertForSequenceClassification,
        transformers.BertConfig(**BERT, **labels("tides", "tables"), problem_type="multi_label_classification"),
    ),
    # Reads the last token that ends a text.
    "bart": (
        transformers.BartForSequenceClassification,
        transformers.BartConfig(
            vocab_size=120, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
            encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=64, pad_token_id=0, bos_token_id=2, eos_token_id=3,
            decoder_start_token_id=3, forced_eos_token_id=3, **labels("contradiction", "neutral", "entailment"),
        ),
    ),
    "inference": (
        transformers.BertForSequenceClassification,
        transformers.BertConfig(**BERT, **labels("contradiction", "neutral", "entailment")),
    ),
}
CALLS = [{}, {"top_k": 2}, {"top_k": None}, {"function_to_apply": "none"}, {"function_to_apply": "sigmoid"}]
CANDIDATES = ["ships", "furniture", "weather"]
ZERO_SHOT = [
    {"candidate_labels": CANDIDATES},
    {"candidate_labels": CANDIDATES, "multi_label": True},
    {"candidate_labels": CANDIDATES, "hypothesis_template": "This is about {}, I think."},
    {"candidate_labels": "ships, weather"},
    {"candidate_labels": ["ships"]},
]


def tokenizer():
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=SPECIAL)
    made.train_from_iterator([*TEXTS, *CANDIDATES, "This example is about"], trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=64, model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def checkpoint(name, words):
    model_class, config = MODELS[name]
    torch.manual_seed(sum(map(ord, name)))
    model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
            parameter.copy_(parameter.to(torch.bfloat16).float())
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.to(torch.bfloat16).contiguous() for key, value in model.state_dict().items()}
    save_file({k: v for k, v in tensors.items() if "position_ids" not in k}, folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [model_class.__name__]
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True, default=str) + "\n")
    words.save_pretrained(folder)
    zero_shot = name in ["inference", "bart"]
    task = "zero-shot-classification" if zero_shot else "text-classification"
    pipeline = transformers.pipeline(task, model=model, tokenizer=words, device="cpu")
    cases = []
    for call in ZERO_SHOT if zero_shot else CALLS:
        answers = [pipeline(text, **call) for text in TEXTS]
        if not zero_shot and "top_k" not in call:
            answers = [answer[0] if isinstance(answer, list) else answer for answer in answers]
        # null means "as by default" in our arguments: all labels are a large number.
        args = {key: 1000 if value is None else value for key, value in call.items()}
        cases.append(dict(args=args, answers=answers))
    (folder / "golden.json").write_text(json.dumps(dict(task=task, texts=TEXTS, cases=cases), indent=1) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        checkpoint(name, tokenizer())
        print(name, flush=True)
