"""Tiny seeded checkpoints with the heads of every encoder, and what transformers' pipelines answer with them.

Writes, for each, a folder `tasks/<name>` with `config.json`, `model.safetensors` (rounded to bfloat16), `tokenizer.json`,
`tokenizer_config.json` and `golden.json`: by task, inputs, calls of the pipeline and their answers. All heads of a checkpoint
share one body, so that one file serves all tasks; tied weights are stored once, as `save_pretrained` does it.

The pipeline for question-answering was removed in transformers 5. Its answers are made by its own code of 4.48.3, run beside
the models of 5.23: SOURCE_448 names the folder of an unpacked wheel (`pip download --no-deps transformers==4.48.3`).

Vocabularies are trained anew in each run and come out a little different: then `tests/sql/tasks.slt` has other answers too.

Versions: torch 2.15.0, transformers 5.23.0, tokenizers 0.23. Run: SOURCE_448=folder python tasks.py [name ...]
"""

import json
import os
import pathlib
import sys
import types

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.pipelines.base import ArgumentHandler, ChunkPipeline

from architectures import randomise

FOLDER = pathlib.Path(__file__).parent / "tasks"
VOCABULARY = 200
LIMIT = 32
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]

TEXTS = [
    "My name is Zoë Müller and I live in São Paulo 🙂.",
    "水 is water, naïve café-owners in New-York say for $5; don't they?",
    "x",
    "The ferry was late again, so the captain of the wide river waited for Anna Maria Smith, who came from a town by "
    "the sea and had not seen so much 水 since the tides were high in the old harbour of Lübeck.",
]
CONTEXT = (
    "The harbour of Lübeck lies by the wide river Trave 🙂. In the old town there is a café, whose owner Zoë came from "
    "São Paulo in the year 1987. The ferry to the sea goes at nine; the captain, Anna Smith, is never late. 水 is water."
)
QUESTIONS = [
    dict(question="Who is the captain?", context=CONTEXT),
    dict(question="Where is Zoë from?", context="Zoë is from São Paulo 🙂."),
    dict(question="水?", context="A é"),
]
SHORT = ["Zoë is late 🙂.", "水 is water", "x"]
MASKED = ["The {mask} was late again.", "水 is {mask}, naïve {mask} say.", "{mask}"]

TAGS = [
    dict(),
    dict(ignore_labels=[]),
    dict(aggregation_strategy="simple"),
    dict(aggregation_strategy="simple", ignore_labels=["PER"]),
    dict(aggregation_strategy="first", ignore_labels=[]),
    dict(aggregation_strategy="average"),
    dict(aggregation_strategy="max", ignore_labels=[]),
    dict(aggregation_strategy="simple", stride=8),
    dict(aggregation_strategy="first", stride=3, ignore_labels=["O", "LOC"]),
]
ANSWERS = [
    dict(),
    dict(top_k=3),
    dict(doc_stride=4, top_k=4, max_answer_len=3),
    dict(align_to_words=False, top_k=2),
    dict(handle_impossible_answer=True, top_k=5),
    dict(max_seq_len=24, doc_stride=2),
    dict(max_seq_len=60),
]
FILLS = [dict(), dict(top_k=2), dict(targets=["the", "river", "late"]), dict(targets="café", top_k=1)]
CLASSIFY = [dict(top_k=1000)]

BERT = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
    max_position_embeddings=64, pad_token_id=0,
)
LLAMA = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=40, max_position_embeddings=64, pad_token_id=0, bos_token_id=2, eos_token_id=3,
)
EARLY = dict(vocab_size=VOCABULARY, hidden_size=32, pad_token_id=0, bos_token_id=2, eos_token_id=3)
SCORE, TOKENS, SPANS = "SequenceClassification", "TokenClassification", "QuestionAnswering"
# name: (configuration, its fields, heads)
SCORED = {
    "gemma": ("Gemma", LLAMA | dict(head_dim=8), (SCORE,)),
    "gemma2": ("Gemma2", LLAMA | dict(head_dim=8, sliding_window=6, query_pre_attn_scalar=12, attn_logit_softcapping=1.5), (SCORE,)),
    "gpt_neox": ("GPTNeoX", LLAMA | dict(rotary_pct=0.5), (SCORE,)),
    "phi": ("Phi", LLAMA | dict(partial_rotary_factor=0.5), (SCORE,)),
    "phi3": ("Phi3", LLAMA | dict(sliding_window=6), (SCORE,)),
    "olmo2": ("Olmo2", LLAMA, (SCORE,)),
    "starcoder2": ("Starcoder2", LLAMA | dict(sliding_window=6, use_bias=True), (SCORE,)),
    "falcon": ("Falcon", LLAMA, (SCORE,)),
    "mixtral": ("Mixtral", LLAMA | dict(num_local_experts=4, num_experts_per_tok=2), (SCORE,)),
    "qwen2_moe": (
        "Qwen2Moe",
        LLAMA | dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24, shared_expert_intermediate_size=24), (SCORE,),
    ),
    "bloom": ("Bloom", EARLY | dict(n_layer=2, n_head=4), (SCORE, TOKENS, SPANS)),
    "mpt": ("Mpt", EARLY | dict(d_model=32, n_layers=2, n_heads=4, max_seq_len=64), (SCORE, TOKENS, SPANS)),
    "gpt_neo": (
        "GPTNeo",
        EARLY | dict(
            num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=6, max_position_embeddings=64,
        ),
        (SCORE, TOKENS, SPANS),
    ),
    "gptj": ("GPTJ", EARLY | dict(n_embd=32, n_layer=2, n_head=4, n_positions=64, rotary_dim=4), (SCORE, SPANS)),
    "opt": (
        "OPT",
        EARLY | dict(
            num_hidden_layers=2, num_attention_heads=4, ffn_dim=40, max_position_embeddings=64, word_embed_proj_dim=24,
            do_layer_norm_before=False,
        ),
        (SCORE,),
    ),
    "opt_answers": (
        "OPT", EARLY | dict(num_hidden_layers=2, num_attention_heads=4, ffn_dim=40, max_position_embeddings=64), (SPANS,),
    ),
    "stablelm": ("StableLm", LLAMA | dict(use_parallel_residual=True, qk_layernorm=True), (SCORE,)),
    "stablelm_tokens": ("StableLm", LLAMA, (TOKENS,)),
    "smollm3": ("SmolLM3", LLAMA | dict(no_rope_layer_interval=2), (SCORE,)),
    "smollm3_answers": ("SmolLM3", LLAMA | dict(no_rope_layer_interval=2), (SPANS,)),
    "gpt_neox_heads": ("GPTNeoX", LLAMA | dict(rotary_pct=0.5), (TOKENS, SPANS)),
    "falcon_heads": ("Falcon", LLAMA, (TOKENS, SPANS)),
    "llama_answers": ("Llama", LLAMA, (SPANS,)),
    "bloom_left": ("Bloom", EARLY | dict(n_layer=2, n_head=4), (SPANS,)),
    "gemma_tokens": ("Gemma", LLAMA | dict(head_dim=8), (TOKENS,)),
    "mixtral_answers": ("Mixtral", LLAMA | dict(num_local_experts=4, num_experts_per_tok=2), (SPANS,)),
}
DECODERS = ("GPT2", "Llama", "Mistral", "Qwen2", "Qwen3", "Gemma3Text", *(family for family, _, _ in SCORED.values()))
ALL = ("TokenClassification", "QuestionAnswering", "MaskedLM")

# name: (configuration, prefix of its classes, heads, kind of tokenizer)
MODELS = {
    "bert": (lambda: transformers.BertConfig(**BERT, hidden_act="relu"), "Bert", ALL, "cased"),
    "distilbert": (
        lambda: transformers.DistilBertConfig(
            vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=64, pad_token_id=0,
        ),
        "DistilBert", ALL, "uncased",
    ),
    "roberta": (lambda: transformers.RobertaConfig(**BERT | dict(pad_token_id=1), type_vocab_size=1), "Roberta", ALL, "bytes"),
    "xlm_roberta": (
        lambda: transformers.XLMRobertaConfig(**BERT | dict(pad_token_id=1, tie_word_embeddings=False), type_vocab_size=1),
        "XLMRoberta", ALL, "pieces",
    ),
    "electra": (lambda: transformers.ElectraConfig(**BERT, embedding_size=16), "Electra", ALL, "uncased"),
    "albert": (lambda: transformers.AlbertConfig(**BERT, embedding_size=16), "Albert", ALL, "pieces"),
    "mpnet": (lambda: transformers.MPNetConfig(**BERT | dict(pad_token_id=1)), "MPNet", ALL, "uncased"),
    "deberta_v2": (
        lambda: transformers.DebertaV2Config(
            **BERT, relative_attention=True, position_buckets=8, max_relative_positions=-1, pos_att_type=["p2c", "c2p"],
            share_att_key=True, norm_rel_ebd="layer_norm", position_biased_input=False, type_vocab_size=0,
        ),
        "DebertaV2", ALL, "pieces",
    ),
    "deberta_v2_own": (
        lambda: transformers.DebertaV2Config(
            **BERT, relative_attention=True, pos_att_type=["c2p"], position_biased_input=False, type_vocab_size=0, legacy=False,
        ),
        "DebertaV2", ("MaskedLM",), "pieces",
    ),
    "modernbert": (
        lambda: transformers.ModernBertConfig(
            **BERT, local_attention=8, classifier_bias=True, classifier_activation="silu", bos_token_id=2, eos_token_id=3,
            cls_token_id=2, sep_token_id=3,
        ),
        "ModernBert", ("TokenClassification", "MaskedLM"), "bytes",
    ),
    "modernbert_answers": (
        lambda: transformers.ModernBertConfig(
            **BERT, local_attention=8, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3,
        ),
        "ModernBert", ("QuestionAnswering",), "bytes",
    ),
    "nomic_bert": (
        lambda: transformers.NomicBertConfig(**BERT), "NomicBert",
        ("TokenClassification", "MaskedLM", "SequenceClassification"), "uncased",
    ),
    "gte": (lambda: transformers.GteConfig(**BERT), "Gte", ("TokenClassification", "MaskedLM"), "cased"),
    "t5": (
        lambda: transformers.T5Config(
            vocab_size=VOCABULARY, d_model=32, d_kv=6, d_ff=40, num_layers=2, num_heads=4, pad_token_id=0, eos_token_id=3,
            decoder_start_token_id=0,
        ),
        "T5", ("TokenClassification",), "pieces",
    ),
    "gpt2": (
        lambda: transformers.GPT2Config(
            vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64, pad_token_id=0, bos_token_id=2, eos_token_id=3,
        ),
        "GPT2", ("SequenceClassification", "TokenClassification", "QuestionAnswering"), "bytes",
    ),
    "llama": (lambda: transformers.LlamaConfig(**LLAMA), "Llama", ("SequenceClassification",), "pieces"),
    "llama_tokens": (lambda: transformers.LlamaConfig(**LLAMA), "Llama", ("TokenClassification",), "pieces"),
    "mistral": (
        lambda: transformers.MistralConfig(**LLAMA, sliding_window=8), "Mistral",
        ("SequenceClassification", "QuestionAnswering"), "pieces",
    ),
    "qwen2": (lambda: transformers.Qwen2Config(**LLAMA), "Qwen2", ("SequenceClassification",), "bytes"),
    "qwen3": (lambda: transformers.Qwen3Config(**LLAMA, head_dim=8), "Qwen3", ("SequenceClassification",), "bytes"),
    "gemma3": (
        lambda: transformers.Gemma3TextConfig(
            **LLAMA, head_dim=8, query_pre_attn_scalar=8, sliding_window=6, layer_types=["sliding_attention", "full_attention"],
        ),
        "Gemma3Text", ("SequenceClassification",), "pieces",
    ),
}
for name, (family, fields, heads) in SCORED.items():
    kind = getattr(transformers, f"{family}Config")
    MODELS[name] = (lambda kind=kind, fields=fields: kind(**fields), family, heads, "bytes")


def special_tokens(kind):
    """In the order of their ids."""
    if kind in ("cased", "uncased"):
        return dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    return dict(pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>", mask_token="<mask>")


def tokenizer(kind, reads_types, padding_first, decodes):
    special = special_tokens(kind)
    names = list(special.values())
    if padding_first:
        names[0], names[1] = names[1], names[0]
    words = [*TEXTS, CONTEXT, *[q["question"] for q in QUESTIONS]]
    if kind in ("cased", "uncased"):
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer(lowercase=kind == "uncased")
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece(cleanup=kind == "cased")
        # One letter is not among the known ones.
        words = [text.replace("水", "") for text in words]
        trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=names)
    elif kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=names)
    else:
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=VOCABULARY, special_tokens=names, unk_token="<unk>")
    made.train_from_iterator(words, trainer)
    if decodes:
        # As GPT-2 and Qwen have it, and as LLaMA has it.
        made.post_processor = processors.ByteLevel(trim_offsets=False) if kind == "bytes" else processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B:1", special_tokens=[("<s>", made.token_to_id("<s>"))],
        )
        return pack(made, special, reads_types, kind)
    cls, sep = special["cls_token"], special["sep_token"]
    places = [(token, made.token_to_id(token)) for token in (cls, sep)]
    if kind == "bytes":
        made.post_processor = processors.RobertaProcessing(places[1], places[0], add_prefix_space=False)
    else:
        made.post_processor = processors.TemplateProcessing(
            single=f"{cls} $A {sep}", pair=f"{cls} $A {sep} $B:1 {sep}:1", special_tokens=places,
        )
    return pack(made, special, reads_types, kind)


def pack(made, special, reads_types, kind):
    inputs = ["input_ids", *(["token_type_ids"] if reads_types else []), "attention_mask"]
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=LIMIT, model_input_names=inputs,
        clean_up_tokenization_spaces=kind == "uncased", **special,
    )


class SquadExample:
    """What 4.48.3 keeps of an input."""

    def __init__(self, _, question, context, *rest):
        self.question_text, self.context_text = question, context


def question_answering():
    """The pipeline's class of 4.48.3, with stand-ins for what it needs of that version."""
    text = (pathlib.Path(os.environ["SOURCE_448"]) / "transformers/pipelines/question_answering.py").read_text()
    code = text[text.index("def decode_spans"):]
    scope = dict(
        np=np, torch=torch, types=types, ArgumentHandler=ArgumentHandler, ChunkPipeline=ChunkPipeline, Dataset=None,
        SquadExample=SquadExample,
        SquadFeatures=types.SimpleNamespace, add_end_docstrings=lambda *_: lambda item: item,
        build_pipeline_init_args=lambda **_: "", inspect=__import__("inspect"), warnings=__import__("warnings"),
        MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES={}, **{name: __import__("typing").__dict__[name] for name in
                                                          ("Dict", "List", "Optional", "Tuple", "Union")},
    )
    from collections.abc import Iterable
    for name in ("PreTrainedTokenizer", "ModelCard", "PaddingStrategy"):
        scope[name] = object
    scope["Iterable"] = Iterable
    exec(compile(code, "question_answering.py", "exec"), scope)
    kind = scope["QuestionAnsweringPipeline"]
    kind.framework = "pt"
    kind.check_model_type = lambda *_: None
    kind._load_tokenizer = True
    kind._load_processor = kind._load_image_processor = kind._load_feature_extractor = False

    def init(self, model, tokenizer):
        ChunkPipeline.__init__(self, model=model, tokenizer=tokenizer, device="cpu")
        self._args_parser = scope["QuestionAnsweringArgumentHandler"]()

    kind.__init__ = init
    return kind


def spread(model, words, known):
    """Outputs that differ from token to token, where a head is new: a random one says nearly the same of all."""
    name = next(name for name in ("qa_outputs", "score", "classifier") if hasattr(model, name))
    layer = getattr(model, name)
    if f"{name}.weight" in known:
        return
    with torch.no_grad():
        layer.weight.copy_((layer.weight * 4).to(torch.bfloat16))
        outputs = [model(**words(text, return_tensors="pt", truncation=True))[0][0] for text in TEXTS]
        if layer.bias is not None:
            mean = torch.cat(outputs).reshape(-1, outputs[0].shape[1] if outputs[0].dim() > 1 else 1).mean(0)
            layer.bias.copy_((layer.bias - mean).to(torch.bfloat16))


def calls(head, model, words):
    """The task of a head, its inputs and cases."""
    if head == "QuestionAnswering":
        pipeline = question_answering()(model, words)
        answer = lambda input, call: pipeline(**input, **call)
        return "question-answering", QUESTIONS, ANSWERS, answer
    task, inputs, cases = {
        "TokenClassification": ("token-classification", TEXTS, TAGS),
        "MaskedLM": ("fill-mask", [text.replace("{mask}", words.mask_token) for text in MASKED], FILLS),
        "SequenceClassification": ("text-classification", [*SHORT, SHORT[0] + words.pad_token], CLASSIFY),
    }[head]
    pipeline = transformers.pipeline(task, model=model, tokenizer=words, device="cpu")
    return task, inputs, cases, lambda input, call: pipeline(input, **call)


def state(model):
    """What is stored: of tied weights, one."""
    stored, seen = {}, set()
    for key, value in model.state_dict(keep_vars=True).items():
        if value.is_floating_point() and id(value) not in seen:
            seen.add(id(value))
            stored[key] = value.detach().to(torch.bfloat16).contiguous()
    return stored


def write(name):
    configuration, family, heads, kind = MODELS[name]
    config = configuration()
    reads_types = getattr(config, "type_vocab_size", 0) > 1
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: i for i, label in enumerate(LABELS)}
    words = tokenizer(kind, reads_types, padding_first=config.pad_token_id == 1, decodes=family in DECODERS)
    if name.endswith("_left"):
        words.padding_side = words.init_kwargs["padding_side"] = "left"
    tensors, golden = {}, {}
    for i, head in enumerate(heads):
        own = type(config).from_dict(config.to_dict())
        if head == "QuestionAnswering":
            own.id2label, own.label2id = {0: "a", 1: "b"}, {"a": 0, "b": 1}
        torch.manual_seed(7)
        model = getattr(transformers, f"{family}For{head}")(own).eval()
        randomise(model, seed=len(name))
        # What another head has stored is the same here, body and all.
        prefix = f"{model.base_model_prefix}."
        known = {key: value.float() for key, value in tensors.items() if key in model.state_dict()}
        known = {key: value for key, value in known.items() if model.state_dict()[key].shape == value.shape}
        with torch.no_grad():
            for key, value in known.items():
                model.state_dict()[key].copy_(value)
        if head in ("TokenClassification", "QuestionAnswering"):
            spread(model, words, known)
        for key, value in state(model).items():
            assert key not in tensors or torch.equal(tensors[key], value), (name, head, key)
            tensors[key] = value
        task, inputs, cases, answer = calls(head, model, words)
        golden[task] = dict(
            inputs=inputs,
            cases=[dict(args=call, answers=[answer(input, call) for input in inputs]) for call in cases],
        )
        classes = [f"{family}For{head}" for head in heads]
    body = getattr(transformers, f"{family}EncoderModel" if family == "T5" else f"{family}Model")
    if heads == ALL:
        body = body.from_pretrained(None, config=config, state_dict={k.removeprefix(prefix): v.float() for k, v in tensors.items()})
        pipeline = transformers.pipeline("feature-extraction", model=body.eval(), tokenizer=words, device="cpu")
        golden["feature-extraction"] = dict(inputs=TEXTS[:1], cases=[dict(args={}, answers=[pipeline(TEXTS[0])])])
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    fields = {**config.to_dict(), "architectures": classes}
    (folder / "config.json").write_text(json.dumps(fields, indent=1, sort_keys=True, default=str) + "\n")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    words.save_pretrained(folder)
    # 9 digits say all that a number of 32 bits does.
    rounded = json.loads(json.dumps(golden, default=float), parse_float=lambda x: float(f"{float(x):.7g}"))
    (folder / "golden.json").write_text(json.dumps(rounded, ensure_ascii=False) + "\n")
    print(name, {task: len(of["cases"]) for task, of in golden.items()}, sum(f.stat().st_size for f in folder.iterdir()), flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        write(name)
