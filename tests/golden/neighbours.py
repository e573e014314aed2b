"""Writes `neighbours.json`: scikit-learn's nearest neighbours and nearest centroids.

Of training rows that are equally far, scikit-learn takes whichever its search meets; here the first one counts. `decided`
tells the rows for which this does not matter, found by sorting all distances: only those are compared.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/neighbours.py
"""

import numpy as np
from cases import load, sample, write
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid


def inline(rows, targets):
    return {"inline": np.round(rows, 5).tolist(), "targets": np.atleast_2d(targets).tolist()}


def collinear():
    """One-hot blocks, columns that repeat each other, a constant, scales from 1e-3 to 1e3, and rows that repeat."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(80, 3))
    x = np.column_stack([x, x[:, :2] @ [1, 2], np.eye(4)[np.arange(80) % 4], np.full(80, 7.0)])
    x = np.vstack([x, x[:10]]) * ([1e-3, 1.0, 1e3] * 3)
    return inline(x, x[:, 1] * 3 + rng.normal(size=90))


def wide():
    rng = np.random.default_rng(4)
    return inline(rng.normal(size=(25, 60)), np.arange(25) % 3)


def unbalanced():
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2], [60, 25, 8])
    return inline((rng.normal(size=(93, 3)) + y[:, None] * [1.0, 0.7, -0.5]) * [1e-3, 1.0, 1e3], y)


# Factors without common measure: rows of round numbers are then hardly ever equally far.
IRIS = {"builtin": "iris", "scale": [1.0, 1.4142135, 1.7320508, 2.2360679]}
DIABETES, WINE, CANCER, DIGITS = ({"builtin": name} for name in ("diabetes", "wine", "breast_cancer", "digits"))
METRICS = [{}, {"p": 1}, {"p": 3.5}, {"metric": "manhattan"}, {"metric": "chebyshev"}, {"metric": "cosine"}]
BY_DISTANCE = {"weights": "distance", "n_neighbors": 9}
SPECS = (
    [(KNeighborsRegressor, data, metric | more) for data in (DIABETES, collinear()) for metric in METRICS for more in (BY_DISTANCE,)]
    + [(KNeighborsRegressor, data, {"n_neighbors": 3}) for data in (DIABETES, collinear())]
    + [(KNeighborsClassifier, data, metric | more) for data in (IRIS, CANCER) for metric in METRICS for more in (BY_DISTANCE,)]
    + [(KNeighborsClassifier, data, more) for data in (IRIS, CANCER, unbalanced()) for more in ({}, BY_DISTANCE)]
    + [(KNeighborsClassifier, data, more) for data in (WINE, wide()) for more in ({"n_neighbors": 1}, BY_DISTANCE)]
    + [(KNeighborsClassifier, DIGITS, {"weights": "distance"}), (KNeighborsRegressor, {"builtin": "linnerud"}, {"n_neighbors": 4})]
)


def decided(k, x, params, at):
    """Whether the `k` nearest rows are nearer than all others."""
    metric = params.get("metric", "minkowski")
    more = {"p": params.get("p", 2)} if metric == "minkowski" else {}
    distances = np.sort(cdist(x[at], x, {"manhattan": "cityblock"}.get(metric, metric), **more), axis=1)
    return (distances[:, k] - distances[:, k - 1] > 1e-9 * distances[:, k]).tolist()


def case(algorithm, cls, data, params, expected):
    task = "regression" if cls is KNeighborsRegressor else "classification"
    name = f"{cls.__name__} {data.get('builtin', 'inline')} {params}"
    return {"name": name, "algorithm": algorithm, "task": task, "params": params, "data": data, "expected": expected}


cases = []
for cls, data, params in SPECS:
    x, y, _ = load(data)
    # The tree computes distances as they are defined, the other search by scalar products, which lose digits.
    exact = {} if params.get("metric") == "cosine" else {"algorithm": "kd_tree"}
    model = cls(**params, **exact).fit(x, y[:, 0] if y.shape[1] == 1 else y)
    at = sample(len(x))
    expected = {"predictions": model.predict(x[at]).tolist(), "decided": decided(model.n_neighbors, x, params, at)}
    if cls is KNeighborsClassifier:
        expected["probabilities"] = model.predict_proba(x[at]).tolist()
    cases.append(case("knn", cls, data, params, expected))

CENTRED = [{}, {"metric": "manhattan"}, {"shrink_threshold": 0.5}, {"shrink_threshold": 3.0, "metric": "manhattan"}, {"priors": "empirical"}, {"priors": "empirical", "shrink_threshold": 0.2}, {"priors": "empirical", "metric": "manhattan"}]
WIDE, UNBALANCED = wide(), unbalanced()
for data, some in [(IRIS, CENTRED), (WINE, CENTRED), (CANCER, CENTRED), (UNBALANCED, CENTRED[2:5]), (WIDE, CENTRED[2:5])]:
    for params in some:
        x, y, _ = load(data)
        model = NearestCentroid(**params).fit(x, y[:, 0])
        at = sample(len(x))
        expected = {"predictions": model.predict(x[at]).tolist()}
        uniform = np.isclose(model.class_prior_, 1 / len(model.classes_)).all()
        if not uniform and model.metric == "euclidean":
            expected["probabilities"] = model.predict_proba(x[at]).tolist()
        cases.append(case("nearest_centroid", NearestCentroid, data, params, expected))
write("neighbours", cases)
