"""Writes `tests/golden/chunk.json`: how the reference libraries split varied texts. `chunk_vectors.json`, cases written by
hand, is only checked against them.

Made with langchain-text-splitters 0.3.5, NLTK 3.9.1 and spaCy 3.8.18 (Python 3.11 or later):

    pip install langchain-text-splitters==0.3.5 nltk==3.9.1 spacy==3.8.18
    python tests/golden/chunk.py

NLTK's model for English cannot be had from PyPI. Its algorithm runs here on the lists of `pgml-core/src/chunk/sentences/`,
so what is compared is the algorithm, not the model.
"""

import json
import logging
import pathlib
import random
from importlib.metadata import version

import nltk.tokenize
import spacy
from langchain_text_splitters import (
    CharacterTextSplitter,
    LatexTextSplitter,
    MarkdownTextSplitter,
    NLTKTextSplitter,
    PythonCodeTextSplitter,
    RecursiveCharacterTextSplitter,
    SpacyTextSplitter,
)
from nltk.tokenize import punkt

assert version("langchain-text-splitters") == "0.3.5"
assert nltk.__version__ == "3.9.1"
assert spacy.__version__ == "3.8.18"

HERE = pathlib.Path(__file__).parent
LISTS = HERE.parent.parent / "pgml-core/src/chunk/sentences"
rng = random.Random(20261121)
logging.disable()


def tokenizer(language="english"):
    parameters = punkt.PunktParameters()
    parameters.abbrev_types = set((LISTS / "english_abbreviations.txt").read_text().split())
    for word in (LISTS / "english_lower_case_words.txt").read_text().split():
        parameters.ortho_context[word] = punkt._ORTHO_BEG_UC | punkt._ORTHO_MID_LC
    return punkt.PunktSentenceTokenizer(parameters)


PUNKT = tokenizer()
nltk.tokenize._get_punkt_tokenizer = lambda language="english": PUNKT
SPLITTERS = {
    "character": CharacterTextSplitter,
    "recursive_character": RecursiveCharacterTextSplitter,
    "markdown": MarkdownTextSplitter,
    "latex": LatexTextSplitter,
    "python": PythonCodeTextSplitter,
    "nltk": NLTKTextSplitter,
    "spacy": lambda **kwargs: SpacyTextSplitter(**{"pipeline": "sentencizer", **kwargs}),
}

WORDS = """a the It was best of times, worst times. end? Yes! No... ¿qué? naïve Straße 日本語 テキスト です。 Καλημέρα мир 🦀 👩‍👩‍👧 é
x1 3.14 foo_bar (see below) "quoted" don't #tag $x$ $$ ``` --- *** \\section{One} \\begin{list} {curly} [square] <b> a|b C++ a.b
pneumonoultramicroscopicsilicovolcanoconiosis &amp; 50% class def return""".split()
GAPS = [" "] * 12 + ["\n"] * 4 + ["\n\n"] * 3 + ["  ", "\t", "\r\n", "\r\n\r\n", "\n\n\n", " \n", "\u00a0", "\u2003", "\x1c", "", ""]
BLOCKS = ["\n## Heading\n", "\n```\ncode block\n```\n", "\n---\n", "\n***\n", "\n____\n", "\nclass A:\n\tdef f(self):\n\t\treturn 1\n",
          "\ndef g():\n    return 2\n\n", "\n\\section{Two}\n", "\n\\begin{itemize}\n\\item x\n", "$$a^2$$", "\n\\chapter{Three}", " $y$ "]


def text():
    parts = []
    for _ in range(rng.choice([0, 1, 2, 5, 10, 20, 40])):
        parts.append(rng.choice(BLOCKS) if rng.random() < 0.12 else rng.choice(WORDS))
        parts.append(rng.choice(GAPS))
    return "".join(parts)


SENTENCES = """Mr. Smith met Dr. J. S. Bach in the U.S. Capitol. He left the U.S. The end was near. It costs 3.50 dollars! Really?! Yes.
"Stop it!" she said. (That was all.) See Fig. 2 and pp. 3-5, e.g. here. I. Newton wrote it. Plan B. Then we go... and on. No. 5 is alive.
At 5 p.m. Today is Monday. He lives on Main St. in Boston. We (Inc. Ltd.) sell apples etc. and pears. Visit http://example.com/a.html. Now!
Nothing is here.Next one follows. "Quoted." 'Single.' [Bracketed.] She said "No." He left -- quickly.-- Why? ... What now!! a.m. is morning.
i.e. that is it. The year 1999. 2000 was next. Chapter 12. The beginning. John F. Kennedy spoke. ok. lower case start. Really. . . yes. Wow . Gap
x-corp. Next it is. Ph.D. Students come. Jan. 5 was cold. In Jan. The cold came. $5. Done; he said: "Go." 3 of 4. Five. Ünder. Äpfel! ß. Éa. 日本。次！
J. R. R. Tolkien wrote. It is 5 km. Away it goes. 100%. Sure. (a.) (b.) c.) [1]. Then! end.) Next end." Next end.' Next ... Dots. .5 is half. U.S.A. is big.
We are no. They met Gen. Lee. NASA. It flew. A.B. Corp. vs. The World. end .Next one?Two! What?No. Emily's. Tom. - dash. -- Dash""".split()


def prose():
    parts = []
    for _ in range(rng.choice([3, 10, 30, 60])):
        start = rng.randrange(len(SENTENCES))
        parts.extend(SENTENCES[start:start + rng.choice([1, 2, 4, 8])])
    return "".join(word + rng.choice([" "] * 14 + ["  ", "\n", "\n\n", "\t", " \n", "\r\n"]) for word in parts)


def sizes():
    size = rng.choice([0, 1, 2, 3, 5, 8, 13, 20, 40, 100])
    overlap = rng.choice([0, 0, size // 5, size // 2, size, max(0, size - 1)])
    kwargs = {"chunk_size": size, "chunk_overlap": overlap}
    if rng.random() < 0.3:
        kwargs["strip_whitespace"] = rng.choice([True, False])
    return kwargs


def arguments(splitter):
    kwargs = sizes()
    if rng.random() < 0.6 and splitter not in ("nltk", "spacy"):
        kwargs["keep_separator"] = rng.choice([True, False, "start", "end"])
    if rng.random() < 0.1:
        kwargs["add_start_index"] = True
    regex = rng.random() < 0.3 and splitter not in ("nltk", "spacy")
    if regex:
        kwargs["is_separator_regex"] = True
    if splitter == "character":
        kwargs["separator"] = rng.choice([r"\s+", r"[.!?]\s", r"x*", r"\b", r"(?i:the|was)", r"\n{2,}", r"[^\w\s]", r"$", "", r"a{,2}t"] if regex
                                         else [" ", "\n", "\n\n", "", ".", "the", "  ", "\\s", "日本"])
    if splitter == "recursive_character" and rng.random() < 0.6:
        kwargs["separators"] = (rng.choice([[r"\n+", r"\s"], [r"(?:\n\n)", r"[.?!]\s*", ""], [r"\n#+ ", r"\s+", "."], [r"$", r"\w+\Z", ""]]) if regex
                                else rng.choice([["\n", ". ", " "], ["."], ["\n\n", "", " "], ["。", "。", ""], ["zzz", "yyy"], [" ", "\n"], []]))
    if splitter == "nltk" and rng.random() < 0.3:
        kwargs |= {"use_span_tokenize": True, "separator": ""}
    elif splitter in ("nltk", "spacy") and rng.random() < 0.5:
        kwargs["separator"] = rng.choice([" ", "", "\n", " | "])
    return kwargs


def case(splitter, kwargs, content):
    try:
        chunks = SPLITTERS[splitter](**kwargs).split_text(content)
    except (ValueError, TypeError) as error:
        return {"splitter": splitter, "kwargs": kwargs, "text": content, "error": str(error)}
    return {"splitter": splitter, "kwargs": kwargs, "text": content, "chunks": chunks}


def main():
    cases = []
    for splitter in SPLITTERS:
        makes = prose if splitter in ("nltk", "spacy") else text
        for _ in range(60):
            cases.append(case(splitter, arguments(splitter), makes()))
        for content in ["", " ", "\n\n", "word", " padded\t", "one. two. three.", "\r\n.\r\n", "\x1c a \x1f", "é" * 30]:
            cases.append(case(splitter, {"chunk_size": 10, "chunk_overlap": 3}, content))
        cases.append(case(splitter, {}, makes()))
        cases.append(case(splitter, {"chunk_size": 100}, "overlap by default"))
        cases.append(case(splitter, {"bogus": 1}, "x"))
    for vector in json.loads((HERE / "chunk_vectors.json").read_text(encoding="utf-8")):
        made = case(vector["splitter"], vector["kwargs"], vector["text"])
        assert made == vector, (made, vector)
    with open(HERE / "chunk.json", "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases) + "\n]\n")
    print(len(cases), "cases")


main()
