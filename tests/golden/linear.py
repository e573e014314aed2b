"""Writes `linear.json`: scikit-learn's linear models, at their tightest tolerance where they iterate.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/linear.py
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)

from cases import load, sample, write

warnings.simplefilter("error", ConvergenceWarning)
warnings.simplefilter("ignore", FutureWarning)
warnings.simplefilter("ignore", UserWarning)

rng = np.random.default_rng(7)


def inline(x, y):
    return {"inline": np.round(x, 4).tolist(), "targets": np.round(np.atleast_2d(y), 4).tolist()}


SCALES = [10.0**k for k in (-3, 2, 0, 3, -1, 1, 2, -2, 0, 3)]
WIDE = inline(rng.normal(size=(12, 20)) + 2, rng.normal(size=12))
tall = rng.normal(size=(40, 4))
# The last two columns repeat the first; the fourth is constant.
COLLINEAR = inline(
    np.column_stack([tall[:, :3], np.full(40, 3.5), tall[:, 0], 2 * tall[:, 0]]), tall @ [1, -2, 0.5, 0.3]
)
one_hot = np.eye(4)[np.arange(40) % 4]
ONE_HOT = inline(np.column_stack([one_hot, tall[:, :2]]), one_hot @ [1, 2, 4, 8] + tall[:, 0])
SMALL = inline(np.array([[1.0, 2], [2, 1], [3, 5], [4, 3], [5, 8]]), np.array([8.0, 7, 19, 17, 31]))
DIABETES = {"builtin": "diabetes"}
SCALED = {"builtin": "diabetes", "scale": SCALES}
DIABETES_UNIT = {"builtin": "diabetes", "scale": [1 / s for s in np.round(load(DIABETES)[0].std(axis=0), 6)]}
WEIGHTED = {"builtin": "diabetes", "weight_cycle": 4}
LINNERUD = {"builtin": "linnerud"}
CANCER = {"builtin": "breast_cancer"}
CANCER_WEIGHTED = {"builtin": "breast_cancer", "weight_cycle": 3}
WINE = {"builtin": "wine"}
IRIS = {"builtin": "iris"}
DIGITS = {"builtin": "digits", "rows": 300, "scale": [0.0625] * 64}

REGRESSIONS = [
    ("linear", LinearRegression, data, params, {})
    for data in (SMALL, DIABETES, SCALED, WEIGHTED, LINNERUD, WIDE, COLLINEAR, ONE_HOT)
    for params in ({}, {"fit_intercept": False}, {"positive": True})
    # Non-negative solutions of these are not unique.
    if not ("positive" in params and data in (WIDE, COLLINEAR, ONE_HOT))
]
RIDGES = [
    ("ridge", Ridge, data, {"alpha": alpha} | more, {"solver": "svd"})
    for data in (SMALL, DIABETES, SCALED, WEIGHTED, LINNERUD, WIDE, COLLINEAR, ONE_HOT)
    for alpha in (1.0, 0.01)
    for more in ({}, {"fit_intercept": False})
] + [
    ("ridge", Ridge, DIABETES_UNIT, {"alpha": 0.1, "positive": True}, {"tol": 1e-14, "max_iter": 1_000_000}),
]
TIGHT = {"tol": 1e-15, "max_iter": 1_000_000}
NETS = [
    ("lasso", Lasso, data, {"alpha": alpha} | more, TIGHT)
    for data in (SMALL, DIABETES, WEIGHTED, LINNERUD, WIDE)
    for alpha in (0.1, 0.01)
    for more in ({}, {"positive": True}, {"fit_intercept": False})
] + [
    ("elastic_net", ElasticNet, data, {"alpha": alpha, "l1_ratio": ratio} | more, TIGHT)
    for data in (SMALL, DIABETES, WEIGHTED, LINNERUD, WIDE, COLLINEAR, ONE_HOT)
    for alpha, ratio in ((0.1, 0.5), (0.001, 0.9))
    for more in ({}, {"positive": True})
]
NEWTON = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
SAGA = {"solver": "saga", "tol": 1e-14, "max_iter": 2_000_000}
CANCER_UNIT = {"builtin": "breast_cancer", "scale": [1 / s for s in np.round(load(CANCER)[0].std(axis=0), 6)]}
IRIS_UNIT = {"builtin": "iris", "scale": [0.5, 0.5, 0.5, 1.0]}
LOGISTICS = [
    ("linear", LogisticRegression, data, params, NEWTON)
    for data in (CANCER, CANCER_WEIGHTED, WINE, IRIS, DIGITS)
    for params in ({}, {"C": 0.1, "class_weight": "balanced"}, {"fit_intercept": False})
] + [
    ("linear", LogisticRegression, {"builtin": "iris", "rows": 100}, {"C": 100.0}, NEWTON),
    ("linear", LogisticRegression, CANCER_UNIT, {"l1_ratio": 1.0, "C": 0.1}, SAGA),
    ("linear", LogisticRegression, CANCER_UNIT, {"l1_ratio": 0.5, "C": 0.5}, SAGA),
    ("linear", LogisticRegression, IRIS_UNIT, {"l1_ratio": 1.0, "C": 0.5}, SAGA),
    ("linear", LogisticRegression, IRIS_UNIT, {"l1_ratio": 0.3, "C": 2.0}, SAGA),
]
RIDGE_CLASSES = [
    ("ridge", RidgeClassifier, data, params, {"solver": "svd"})
    for data in (CANCER, CANCER_WEIGHTED, WINE, IRIS, DIGITS)
    for params in ({}, {"alpha": 10.0, "class_weight": "balanced"})
]


def case(algorithm, estimator, data, params, solver):
    x, y, weight = load(data)
    classifies = estimator in (LogisticRegression, RidgeClassifier)
    y = y[:, 0] if y.shape[1] == 1 else y
    model = estimator(**params, **solver).fit(x, y, sample_weight=weight)
    rows = sample(len(x))
    expected = {
        "coef": np.atleast_2d(model.coef_).tolist(),
        "intercept": np.atleast_1d(model.intercept_).tolist(),
        "predictions": np.asarray(model.predict(x[rows]), dtype=float).reshape(len(rows), -1).ravel().tolist(),
    }
    if estimator is LogisticRegression:
        expected["probabilities"] = model.predict_proba(x[rows]).ravel().tolist()
    if not classifies and np.ndim(model.intercept_) == 0 and np.ndim(y) == 2:
        expected["intercept"] = [0.0] * y.shape[1]
    ours = {}
    if solver.get("max_iter"):
        ours = {"tol": 1e-14 if algorithm != "linear" else 1e-12, "max_iter": 100_000}
    if algorithm == "ridge":
        ours = {}
    task = "classification" if classifies else "regression"
    name = f"{estimator.__name__}({params}) on {data.get('builtin', 'inline')} {x.shape}"
    return {"name": name, "algorithm": algorithm, "task": task, "params": params | ours, "data": data, "expected": expected}


by_file = {
    "linear_regression": REGRESSIONS,
    "logistic_regression": LOGISTICS,
    "ridge": RIDGES + RIDGE_CLASSES,
    "elastic_net": NETS,
}
for file, specs in by_file.items():
    cases = []
    for spec in specs:
        try:
            cases.append(case(*spec))
        except ConvergenceWarning as warning:
            raise SystemExit(f"{spec}: {warning}")
    write(file, cases)
