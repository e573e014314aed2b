"""Writes `discriminants.json`: scikit-learn's linear and quadratic discriminant analysis.

Components have no sign of their own; here the entry of largest size of each is positive.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/discriminants.py
"""

import numpy as np
from cases import load, sample, write
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as Linear
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis as Quadratic


def inline(rows, targets):
    return {"inline": np.round(rows, 6).tolist(), "targets": np.atleast_2d(targets).tolist()}


def unbalanced():
    """Classes of 60, 25 and 8 rows, features of scales 1e-3 to 1e3, one constant, one repeated, and one-hot blocks."""
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2], [60, 25, 8])
    x = (rng.normal(size=(93, 3)) + y[:, None] * [1.0, 0.7, -0.5]) * [1e-3, 1.0, 1e3]
    return inline(np.column_stack([x, x[:, 1], np.full(93, 4.0), np.eye(3)[rng.integers(3, size=93)]]), y)


def plain(scale):
    rng = np.random.default_rng(6)
    y = np.repeat([0, 1, 2], [60, 25, 15])
    return inline((rng.normal(size=(100, 3)) * (1 + y[:, None]) + y[:, None] * [1.0, 0.7, -0.5]) * scale, y)


def wide():
    rng = np.random.default_rng(4)
    y = np.arange(24) % 3
    return inline(rng.normal(size=(24, 40)) + y[:, None] * (np.arange(40) < 5), y)


IRIS, WINE, CANCER, DIGITS = ({"builtin": name} for name in ("iris", "wine", "breast_cancer", "digits"))
PRIORS = {"priors": [0.2, 0.5, 0.3]}
SHRUNK = [{"solver": solver, "shrinkage": s} for solver in ("lsqr", "eigen") for s in (None, "auto", 0.3)]
SPECS = (
    [(Linear, data, params) for data in (IRIS, WINE, plain([0.1, 1.0, 100.0])) for params in [{}, {"n_components": 1}, PRIORS, PRIORS | SHRUNK[4]] + SHRUNK]
    + [(Linear, CANCER, params) for params in [{}, {"tol": 0.05}] + SHRUNK]
    + [(Linear, data, {}) for data in (DIGITS, unbalanced(), wide())]
    + [(Linear, data, {"solver": "lsqr", "shrinkage": s}) for data in (DIGITS, wide()) for s in ("auto", 0.1)]
    + [(Quadratic, data, params) for data in (IRIS, WINE, plain([0.1, 1.0, 100.0])) for params in ({"tol": 1e-9}, PRIORS | {"tol": 1e-9}, {"reg_param": 0.2}, {"solver": "eigen", "tol": 1e-9}, {"solver": "eigen", "shrinkage": "auto"}, {"solver": "eigen", "shrinkage": 0.3})]
    + [(Quadratic, data, {"reg_param": 0.1}) for data in (DIGITS, CANCER, unbalanced())]
    + [(Quadratic, CANCER, {"tol": 0.0}), (Quadratic, wide(), {"solver": "eigen", "shrinkage": 0.2}), (Quadratic, wide(), {"solver": "eigen", "shrinkage": "auto"})]
)

cases = []
for cls, data, params in SPECS:
    x, y, _ = load(data)
    model = cls(**params).fit(x, y[:, 0])
    at = sample(len(x))
    expected = {"predictions": model.predict(x[at]).tolist(), "probabilities": model.predict_proba(x[at]).round(12).tolist()}
    if cls is Linear and model.solver != "lsqr":
        scalings = model.scalings_[:, : model._max_components]
        largest = scalings[np.abs(scalings).argmax(axis=0), range(scalings.shape[1])]
        expected["components"] = (model.transform(x[at]) * np.sign(largest)).tolist()
    name = f"{cls.__name__} {data.get('builtin', 'inline')} {params}"
    algorithm = "linear_discriminant" if cls is Linear else "quadratic_discriminant"
    cases.append({"name": name, "algorithm": algorithm, "task": "classification", "params": params, "data": data, "expected": expected})
write("discriminants", cases)
