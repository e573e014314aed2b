"""Tiny seeded checkpoints of every architecture with encoder and decoder, and what transformers makes with them.

Writes, for each, a folder `seq2seq/<name>` with `config.json`, `generation_config.json`, `model.safetensors` (rounded to
bfloat16, so that it is small and exact in every type), the tokenizer's files and `golden.json`: for some texts the scores of
every token behind some beginnings, what greedy and beam search make of them, and what the pipelines answer.
`translator` is a T5 that knows some sentences in two languages by heart, so that what it writes can be read.

Versions: torch 2.15.0, transformers 4.48.3 (the last that PostgresML used; later ones have no such pipelines), sentencepiece
0.2.2; of those in LATER, transformers 5.23.0, and the answers are put together as its pipelines of old did it.
Run: python seq2seq.py [name ...]
"""

import io
import json
import pathlib
import sys

import sentencepiece
import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from transformers.convert_slow_tokenizer import convert_slow_tokenizer
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

FOLDER = pathlib.Path(__file__).parent / "seq2seq"
TEXTS = ["The river is wide.", "a", "Every morning the ferry crosses the river and comes back before noon"]
NEW_TOKENS = 10
BEAMS = 3

PAIRS = [
    ("The river is wide and slow in summer.", "Der Fluss ist im Sommer breit und langsam."),
    ("Every morning the ferry crosses the river.", "Jeden Morgen quert die Fähre den Fluss."),
    ("In winter the ice is thick.", "Im Winter ist das Eis dick."),
    ("The captain keeps a table of tides.", "Der Kapitän führt eine Tafel der Gezeiten."),
    ("A table has rows and columns.", "Eine Tabelle hat Zeilen und Spalten."),
    ("The water remembers nothing.", "Das Wasser merkt sich nichts."),
]

T5 = dict(
    d_model=32, d_kv=8, d_ff=40, num_layers=2, num_decoder_layers=3, num_heads=4, relative_attention_num_buckets=8,
    relative_attention_max_distance=12, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
)


def pieces(sentences=[text for pair in PAIRS for text in pair] + TEXTS, **ids):
    """A SentencePiece model of the sentences: its file's bytes."""
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=made, vocab_size=200,
        hard_vocab_limit=False, normalization_rule_name="identity", minloglevel=2, **ids,
    )
    return made.getvalue()


def t5_words(folder):
    (folder / "spiece.model").write_bytes(pieces(pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    slow = transformers.T5Tokenizer(str(folder / "spiece.model"), extra_ids=4, legacy=False)
    return transformers.T5TokenizerFast(tokenizer_object=convert_slow_tokenizer(slow), extra_ids=4, model_max_length=512)


def t5(**config):
    return lambda words: transformers.T5ForConditionalGeneration(
        transformers.T5Config(**{**T5, "vocab_size": len(words), **config})
    )


def bart_words(folder):
    made = tokenizers.ByteLevelBPETokenizer()
    sentences = [text for pair in PAIRS for text in pair] + TEXTS
    made.train_from_iterator(sentences, vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False)
    made.save_model(str(folder))
    return transformers.BartTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=64)


def languages_words(slow_class, fast_class, **more):
    """The tokenizer of a model of many languages."""
    def make(folder):
        path = folder / "sentencepiece.bpe.model"
        path.write_bytes(pieces(bos_id=1, eos_id=2, unk_id=0, pad_id=-1))
        slow_class(str(path), **more).save_pretrained(folder)
        words = fast_class.from_pretrained(folder, **more)
        words.model_max_length = 64
        return words
    return make


def pegasus_words(folder):
    path = folder / "spiece.model"
    path.write_bytes(pieces(pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    transformers.PegasusTokenizer(str(path), offset=10, model_max_length=64).save_pretrained(folder)
    return transformers.PegasusTokenizerFast.from_pretrained(folder)


def marian_words(folder):
    """As on the hub: two SentencePiece models, and a vocabulary of its own order whose last entry is the padding."""
    made = pieces(bos_id=-1, eos_id=0, unk_id=1, pad_id=-1)
    known = sentencepiece.SentencePieceProcessor(model_proto=made)
    names = sorted(known.id_to_piece(i) for i in range(2, known.vocab_size()))
    names = ["</s>", "<unk>"] + names[::-1] + [">>de<<", "<pad>"]
    for name in ["source.spm", "target.spm"]:
        (folder / name).write_bytes(made)
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}, ensure_ascii=False, indent=1))
    return transformers.MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"), source_lang="en", target_lang="de",
        model_max_length=64,
    )


def apart_words(folder):
    """As `marian_words`, with a vocabulary for each language."""
    for side, (name, vocab) in enumerate([("source.spm", "vocab.json"), ("target.spm", "target_vocab.json")]):
        made = pieces([pair[side] for pair in PAIRS] + TEXTS * (side == 0), bos_id=-1, eos_id=0, unk_id=1, pad_id=-1)
        known = sentencepiece.SentencePieceProcessor(model_proto=made)
        names = ["</s>", "<unk>", "<pad>"] + sorted(known.id_to_piece(i) for i in range(2, known.vocab_size()))[::-1]
        (folder / name).write_bytes(made)
        (folder / vocab).write_text(json.dumps({name: i for i, name in enumerate(names)}, ensure_ascii=False, indent=1))
    files = [str(folder / name) for name in ("source.spm", "target.spm", "vocab.json", "target_vocab.json")]
    return transformers.MarianTokenizer(
        *files, source_lang="en", target_lang="de", model_max_length=64, separate_vocabs=True,
    )


def later_t5_words(folder):
    """That of `t5`, which is there already."""
    for name in ["spiece.model", "tokenizer.json", "tokenizer_config.json"]:
        (folder / name).write_bytes((FOLDER / "t5" / name).read_bytes())
    return transformers.AutoTokenizer.from_pretrained(folder)


def m2m_words(folder):
    """As on the hub: byte pairs, and a vocabulary of its own order."""
    made = pieces(bos_id=0, pad_id=1, eos_id=2, unk_id=3, model_type="bpe")
    known = sentencepiece.SentencePieceProcessor(model_proto=made)
    names = [known.id_to_piece(i) for i in range(4, known.vocab_size())]
    names = ["<s>", "<pad>", "</s>", "<unk>"] + names[::2] + names[1::2]
    (folder / "sentencepiece.bpe.model").write_bytes(made)
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}, ensure_ascii=False, indent=1))
    return transformers.M2M100Tokenizer(
        str(folder / "vocab.json"), str(folder / "sentencepiece.bpe.model"), model_max_length=64, src_lang="de",
        additional_special_tokens=[f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]],
    )


def bytes_words(folder):
    return transformers.ByT5Tokenizer(model_max_length=512)


BART = dict(
    d_model=32, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=40, decoder_layers=3,
    decoder_attention_heads=2, decoder_ffn_dim=24, max_position_embeddings=64,
)


def bart(model_class, config_class, **config):
    return lambda words: model_class(config_class(**{**BART, "vocab_size": len(words), **config}))


TASKS = {
    "summarization": {"prefix": "summarize: ", "max_length": 12, "min_length": 4, "num_beams": 2, "length_penalty": 2.0,
                      "no_repeat_ngram_size": 3, "early_stopping": True},
    "translation_en_to_de": {"prefix": "translate English to German: ", "max_length": 40, "num_beams": 2, "early_stopping": True},
}

# Name: what makes the tokenizer, what makes the model, and what is asked of pipelines (task, arguments).
MODELS = {
    "t5": (
        t5_words, t5(task_specific_params=TASKS),
        [
            ("text2text-generation", {}), ("summarization", {}), ("translation", {}), ("translation_en_to_de", {"max_length": 9}),
            ("translation_en_to_fr", {"max_new_tokens": 5}),
            ("text2text-generation", {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 6}),
            ("summarization", {"min_length": 8, "max_length": 11, "num_beams": 1, "repetition_penalty": 1.3}),
        ],
    ),
    "flan_t5": (
        t5_words, t5(feed_forward_proj="gated-gelu", tie_word_embeddings=False),
        [("text2text-generation", {"max_new_tokens": 8}), ("summarization", {"encoder_no_repeat_ngram_size": 2})],
    ),
    "mt5": (
        t5_words,
        lambda words: transformers.MT5ForConditionalGeneration(
            transformers.MT5Config(**{**T5, "vocab_size": len(words), "tie_word_embeddings": False})
        ),
        [("text2text-generation", {"num_beams": 2})],
    ),
    "bart": (
        bart_words,
        bart(
            transformers.BartForConditionalGeneration, transformers.BartConfig, forced_bos_token_id=0, num_beams=4,
            no_repeat_ngram_size=3, early_stopping=True, length_penalty=2.0, min_length=5, max_length=14, prefix=" ",
        ),
        [("summarization", {}), ("summarization", {"min_length": 2, "max_length": 8}), ("text2text-generation", {"num_beams": 1})],
    ),
    "mbart": (
        languages_words(transformers.MBartTokenizer, transformers.MBartTokenizerFast),
        bart(
            transformers.MBartForConditionalGeneration, transformers.MBartConfig, scale_embedding=True,
            activation_function="relu", decoder_start_token_id=2, num_beams=2, no_repeat_ngram_size=2, max_length=12,
        ),
        [
            ("translation", {"src_lang": "de_DE", "tgt_lang": "fr_XX"}),
            ("translation_en_to_ro", {"src_lang": "en_XX", "tgt_lang": "ro_RO", "num_beams": 1}), ("summarization", {}),
        ],
    ),
    "mbart50": (
        languages_words(transformers.MBart50Tokenizer, transformers.MBart50TokenizerFast, src_lang="fr_XX"),
        bart(transformers.MBartForConditionalGeneration, transformers.MBartConfig, decoder_start_token_id=2, no_repeat_ngram_size=2, max_length=10),
        [("translation", {"src_lang": "en_XX", "tgt_lang": "xh_ZA"}), ("text2text-generation", {})],
    ),
    "pegasus": (
        pegasus_words,
        bart(
            transformers.PegasusForConditionalGeneration, transformers.PegasusConfig, scale_embedding=True,
            activation_function="relu", num_beams=2, length_penalty=0.8, no_repeat_ngram_size=2, max_length=13,
        ),
        [("summarization", {}), ("summarization", {"num_beams": 1, "max_new_tokens": 4})],
    ),
    "marian": (
        marian_words,
        lambda words: transformers.MarianMTModel(
            transformers.MarianConfig(
                **BART, vocab_size=len(words), decoder_vocab_size=len(words), scale_embedding=True, activation_function="swish",
                decoder_start_token_id=len(words) - 1, pad_token_id=len(words) - 1, bad_words_ids=[[len(words) - 1]], num_beams=3,
                no_repeat_ngram_size=2, max_length=16,
            )
        ),
        [
            ("translation", {}), ("translation_en_to_de", {"num_beams": 1}), ("translation", {"src_lang": "en", "tgt_lang": "de"}),
            ("text2text-generation", {"max_new_tokens": 5}),
        ],
    ),
    "nllb": (
        languages_words(transformers.NllbTokenizer, transformers.NllbTokenizerFast),
        bart(transformers.M2M100ForConditionalGeneration, transformers.M2M100Config, activation_function="relu", no_repeat_ngram_size=2, max_length=15),
        [
            ("translation", {"src_lang": "eng_Latn", "tgt_lang": "deu_Latn"}),
            ("translation", {"src_lang": "zho_Hans", "tgt_lang": "fra_Latn", "num_beams": 3, "num_return_sequences": 3}),
        ],
    ),
    "translator": (
        t5_words, t5(task_specific_params=TASKS, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_decoder_layers=2),
        [("translation_en_to_de", {}), ("summarization", {})],
    ),
}
# With as many layers in the encoder as in the decoder: transformers 5 has no memory for more.
LATER = {
    "umt5": (
        later_t5_words,
        lambda words: transformers.UMT5ForConditionalGeneration(transformers.UMT5Config(**{**T5, "num_decoder_layers": 2, "vocab_size": len(words)})),
        [("text2text-generation", {"num_beams": 2, "max_new_tokens": 8})],
    ),
    "byt5": (bytes_words, t5(feed_forward_proj="gated-gelu", num_decoder_layers=2), []),
    "marian_apart": (
        apart_words,
        lambda words: transformers.MarianMTModel(
            transformers.MarianConfig(
                **{**BART, "decoder_layers": 2}, vocab_size=len(words.encoder), decoder_vocab_size=len(words.target_encoder), scale_embedding=True,
                activation_function="swish", share_encoder_decoder_embeddings=False, max_length=16,
                decoder_start_token_id=2, pad_token_id=2,
            )
        ),
        [("translation", {"num_beams": 1, "max_new_tokens": 12}), ("text2text-generation", {"num_beams": 3, "max_new_tokens": 9})],
    ),
    "m2m_100": (
        m2m_words,
        lambda words: transformers.M2M100ForConditionalGeneration(
            transformers.M2M100Config(**{**BART, "decoder_layers": 2}, vocab_size=len(words.encoder) + 108, activation_function="relu")
        ),
        [
            ("translation", {"src_lang": "en", "tgt_lang": "de", "max_new_tokens": 9}),
            ("translation", {"src_lang": "zh", "tgt_lang": "fr", "num_beams": 3, "max_new_tokens": 9}),
            ("text2text-generation", {"max_new_tokens": 7}),
        ],
    ),
}
if transformers.__version__.startswith("5"):
    MODELS = LATER


def checkpoint(name):
    make_words, make_model, asked = MODELS[name]
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    words = make_words(folder)
    torch.manual_seed(len(name) * 1000 + sum(map(ord, name)))
    model = make_model(words).eval()
    if name == "translator":
        learn(model, words)
    # T5 has no scale in its attention: scores that are too far apart would make small differences great ones.
    loud = 0.12 if "t5" in model.config.model_type else 0.3
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            # Large enough that scores differ, and norms and biases that are not their own defaults.
            scale = 0.1 if "norm" in key or key.endswith("bias") else loud
            if name != "translator" and "embed_positions" not in key:
                parameter.add_(torch.randn_like(parameter) * scale)
            if name.startswith("marian") and "embed_positions" in key:
                continue
            parameter.copy_(parameter.to(torch.bfloat16).float())
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.copy_((torch.randn_like(model.final_logits_bias)).to(torch.bfloat16).float())
    words.save_pretrained(folder)
    # What a hub's checkpoint would have and no test needs.
    for extra in ["special_tokens_map.json", "added_tokens.json", "merges.txt"] + ["vocab.json"] * (name == "bart"):
        (folder / extra).unlink(missing_ok=True)
    tensors = {key: value.to(torch.bfloat16).contiguous() for key, value in model.state_dict().items()}
    shared = set(getattr(model, "_tied_weights_keys", []) or [])
    tied = model.config.tie_word_embeddings
    for key in shared:
        if tied or "embed_tokens" in key:
            tensors.pop(key, None)
            tensors.pop("model." + key, None)
    if name.startswith("marian"):
        # It stores none; Pegasus does.
        tensors = {key: value for key, value in tensors.items() if "embed_positions" not in key}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.architectures = [type(model).__name__]
    model.config.to_json_file(folder / "config.json")
    model.generation_config.to_json_file(folder / "generation_config.json")
    (folder / "golden.json").write_text(json.dumps(golden(folder, words, asked), ensure_ascii=False) + "\n")


def learn(model, words):
    """Trains until the model translates the sentences by heart, and shortens them to their first words."""
    tasks = [(TASKS["translation_en_to_de"]["prefix"] + english, german) for english, german in PAIRS]
    tasks += [(TASKS["summarization"]["prefix"] + english, " ".join(english.split()[:3])) for english, _ in PAIRS]
    inputs, labels = ([words(text)["input_ids"] for text in side] for side in zip(*tasks))
    pad = lambda rows, value: torch.tensor([row + [value] * (max(map(len, rows)) - len(row)) for row in rows])
    ids, mask, labels = pad(inputs, 0), pad([[1] * len(row) for row in inputs], 0), pad(labels, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(250):
        loss = model(ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("translator: loss", loss.item())


def rounded(tensor):
    return [round(x, 6) for x in tensor.flatten().tolist()]


def golden(folder, words, asked):
    # What is on disk is what is judged.
    exact = dict(dtype=torch.float32) if MODELS is LATER else {}
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, **exact).eval()
    words = transformers.AutoTokenizer.from_pretrained(folder)
    start, cases = model.config.decoder_start_token_id, []
    for text in TEXTS:
        ids = torch.tensor([words(text)["input_ids"]])
        beginning = torch.tensor([[start, 9, 11, 7, 20, 13, 9, 30]])
        # In double precision: what is judged is our rounding, not that of the reference.
        with torch.no_grad():
            single = model(ids, attention_mask=torch.ones_like(ids), decoder_input_ids=beginning).logits[0]
            torch.set_default_dtype(torch.float64)
            logits = model.double()(ids, attention_mask=torch.ones_like(ids), decoder_input_ids=beginning).logits[0]
        model.float()
        torch.set_default_dtype(torch.float32)
        print("rounding of the reference:", ((single - logits).abs().max() / logits.abs().max()).item())
        common = dict(attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False)
        greedy = model.generate(ids, **common, num_beams=1)[0]
        without = model.generate(ids, **common, num_beams=1, use_cache=False)[0]
        assert greedy.tolist() == without.tolist(), text
        beams = model.generate(ids, **common, num_beams=BEAMS, num_return_sequences=BEAMS)
        cases.append(
            dict(
                text=text, ids=ids[0].tolist(), decoder_ids=beginning[0].tolist(), logits=rounded(logits[[0, -1]]),
                greedy=greedy.tolist(), beams=[[t for t in row.tolist()] for row in beams],
            )
        )
    pipelines = []
    for task, args in asked:
        if MODELS is LATER:
            answer = [later(model, words, task, text, **args) for text in TEXTS]
        else:
            answer = transformers.pipeline(task, model=str(folder), device="cpu")(TEXTS, **args)
        pipelines.append(dict(task=task, args=args, inputs=TEXTS, answer=answer))
    versions = dict(torch=torch.__version__, transformers=transformers.__version__, sentencepiece=sentencepiece.__version__)
    return dict(versions=versions, cases=cases, pipelines=pipelines)


def later(model, words, task, text, src_lang=None, tgt_lang=None, **args):
    """What a pipeline of transformers 4 would answer."""
    if tgt_lang:
        words.src_lang = src_lang
        args["forced_bos_token_id"] = words.get_lang_id(tgt_lang)
    made = model.generate(**words(text, return_tensors="pt"), **args)[0]
    if src_lang:
        words.src_lang = words.init_kwargs.get("src_lang") or "en"
    key = {"translation": "translation_text", "summarization": "summary_text", "text2text-generation": "generated_text"}[task]
    return {key: words.decode(made, skip_special_tokens=True)}


if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        checkpoint(name)
        print(name, flush=True)
