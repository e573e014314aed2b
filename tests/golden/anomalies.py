"""Writes `anomalies.json`: scikit-learn's local outlier factors, elliptic envelopes and isolation forests.

Scores are those of `decision_function` (local outlier factors: `negative_outlier_factor_` or `score_samples`, less the
offset) with the sign turned. Random methods were run with ten seeds, or sixty where
rows are weighted or values missing: where all agree, `scores` holds them, else `auc` and `mean`
hold what each found: the area under the ROC curve of the rows that are known to be strange, and the mean score.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/anomalies.py
"""

import numpy as np
from cases import load, sample, write
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor


def unit(data):
    return data | {"scale": [1 / s if s else 1.0 for s in np.round(load(data)[0].std(axis=0), 6)]}


def strangers(n, d, scale):
    """Rows of two correlated clusters and a twentieth of others far off, features of other scales."""
    rng = np.random.default_rng(n + d)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.integers(2, size=(n, 1))
    x[:: 20] = rng.normal(size=x[::20].shape) * 6 + 3
    return {"inline": np.round(x * scale, 6).tolist()}


def with_gaps(data):
    """The same rows, a seventh of their values missing, half of those in one feature."""
    x = np.array(data["inline"])
    rng = np.random.default_rng(7)
    x[rng.random(len(x)) < x.shape[1] / 14, 1] = np.nan
    x[rng.random(x.shape) < 1 / 14] = np.nan
    return {"inline": [[None if np.isnan(value) else value for value in row] for row in x.tolist()]}


def case(algorithm, data, params, expected):
    gaps = ", missing values" if None in sum(data.get("inline", []), []) else ""
    weights = ", weighted" if "weight_cycle" in data else ""
    name = f"{algorithm} {data.get('builtin', 'inline')} {params}{gaps}{weights}"
    return {"name": name, "algorithm": algorithm, "task": "anomaly_detection", "params": params, "data": data, "expected": expected}


WINE, CANCER, IRIS = (unit({"builtin": name}) for name in ("wine", "breast_cancer", "iris"))
SMALL, ROWS = strangers(200, 4, 1.0), strangers(700, 3, [1e-3, 1.0, 1e3])
LINE = strangers(150, 1, 1.0)
GAPS = with_gaps(SMALL)
cases = []
for data in (WINE, CANCER, SMALL):
    for params in ({}, {"n_neighbors": 5, "contamination": 0.1}, {"metric": "manhattan"}, {"novelty": True}, {"novelty": True, "contamination": 0.2, "n_neighbors": 35}):
        x, _, _ = load(data)
        at = sample(len(x))
        model = LocalOutlierFactor(**params, algorithm="kd_tree").fit(x)
        scores = model.score_samples(x[at]) if params.get("novelty") else model.negative_outlier_factor_[at]
        cases.append(case("local_outlier_factor", data, params, {"scores": (model.offset_ - scores).tolist()}))


def auc(x, y, scores):
    return float(roc_auc_score(y, scores))


truth = {"breast_cancer": lambda n: load({"builtin": "breast_cancer"})[1][:, 0], "inline": lambda n: (np.arange(n) % 20 == 0).astype(float)}
for algorithm, cls, specs in [
    ("elliptic_envelope", EllipticEnvelope, [(data, params) for data in (WINE, IRIS, SMALL) for params in ({}, {"support_fraction": 0.8, "contamination": 0.05})] + [(SMALL, {"assume_centered": True}), (ROWS, {}), (LINE, {}), (LINE, {"support_fraction": 0.8, "contamination": 0.05}), (LINE, {"support_fraction": 1.0, "assume_centered": True})]),
    ("isolation_forest", IsolationForest, [(CANCER, {}), (SMALL, {"contamination": 0.1, "max_samples": 0.5, "n_estimators": 40}), (ROWS, {"bootstrap": True, "max_samples": 64, "n_estimators": 50}), (SMALL, {"max_features": 2, "n_estimators": 30}), (GAPS, {}), (GAPS, {"contamination": 0.1, "max_samples": 100, "bootstrap": True}), (SMALL | {"weight_cycle": 5}, {"n_estimators": 50, "max_samples": 150}), (SMALL | {"weight_cycle": 5}, {"bootstrap": True, "max_samples": 150}), (CANCER | {"weight_cycle": 3}, {})]),
]:
    for data, params in specs:
        x, _, weight = load(data)
        at = sample(len(x))
        weights = {} if weight is None else {"sample_weight": weight}
        scores = np.array([-cls(**params, random_state=seed).fit(x, **weights).decision_function(x) for seed in range(10 if weight is None and data is not GAPS else 60)])
        if np.allclose(scores, scores[0], rtol=1e-9, atol=1e-9):
            expected = {"scores": scores[0][at].tolist()}
        else:
            y = truth.get(data.get("builtin", "inline"), lambda n: None)(len(x))
            expected = {"mean": scores.mean(axis=1).tolist()}
            if y is not None:
                expected |= {"truth": y.tolist(), "auc": [auc(x, y, s) for s in scores]}
        print(algorithm, data.get("builtin"), params, list(expected))
        cases.append(case(algorithm, data, params, expected))
write("anomalies", cases)
