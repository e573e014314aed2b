"""What the golden scripts of the classical algorithms share: data sets, and the form of a case.

A case is `{"name", "task", "params", "data", …, "expected"}`; `pgml-models/tests/golden_cases/mod.rs` reads it. `data` names a
built-in data set (whose values are float32, as the extension's are), of which `rows` may keep the first few, `columns`
some, and
`shift` is taken from each column and `scale` multiplies it, or holds `inline` rows. `weight` of row i is `1 + i mod weight_cycle`.
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn import datasets

assert (sklearn.__version__, np.__version__) == ("1.9.1", "2.4.6")
HERE = pathlib.Path(__file__).resolve().parent

LOADERS = {
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "digits": datasets.load_digits,
    "linnerud": datasets.load_linnerud,
}


def load(data):
    """Features, targets (rows × targets) and weights of a case's `data`."""
    if "inline" in data:
        x = np.array(data["inline"], dtype=float)
        y = np.array(data["targets"], dtype=float).T if "targets" in data else None
    else:
        bunch = LOADERS[data["builtin"]]()
        x = bunch.data.astype(np.float32).astype(np.float64)
        y = bunch.target.astype(np.float32).astype(np.float64).reshape(len(x), -1)
        if data["builtin"] == "wine":
            # The extension has hue before color_intensity.
            x = x[:, [*range(9), 10, 9, 11, 12]]
        if data["builtin"] == "breast_cancer":
            # The extension's label says whether the tumour is malignant.
            y = 1 - y
        if "columns" in data:
            x = x[:, data["columns"]]
        n = data.get("rows", len(x))
        x, y = x[:n], y[:n]
    if "shift" in data:
        x = x - np.array(data["shift"])
    if "scale" in data:
        x = x * np.array(data["scale"])
    weight = None
    if "weight_cycle" in data:
        weight = 1.0 + np.arange(len(x)) % data["weight_cycle"]
    return x, y, weight


def sample(n):
    """The rows whose predictions a golden file holds: about thirty, evenly spread."""
    return list(range(0, n, max(1, n // 30)))


def write(name, cases):
    path = HERE / f"{name}.json"
    text = ",\n".join(json.dumps(case) for case in cases)
    path.write_text("[\n" + text + "\n]\n")
    assert path.stat().st_size < 300_000, path.stat().st_size
    print(path.name, path.stat().st_size, "bytes,", len(cases), "cases")
