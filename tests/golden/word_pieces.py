"""What transformers makes of texts with tokenizers that have a list of words and no `tokenizer.json`.

Writes `word_pieces.json`: settings as in `tokenizer_config.json`, words, and for texts and pairs of them their tokens and types.

Versions: transformers 5.23.0, tokenizers 0.23. Run: python word_pieces.py
"""

import json
import pathlib
import tempfile

import transformers

WORDS = (
    "the river wide ##st is slow , . ! ' [ ] ( sep mask naive naïve ca ##fe ##fé 水 山 The River un ##der ##water ##s a b ##b e "
    "##e # ## - New York Zoë zoe"
).split()
TEXTS = [
    "The river is widest, slow!", "naïve café 水山 水", "underwaters [MASK] <mask> a[SEP]b", "New-York's (Zoë) ## #", "x" * 101 + " a", "",
    " the\u200b\tRiver\u00a0is\x00 e\u0301e ", "added one, twoadded [NEW]",
]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MPNET = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
NEW = {"content": "[NEW]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False, "special": True}
# Settings, the class, its special words.
CASES = [
    (dict(tokenizer_class="BertTokenizer"), BERT),
    (dict(tokenizer_class="BertTokenizerFast", do_lower_case=False), BERT),
    (dict(tokenizer_class="BertTokenizer", do_lower_case=True, strip_accents=False, tokenize_chinese_chars=False), BERT),
    (dict(tokenizer_class="DistilBertTokenizer", do_lower_case=False, strip_accents=True, unk_token="naive"), BERT),
    (dict(tokenizer_class="MPNetTokenizer"), MPNET),
    (dict(tokenizer_class="BertTokenizer", added_tokens_decoder={"{n}": NEW, "{n+1}": {**NEW, "content": "added", "special": False, "single_word": True}}), BERT),
]


def case(settings, special):
    words = special + WORDS
    names = {"{n}": str(len(words)), "{n+1}": str(len(words) + 1)}
    if added := settings.get("added_tokens_decoder"):
        settings = {**settings, "added_tokens_decoder": {names[key]: value for key, value in added.items()}}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "vocab.txt").write_text("\n".join(words) + "\n")
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    read = lambda *texts: tokenizer(*texts, return_token_type_ids=True)
    inputs = [[text] for text in TEXTS] + [TEXTS[:2], TEXTS[2:4]]
    made = [dict(texts=texts, ids=read(*texts)["input_ids"], types=read(*texts)["token_type_ids"]) for texts in inputs]
    return dict(settings=settings, words=words, inputs=made)


if __name__ == "__main__":
    cases = [case(*one) for one in CASES]
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in cases) + "\n]\n")
