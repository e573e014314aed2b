"""Writes the built-in data sets and what their tests compare them with.

Made with scikit-learn 1.9.1 and numpy 2.4.6 (Python 3.11 or later):

    python tests/golden/datasets.py

writes `pgml-core/data/*.csv` (values without a header; the columns are declared in `pgml-core/src/datasets/catalog.rs`)
and `tests/golden/datasets.json` (per column the sum and the FNV-1a hash of the values as little-endian float32).
"""

import json
import math
import pathlib

import numpy as np
import sklearn
from sklearn import datasets

assert (sklearn.__version__, np.__version__) == ("1.9.1", "2.4.6")
ROOT = pathlib.Path(__file__).resolve().parents[2]
PIXEL = "0123456789abcdefg"


def number(value):
    """The shortest text that is read as the same double, without a trailing `.0`."""
    text = repr(float(value))
    return text.removesuffix(".0")


def fnv1a(values):
    digest = 0xCBF29CE484222325
    for byte in np.asarray(values, dtype="<f4").tobytes():
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


def summary(values):
    values = np.asarray(values, dtype=np.float32).ravel()
    return {"sum": math.fsum(values.tolist()), "fnv1a": fnv1a(values)}


def columns(data, target, target_text):
    """Feature columns, then the target's: each a pair of texts and values."""
    pairs = [([number(v) for v in column], column) for column in data.T]
    return [*pairs, ([target_text(v) for v in target], target)]


def load():
    cancer, iris, wine = (getattr(datasets, f"load_{name}")() for name in ("breast_cancer", "iris", "wine"))
    malignant = cancer.target == 0
    yield "breast_cancer", columns(cancer.data, malignant, lambda v: "t" if v else "f")
    diabetes = datasets.load_diabetes(scaled=False)
    yield "diabetes", columns(diabetes.data, diabetes.target, number)
    digits = datasets.load_digits()
    images = ["".join(PIXEL[int(pixel)] for pixel in image) for image in digits.data]
    yield "digits", [(images, digits.data), ([number(v) for v in digits.target], digits.target)]
    yield "iris", columns(iris.data, iris.target, number)
    linnerud = datasets.load_linnerud()
    values = np.hstack([linnerud.data, linnerud.target])
    yield "linnerud", [([number(v) for v in column], column) for column in values.T]
    names = list(wine.feature_names)
    # pgml keeps the order of columns that PostgresML has (hue before colour), with the right values in each.
    hue, colour = names.index("hue"), names.index("color_intensity")
    order = list(range(len(names)))
    order[min(hue, colour)], order[max(hue, colour)] = hue, colour
    yield "wine", columns(wine.data[:, order], wine.target, number)


def main():
    golden = {}
    for name, pairs in load():
        lines = [",".join(cells) for cells in zip(*(texts for texts, _ in pairs))]
        (ROOT / f"pgml-core/data/{name}.csv").write_text("\n".join(lines) + "\n")
        golden[name] = {"rows": len(lines), "columns": [summary(values) for _, values in pairs]}
    (ROOT / "tests/golden/datasets.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
