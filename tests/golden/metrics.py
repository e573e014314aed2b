"""Writes `tests/golden/metrics.json`: what scikit-learn says about varied predictions.

Made with scikit-learn 1.9.1, numpy 2.4.6 and scipy 1.17.1 (Python 3.11 or later):

    python tests/golden/metrics.py
"""

import json
import math
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
from scipy.spatial.distance import cdist
from sklearn import metrics as m
from sklearn.exceptions import UndefinedMetricWarning

assert (sklearn.__version__, np.__version__, scipy.__version__) == ("1.9.1", "2.4.6", "1.17.1")
warnings.simplefilter("ignore", UndefinedMetricWarning)
warnings.simplefilter("ignore", UserWarning)
OUT = pathlib.Path(__file__).with_name("metrics.json")
rng = np.random.default_rng(20261121)


def plain(value):
    """JSON has no NaN: null stands for it."""
    value = float(value)
    return None if math.isnan(value) else value


def regression(name, y, yhat):
    y, yhat = np.atleast_2d(np.asarray(y, float)), np.atleast_2d(np.asarray(yhat, float))
    y, yhat = (a.T for a in (y, yhat))
    values = {
        "r2": m.r2_score(y, yhat),
        "mean_absolute_error": m.mean_absolute_error(y, yhat),
        "mean_squared_error": m.mean_squared_error(y, yhat),
    }
    metrics = {key: plain(value) for key, value in values.items()}
    return {"name": name, "y": y.T.tolist(), "yhat": yhat.ravel().tolist(), "metrics": metrics}


def scores(y, yhat, n_classes):
    average = {"average": "binary"} if n_classes == 2 else {"average": "macro"}
    return {
        "f1": m.f1_score(y, yhat, zero_division=0, **average),
        "precision": m.precision_score(y, yhat, zero_division=0, **average),
        "recall": m.recall_score(y, yhat, zero_division=0, **average),
        "accuracy": m.accuracy_score(y, yhat),
        "mcc": m.matthews_corrcoef(y, yhat),
    }


def area(y, proba, n_classes):
    if len(set(y)) < n_classes:
        return math.nan
    if n_classes == 2:
        return m.roc_auc_score(y, proba[:, 1])
    return m.roc_auc_score(y, proba, multi_class="ovr", labels=range(n_classes))


def classification(name, y, yhat, n_classes, proba=None):
    y, yhat = np.asarray(y), np.asarray(yhat)
    values = {}
    if proba is not None:
        values["roc_auc"] = area(y, proba, n_classes)
        values["log_loss"] = m.log_loss(y, proba, labels=range(n_classes))
    elif n_classes == 2:
        values["roc_auc"] = m.roc_auc_score(y, yhat) if len(set(y)) == 2 else math.nan
    values |= scores(y, yhat, n_classes)
    return {
        "name": name,
        "n_classes": n_classes,
        "y": y.tolist(),
        "yhat": yhat.tolist(),
        "proba": None if proba is None else proba.ravel().tolist(),
        "metrics": {key: plain(value) for key, value in values.items()},
    }


def drawn(name, n, n_classes, classes=None, decimals=None, sharpness=1.0):
    """Random probabilities that favour the true class; rounded ones tie."""
    y = rng.choice(range(n_classes) if classes is None else classes, n)
    logits = rng.normal(size=(n, n_classes)) * sharpness
    logits[np.arange(n), y] += 0.8 * sharpness
    proba = np.exp(logits - logits.max(axis=1, keepdims=True))
    proba /= proba.sum(axis=1, keepdims=True)
    if decimals is not None:
        proba = np.round(proba, decimals)
        proba[:, 0] = np.round(1 - proba[:, 1:].sum(axis=1), decimals)
        proba = np.clip(proba, 0, 1)
        if n_classes > 2:
            proba /= proba.sum(axis=1, keepdims=True)
    return classification(name, y, proba.argmax(axis=1), n_classes, proba)


def regressions():
    y = rng.normal(50, 10, 40)
    noise = rng.normal(0, 4, (3, 40))
    yield regression("close", y, y + noise[0])
    yield regression("perfect", y, y)
    yield regression("worse than the mean", y, 100 - y)
    yield regression("the mean", y, np.full(40, y.mean() + 1))
    yield regression("constant target, hit", [3, 3, 3], [3, 3, 3])
    yield regression("constant target, missed", [3, 3, 3], [3, 4, 3])
    yield regression("one row", [3], [4])
    yield regression("far from zero", 1e6 + y, 1e6 + y + noise[1])
    yield regression("three targets", [y, 2 * y + 3, np.full(40, 7)], [y + noise[0], y * 2 + noise[1], np.full(40, 7)])
    yield regression("two targets, one row", [[1], [2]], [[1], [3]])


def classifications():
    yield drawn("two classes", 60, 2)
    yield drawn("two classes, tied probabilities", 80, 2, decimals=1)
    yield drawn("two classes, certain", 40, 2, decimals=0, sharpness=3)
    yield drawn("two classes, extreme probabilities", 40, 2, sharpness=400)
    yield drawn("two classes, one in the test", 20, 2, classes=[1])
    yield drawn("two classes, the other in the test", 20, 2, classes=[0])
    yield drawn("five classes", 60, 5)
    yield drawn("five classes, tied probabilities", 60, 5, decimals=1)
    yield drawn("four classes, one missing", 50, 4, classes=[0, 1, 3])
    yield drawn("three classes, extreme probabilities", 40, 3, sharpness=400)
    y2, y3 = rng.integers(0, 2, 50), rng.integers(0, 3, 50)
    yield classification("two classes, labels alone", y2, np.where(rng.random(50) < 0.7, y2, 1 - y2), 2)
    yield classification("two classes, perfect", y2, y2, 2)
    yield classification("two classes, all wrong", y2, 1 - y2, 2)
    yield classification("two classes, always 1", y2, np.ones(50, int), 2)
    yield classification("two classes, always 0", y2, np.zeros(50, int), 2)
    yield classification("two classes, nothing but 0", [0, 0, 0], [0, 0, 0], 2)
    yield classification("three classes, labels alone", y3, np.where(rng.random(50) < 0.6, y3, (y3 + 1) % 3), 3)
    yield classification("three classes, perfect", y3, y3, 3)
    yield classification("three classes, all wrong", y3, (y3 + 1) % 3, 3)
    yield classification("three classes, one never predicted", y3, np.minimum(y3, 1), 3)
    yield classification("six classes, three occur", [0, 2, 2, 5], [0, 2, 5, 5], 6)


def silhouettes():
    blobs = np.vstack([rng.normal(centre, 1, (25, 3)) for centre in (0, 4, 5)])
    for name, rows, labels in [
        ("blobs", blobs, np.repeat([0, 1, 2], 25)),
        ("blobs, drawn labels", blobs, rng.integers(0, 4, 75)),
        ("a cluster of one row", blobs[:30], [9, *[0] * 14, *[4] * 15]),
        ("rows that coincide", np.ones((6, 2)), [0, 0, 0, 1, 1, 1]),
    ]:
        # Distances by differences: scikit-learn's own come from dot products and lose half the digits.
        value = m.silhouette_score(cdist(rows, rows), labels, metric="precomputed")
        yield {
            "name": name,
            "width": rows.shape[1],
            "rows": np.asarray(rows, float).ravel().tolist(),
            "labels": np.asarray(labels).tolist(),
            "silhouette": plain(value),
        }


def helpers():
    """The arrays of `real` that `pgml.sklearn_*` take."""
    for name, y, yhat, n_classes in [
        ("two labels", rng.integers(0, 2, 30), rng.integers(0, 2, 30), 2),
        ("labels 1 and 2", rng.integers(1, 3, 30), rng.integers(1, 3, 30), 2),
        ("four labels", rng.integers(0, 4, 40), rng.integers(0, 4, 40), 4),
        ("three labels of five", rng.choice([0, 2, 4], 40), rng.choice([0, 2, 4], 40), 5),
    ]:
        many = len(set(y) | set(yhat)) > 2
        average = {"average": "macro" if many else "binary", "zero_division": 0}
        values = {
            "f1": m.f1_score(y, yhat, **average),
            "f1_micro": m.f1_score(y, yhat, average="micro"),
            "precision": m.precision_score(y, yhat, **average),
            "recall": m.recall_score(y, yhat, **average),
            "accuracy": m.accuracy_score(y, yhat),
            "mcc": m.matthews_corrcoef(y, yhat),
        }
        if n_classes == 2:
            values["roc_auc"] = m.roc_auc_score(y, yhat)
        yield {
            "name": name,
            "y": y.tolist(),
            "yhat": yhat.tolist(),
            "n_classes": n_classes,
            "metrics": {key: plain(value) for key, value in values.items()},
        }


def main():
    golden = {
        "regression": list(regressions()),
        "classification": list(classifications()),
        "silhouette": list(silhouettes()),
        "sklearn": list(helpers()),
    }
    OUT.write_text(json.dumps(golden, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


main()
