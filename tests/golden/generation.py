"""What transformers generates with tiny seeded models, for a table of settings, and what its samplers keep.

Writes `generation.json`: for each setting the logits that the model gave (integers, thousandths, each row once under
`rows`), the beams that were followed, a digest of the scores after all processors, and the resulting sequences; for rows of
scores what each sampling rule keeps; what `TextStreamer` prints token by token. Writes the tokenizers too, to
`generation/byte_level.json` and `generation/byte_fallback.json`.

The models' logits are rounded before `generate` sees them, so that the file holds them exactly.

Versions: torch 2.15.0, transformers 5.23.0, tokenizers 0.23. Run: python generation.py
"""

import inspect
import json
import pathlib

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers.generation import LogitsProcessor, LogitsProcessorList, TextStreamer

FOLDER = pathlib.Path(__file__).parent
VOCABULARY = 61
PAD, BOS, EOS = 0, 1, 2
PROMPT = [1, 17, 30, 17, 44, 9]


def byte_level():
    """61 tokens of byte-level BPE: letters, some with a space or cut characters, and ends of lines."""
    pieces = ["<pad>", "<s>", "</s>", "Ġ", "Ċ"]
    pieces += [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces += ["Ġa", "Ġthe", "th", "he", "an", "in", "on", ".", ",", "ĊĊ", "END", "EN", "D", "1", "2", "3"]
    # The bytes of "é", "你" and an emoji, apart.
    pieces += ["Ã", "©", "ä", "½", "ł", "ð", "Ł", "ĺ", "Ģ", "ä½ł"]
    pieces += [f"x{i}" for i in range(VOCABULARY - len(pieces))]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in pieces[:3]])
    return tokenizer


def byte_fallback():
    """SentencePiece's way: words begin with a mark, and what is not in the vocabulary is bytes."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += ["▁", "▁Hello", "▁world", "Hello", "world", "!", "▁a", "a", "b", "c", "d", "e", "\n", "你", "好", ".", ","]
    tokenizer = Tokenizer(
        models.BPE({piece: i for i, piece in enumerate(pieces)}, [], byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in pieces[:3]])
    return tokenizer


def fast(tokenizer):
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", clean_up_tokenization_spaces=False
    )


def rounded(model):
    """The model, its logits in whole thousandths."""
    forward = model.forward

    def round_logits(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.logits = torch.round(output.logits * 1000) / 1000
        return output

    # `generate` reads the signature of the class's own method.
    round_logits.__signature__ = inspect.signature(forward)
    model.forward = round_logits
    start = EOS if model.config.is_encoder_decoder else None
    model.generation_config = transformers.GenerationConfig(pad_token_id=PAD, decoder_start_token_id=start)
    return model.eval()


def decoder():
    torch.manual_seed(7)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=64, n_embd=24, n_layer=2, n_head=3, initializer_range=0.35,
        bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD,
    )
    return rounded(transformers.GPT2LMHeadModel(config))


def encoder_decoder():
    torch.manual_seed(11)
    config = transformers.BartConfig(
        vocab_size=VOCABULARY, d_model=24, encoder_layers=1, decoder_layers=2, encoder_attention_heads=3,
        decoder_attention_heads=3, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64, init_std=0.35,
        bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD, decoder_start_token_id=EOS, forced_eos_token_id=None,
    )
    return rounded(transformers.BartForConditionalGeneration(config))


class Recorder(LogitsProcessor):
    """Notes which sequences each step continues."""

    def __init__(self):
        self.histories = []

    def __call__(self, input_ids, scores):
        self.histories.append(input_ids.tolist())
        return scores


GREEDY = [
    dict(max_new_tokens=8),
    dict(),
    dict(max_length=10),
    dict(max_new_tokens=12, eos_token_id=[EOS, 5, 40]),
    dict(max_new_tokens=8, repetition_penalty=1.3),
    dict(max_new_tokens=8, repetition_penalty=0.7),
    dict(max_new_tokens=8, encoder_repetition_penalty=1.6),
    dict(max_new_tokens=8, encoder_repetition_penalty=0.6),
    dict(max_new_tokens=10, no_repeat_ngram_size=1),
    dict(max_new_tokens=12, no_repeat_ngram_size=2),
    dict(max_new_tokens=8, encoder_no_repeat_ngram_size=1),
    dict(max_new_tokens=8, encoder_no_repeat_ngram_size=2),
    dict(max_new_tokens=8, bad_words_ids="first"),
    dict(max_new_tokens=8, suppress_tokens="first"),
    dict(max_new_tokens=8, begin_suppress_tokens="first"),
    dict(max_new_tokens=8, forced_eos_token_id=EOS, eos_token_id=EOS),
    dict(max_new_tokens=8, forced_eos_token_id=[EOS, 9]),
    dict(max_new_tokens=12, eos_token_id="third", min_new_tokens=6),
    dict(max_new_tokens=12, eos_token_id="third", min_length=12),
    dict(max_new_tokens=12, eos_token_id="third"),
    dict(max_new_tokens=12, eos_token_id=EOS, exponential_decay_length_penalty=[2, 1.6]),
    dict(max_new_tokens=8, sequence_bias=[[[33], 4.5], [[9, 12], -3.25], [[17, 44], 2.0]]),
    dict(max_new_tokens=8, repetition_penalty=1.2, no_repeat_ngram_size=2, bad_words_ids=[[4], [9, 10]], min_new_tokens=3,
         eos_token_id=[EOS, 50]),
    dict(max_new_tokens=12, stop_strings=["END", "the"]),
    dict(max_new_tokens=16, stop_strings="stop"),
]

BEAMS = [
    dict(max_new_tokens=6, num_beams=2),
    dict(max_new_tokens=6, num_beams=4, num_return_sequences=4),
    dict(max_new_tokens=8, num_beams=3, eos_token_id=[EOS, 5, 40, 22], num_return_sequences=3),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", num_return_sequences=3),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", num_return_sequences=3, early_stopping=True),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", num_return_sequences=3, early_stopping="never"),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", num_return_sequences=2, length_penalty=2.0),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", num_return_sequences=2, length_penalty=0.0),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", num_return_sequences=2, length_penalty=-1.0),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", length_penalty=-1.0, early_stopping="never"),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", length_penalty=1.5, early_stopping="never"),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", min_new_tokens=4, num_return_sequences=3),
    dict(max_new_tokens=6, num_beams=2, repetition_penalty=1.4, no_repeat_ngram_size=2),
    dict(max_new_tokens=6, num_beams=2, forced_eos_token_id=EOS, eos_token_id=EOS),
    dict(max_new_tokens=6, num_beams=2, bad_words_ids="first", renormalize_logits=True),
    dict(max_new_tokens=8, num_beams=3, eos_token_id="beams", exponential_decay_length_penalty=[1, 1.4]),
    dict(max_new_tokens=10, num_beams=2, stop_strings="stop", num_return_sequences=2),
]

TRANSLATED = [
    dict(max_new_tokens=8),
    dict(max_length=8, forced_bos_token_id=33, forced_eos_token_id=EOS, eos_token_id=EOS),
    dict(max_length=8, num_beams=3, forced_bos_token_id=33, forced_eos_token_id=EOS, eos_token_id=EOS),
    dict(max_length=8, begin_suppress_tokens="first", forced_bos_token_id=33),
    dict(max_new_tokens=8, encoder_no_repeat_ngram_size=1, encoder_repetition_penalty=1.5),
    dict(max_length=9, min_length=5, num_beams=2, length_penalty=2.0, no_repeat_ngram_size=3, early_stopping=True,
         eos_token_id="third"),
]


def settled(settings, plain, beams):
    """Names of tokens that the plain runs generate, made numbers."""
    names = {
        "first": plain[:1] if "suppress_tokens" in settings or "begin_suppress_tokens" in settings else [plain[:1], plain[2:4]],
        "third": plain[2],
        "beams": beams,
    }
    return {key: names.get(value, value) if isinstance(value, str) else value for key, value in settings.items()}


class Goldens:
    def __init__(self):
        self.rows, self.known = [], {}

    def row(self, logits):
        thousandths = tuple(int(round(x * 1000)) for x in logits.tolist())
        if thousandths not in self.known:
            self.known[thousandths] = len(self.rows)
            self.rows.append(list(thousandths))
        return self.known[thousandths]

    def case(self, model, settings, tokenizer, encoder=None):
        recorder = Recorder()
        inputs = torch.tensor([encoder or PROMPT])
        output = model.generate(
            inputs, attention_mask=torch.ones_like(inputs), logits_processor=LogitsProcessorList([recorder]),
            output_logits=True, output_scores=True, return_dict_in_generate=True,
            tokenizer=fast(tokenizer) if "stop_strings" in settings else None, **settings,
        )
        beams, prompt = settings.get("num_beams", 1), len(recorder.histories[0][0])
        steps, before = [], None
        for histories, scores, logits in zip(recorder.histories, output.scores, output.logits):
            # Copies of the prompt are followed before and after a forced token; one is enough.
            first = [i for i, history in enumerate(histories) if history not in histories[:i]]
            steps.append({
                "parents": None if before is None else [before.index(histories[i][:-1]) for i in first],
                "tokens": None if before is None else [histories[i][-1] for i in first],
                "logits": [self.row(logits[i]) for i in first],
                "scores": [digest(scores[i]) for i in first],
            })
            before = [histories[i] for i in first]
        sequences = [sequence[prompt:] for sequence in output.sequences.tolist()]
        if beams > 1:
            # Shorter ones are filled up.
            lengths = (output.beam_indices >= 0).sum(dim=1).tolist()
            sequences = [sequence[:n] for sequence, n in zip(sequences, lengths)]
        return {
            "settings": settings, "encoder": encoder, "prompt": recorder.histories[0][0], "steps": steps,
            "sequences": sequences,
            "scores": output.sequences_scores.tolist() if beams > 1 else None,
            "texts": [fast(tokenizer).decode(sequence, skip_special_tokens=True) for sequence in sequences]
            if "stop_strings" in settings else None,
        }


def digest(scores):
    """How many scores are finite, and their sum, weighted by their places."""
    finite = torch.isfinite(scores)
    weights = 1 + torch.arange(len(scores)) % 7
    return [int(finite.sum()), round(float((scores.double() * weights)[finite].sum()), 4)]


def cases(goldens):
    model, tokenizer = decoder(), byte_level()
    plain = model.generate(torch.tensor([PROMPT]), max_new_tokens=16, eos_token_id=None)[0, len(PROMPT):].tolist()
    text = fast(tokenizer).decode(plain)
    found = model.generate(torch.tensor([PROMPT]), max_new_tokens=8, num_beams=3, num_return_sequences=3)
    eos = sorted({sequence[len(PROMPT) + i] for sequence in found.tolist() for i in (2, 4)})[:2]
    done = []
    for settings in GREEDY + BEAMS:
        settings = settled(settings, plain, eos)
        if settings.get("stop_strings") == "stop":
            written = fast(tokenizer).decode(found[0, len(PROMPT):]) if "num_beams" in settings else text
            settings["stop_strings"] = written[4:7]
        done.append(goldens.case(model, settings, tokenizer))
    model, encoder = encoder_decoder(), [5, 33, 21, 33, 48, 7, 2]
    start = torch.tensor([encoder])
    plain = model.generate(start, max_new_tokens=8, eos_token_id=None)[0, 1:].tolist()
    for settings in TRANSLATED:
        done.append(goldens.case(model, settled(settings, plain, []), tokenizer, encoder))
    return done


WARPERS = [
    dict(temperature=0.7),
    *[dict(top_k=k) for k in (1, 5, 50, 1000)],
    *[dict(top_p=p) for p in (0.05, 0.5, 0.9, 0.99)],
    *[dict(min_p=p) for p in (0.02, 0.3, 1.0)],
    *[dict(typical_p=p) for p in (0.1, 0.5, 0.95)],
    *[dict(epsilon_cutoff=e) for e in (0.003, 0.05)],
    *[dict(eta_cutoff=e) for e in (0.003, 0.2)],
    *[dict(top_h=h) for h in (0.2, 0.6, 1.0)],
    dict(temperature=1.7, top_k=20, top_p=0.8),
    dict(temperature=0.6, top_h=0.9, top_k=3, min_p=0.1),
    dict(top_k=30, typical_p=0.7, epsilon_cutoff=0.01, eta_cutoff=0.02),
    dict(top_p=0.3, num_beams=2),
    dict(min_p=0.9, num_beams=2),
    dict(typical_p=0.2, num_beams=2),
    dict(epsilon_cutoff=0.5, num_beams=2),
    dict(top_k=1, num_beams=2),
]


def warped():
    """What each sampling rule keeps of some rows."""
    torch.manual_seed(3)
    rows = [
        torch.randn(VOCABULARY) * 2, torch.randn(VOCABULARY) * 6, torch.randn(VOCABULARY) * 0.1,
        torch.randn(400) * 3, torch.zeros(12), torch.tensor([3.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
    ]
    rows = [torch.round(row * 1000) / 1000 for row in rows]
    rows[1][::3] = -torch.inf
    model, kept = decoder(), []
    for settings in WARPERS:
        settings = {"top_k": 0, **settings, "do_sample": True}
        config = transformers.GenerationConfig(**settings)
        config._eos_token_tensor = None
        rules = model._get_logits_processor(generation_config=config, input_ids_seq_length=1)
        ids = torch.zeros((1, 1), dtype=torch.long)
        keep = [torch.isfinite(rules(ids, row[None])[0]).nonzero()[:, 0].tolist() for row in rows]
        kept.append({"settings": settings, "kept": [runs(ids) for ids in keep]})
    return {"rows": [[None if x == -torch.inf else round(x * 1000) for x in row.tolist()] for row in rows], "cases": kept}


def runs(ids):
    """[first, last] of each run of numbers."""
    found = []
    for i in ids:
        if found and found[-1][1] == i - 1:
            found[-1][1] = i
        else:
            found.append([i, i])
    return found


class Printed(TextStreamer):
    def __init__(self, tokenizer):
        super().__init__(tokenizer, skip_special_tokens=True)
        self.printed = []

    def on_finalized_text(self, text, stream_end=False):
        self.printed.append(text)


TEXTS = {
    "byte_level": ["the cat an in\nthe end", "你 é you", "a你b\n\nc", "one two 123.", " a", "dé é你你 x"],
    "byte_fallback": ["Hello world!", "Hello é world 你好 a", "a 😀 b", "é", "a\nb c\n", "你好你 a", "Zürich und Öl"],
}


def streamed():
    """What is printed token by token."""
    done = []
    for name, make in (("byte_level", byte_level), ("byte_fallback", byte_fallback)):
        tokenizer = make()
        (FOLDER / "generation").mkdir(exist_ok=True)
        tokenizer.save(str(FOLDER / "generation" / f"{name}.json"), pretty=False)
        wrapped = fast(tokenizer)
        for text in TEXTS[name]:
            ids = wrapped.encode(text, add_special_tokens=False) + [EOS]
            streamer = Printed(wrapped)
            for token in ids:
                streamer.put(torch.tensor([token]))
            streamer.end()
            done.append({
                "tokenizer": name, "tokens": ids, "text": wrapped.decode(ids, skip_special_tokens=True),
                "printed": [piece for piece in streamer.printed if piece],
            })
    return done


def main():
    goldens = Goldens()
    made = {"cases": cases(goldens), "warped": warped(), "streamed": streamed()}
    made = {"rows": goldens.rows, **made}
    lines = ",\n".join(f'"{key}": {dump(value)}' for key, value in made.items())
    (FOLDER / "generation.json").write_text("{" + lines + "}\n")


def dump(value):
    if isinstance(value, list):
        return "[\n" + ",\n".join(json.dumps(item, separators=(",", ":"), ensure_ascii=False) for item in value) + "]"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    main()
