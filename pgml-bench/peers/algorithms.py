"""Every algorithm's original: fits, and predictions of one row and of many.

Arguments: connection (not used), the list of cases, and a folder for the data, which this program makes and the other side
reads: `<data>-<rows>.bin`, rows × (20 features and a target) of float64, row by row. Measurements are called
`<case> fit`, `<case> one` and `<case> many`, by the number of the case.
"""

import importlib
import inspect
import json
import pathlib
import sys
import warnings

import numpy as np
from protocol import serve, timed

warnings.simplefilter("ignore")
CASES = json.loads(pathlib.Path(sys.argv[2]).read_text())
FOLDER = pathlib.Path(sys.argv[3])
MANY = 100_000
ONE = 50


def make(kind, rows):
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=3, size=(5, 20))
    member = rng.integers(0, 5, rows)
    x = centres[member] * 0.3 + rng.normal(size=(rows, 20))
    signal = x[:, 0] + x[:, 1] - 0.5 * x[:, 2] + x[:, 3] * x[:, 4] + rng.normal(size=rows)
    if kind == "classification":
        y = np.digitize(signal, [-1.5, 1.5]).astype(float)
    elif kind == "positive":
        x, y = np.abs(x), np.exp(0.2 * signal) + 0.01
    else:
        y = signal
    if kind in ("clustering", "narrow"):
        x = x + 2 * centres[member]
    if kind == "narrow":
        x = x[:, :5] * 0.2
    return x, y


def data(kind, rows):
    path = FOLDER / f"{kind}-{rows}.bin"
    if not path.exists():
        np.column_stack(make(kind, rows)).tofile(path)
    width = 6 if kind == "narrow" else 21
    table = np.fromfile(path).reshape(-1, width)
    return np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])


for case in CASES:
    data(case["data"], case["rows"])
    data(case["data"], MANY)

fitted = {}


def estimator(case):
    module, name = case["peer"].rsplit(".", 1)
    kind = getattr(importlib.import_module(module), name)
    params = dict(case["peer_params"])
    # As scikit-learn takes no JSON list where it wants a tuple.
    params = {key: tuple(value) if isinstance(value, list) else value for key, value in params.items()}
    known = inspect.signature(kind.__init__).parameters
    if "n_jobs" in known:
        params.setdefault("n_jobs", 1)
    if "random_state" in known:
        params.setdefault("random_state", 0)
    return kind(**params)


def fit(number):
    case = CASES[number]
    x, y = data(case["data"], case["rows"])
    model = estimator(case)
    result = {}
    supervised = case["task"] in ("regression", "classification")
    with timed(result, "seconds"):
        model.fit(x, y) if supervised else model.fit(x)
    fitted[number] = model
    if case["task"] == "classification":
        result["score"] = float(np.mean(np.ravel(model.predict(x[:20_000])) == y[:20_000]))
    elif case["task"] == "regression":
        error = y[:20_000] - np.ravel(model.predict(x[:20_000]))
        result["score"] = float(1 - np.mean(error**2) / np.var(y[:20_000]))
    return result


def answer(case):
    return "transform" if case["task"] == "decomposition" else "predict"


def one(number):
    case = CASES[number]
    x, _ = data(case["data"], MANY)
    call = getattr(fitted[number], answer(case))
    call(x[:1])
    result = {}
    with timed(result, "seconds"):
        for row in range(ONE):
            call(x[row : row + 1])
    result["seconds"] /= ONE
    return result


def many(number):
    case = CASES[number]
    # What looks at every training row for each row is asked fewer of them; both sides alike.
    x, _ = data(case["data"], MANY)
    x = x[: case.get("many", MANY)]
    call = getattr(fitted[number], answer(case))
    result = {}
    with timed(result, "seconds"):
        call(x)
    return result


measurements = {}
for number in range(len(CASES)):
    for name, work in (("fit", fit), ("one", one), ("many", many)):
        measurements[f"{number} {name}"] = lambda work=work, number=number: work(number)
serve(measurements)
