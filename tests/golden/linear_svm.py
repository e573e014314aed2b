"""Writes `linear_svm.json`: LIBLINEAR's machines through scikit-learn, at their tightest tolerance.

Objectives of both at the default tolerance are in `objective`. Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/linear_svm.py
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC, LinearSVR

from cases import load, sample, write

rng = np.random.default_rng(3)


def unit(name, **more):
    """The data set with each column brought to a mean of 0 and a deviation of 1."""
    x = load({"builtin": name})[0]
    shift = [round(m, 6) for m in x.mean(axis=0)]
    return {"builtin": name, "shift": shift, "scale": [round(1 / s, 6) for s in x.std(axis=0)]} | more


def inline(x, y):
    return {"inline": np.round(x, 4).tolist(), "targets": np.round(np.atleast_2d(y), 4).tolist()}


tall = rng.normal(size=(40, 3))
one_hot = np.eye(4)[np.arange(40) % 4]
ONE_HOT = inline(np.column_stack([one_hot, tall]), one_hot @ [1, 2, 4, 8] + tall[:, 0])
COLLINEAR = inline(np.column_stack([tall, np.full(40, 3.5), tall[:, 0], 2 * tall[:, 0]]), tall @ [1, -2, 0.5])
WIDE = inline(rng.normal(size=(12, 20)), rng.normal(size=12))
WIDE_CLASSES = inline(rng.normal(size=(12, 20)), np.arange(12) % 3)
UNEQUAL = inline(tall, (np.arange(40) % 10 == 0).astype(int))
REPEATED = inline(np.repeat(tall[:10], 4, axis=0), np.repeat(np.arange(10) % 2, 4))
DIABETES, LINNERUD = unit("diabetes"), unit("linnerud")
WEIGHTED = unit("diabetes", weight_cycle=3)
SCALED = {"builtin": "diabetes", "scale": [10.0**k for k in (-3, -1, -2, -3, -3, -4, -2, -1, -1, -2)]}
IRIS, WINE, CANCER = unit("iris"), unit("wine"), unit("breast_cancer")
CANCER_WEIGHTED = unit("breast_cancer", weight_cycle=4)
TWO_IRISES = unit("iris", rows=100)
WINE_SCALED = {"builtin": "wine", "scale": [10.0**k for k in (-2, 1, 0, -1, -3, 1, 0, 2, 1, 0, 1, 0, -3)]}
DIGITS = {"builtin": "digits", "rows": 150, "scale": [0.0625] * 64}
SQUARED = {"loss": "squared_epsilon_insensitive"}
CRAMMER = {"multi_class": "crammer_singer"}

REGRESSIONS = [
    (LinearSVR, data, params)
    for data in (DIABETES, WEIGHTED, LINNERUD, ONE_HOT, COLLINEAR, WIDE, SCALED)
    for params in (
        {},
        {"C": 0.1, "epsilon": 0.5, "intercept_scaling": 10.0},
        SQUARED,
        SQUARED | {"C": 10.0, "epsilon": 1.0, "fit_intercept": False},
    )
]
CLASSIFICATIONS = (
    [
        (LinearSVC, data, params)
        for data in (IRIS, WINE, CANCER, CANCER_WEIGHTED, TWO_IRISES, WIDE_CLASSES, UNEQUAL, REPEATED, DIGITS, WINE_SCALED)
        for params in (
            {},
            {"class_weight": "balanced", "intercept_scaling": 5.0, "C": 0.1},
            {"loss": "hinge", "C": 0.1},
            CRAMMER | {"C": 0.1},
        )
        if not (data is DIGITS and params)
    ]
    + [
        (LinearSVC, data, {"penalty": "l1", "C": c})
        for data, c in ((IRIS, 1.0), (CANCER, 0.1), (CANCER_WEIGHTED, 0.02), (WINE, 0.3), (UNEQUAL, 0.5))
    ]
    + [
        (LinearSVC, CANCER, {"loss": "hinge", "class_weight": {"0": 2.0, "1": 0.5}, "fit_intercept": False}),
        (LinearSVC, WINE, CRAMMER | {"class_weight": "balanced", "fit_intercept": False}),
    ]
)


def objective(model, estimator, params, x, y, weight):
    """What LIBLINEAR minimises, at the model's coefficients."""
    c, scale = params.get("C", 1.0), params.get("intercept_scaling", 1.0)
    c = c * (np.ones(len(x)) if weight is None else weight)
    coef, intercept = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    b = intercept / scale if params.get("fit_intercept", True) else 0 * intercept
    s = x @ coef.T + intercept
    w2 = (coef**2).sum(axis=1) + b**2
    if estimator is LinearSVR:
        excess = np.maximum(0, np.abs(s[:, 0] - y) - params.get("epsilon", 0.0))
        return 0.5 * w2[0] + (c * excess ** (2 if "loss" in params else 1)).sum()
    size = (np.abs(coef).sum(axis=1) + np.abs(b)) if params.get("penalty") == "l1" else 0.5 * w2
    k = len(coef)
    if "multi_class" in params:
        own = s[np.arange(len(y)), y.astype(int)]
        return size.sum() + (c * (s - own[:, None] + (y[:, None] != np.arange(k))).max(axis=1)).sum()
    signs = np.where(y[:, None] == (np.arange(k) if k > 1 else 1), 1.0, -1.0)
    return (size + (c[:, None] * np.maximum(0, 1 - signs * s) ** (1 if params.get("loss") == "hinge" else 2)).sum(axis=0)).sum()


def tightest(estimator, params, x, y, weight):
    """The fit at the least tolerance that LIBLINEAR reaches, if it reaches any."""
    # The primal solver of squared losses gives up where steps gain less than rounding; the dual one goes on.
    squared = estimator is LinearSVC and params.get("loss") is None and params.get("penalty") is None
    if (squared and "multi_class" not in params) or params.get("loss") == "squared_epsilon_insensitive":
        params = params | {"dual": True}
    for tol in (1e-12, 1e-11, 1e-10, 1e-9):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                model = estimator(**params, tol=tol, max_iter=1_000_000, random_state=0)
                model.fit(x, y, sample_weight=weight)
                # Crammer and Singer's machine stops there without a word.
                if "multi_class" not in params or model.n_iter_ < 100_000:
                    return model
            except ConvergenceWarning:
                pass
    if "dual" in params:
        return estimator(**params | {"dual": False}, tol=1e-12, max_iter=1_000_000).fit(x, y, sample_weight=weight)
    return None


def case(estimator, data, params):
    x, y, weight = load(data)
    more = dict(params)
    if isinstance(more.get("class_weight"), dict):
        more["class_weight"] = {int(c): w for c, w in more["class_weight"].items()}
    models = [tightest(estimator, more, x, target, weight) for target in y.T]
    rows = sample(len(x))
    name = f"{estimator.__name__}({params}) on {data.get('builtin', 'inline')} {x.shape}"
    expected = {} if None in models else {
        "coef": [m.coef_.ravel().tolist() for m in models],
        "intercept": [(np.zeros(len(np.atleast_2d(m.coef_))) + m.intercept_).tolist() for m in models],
        "predictions": np.column_stack([m.predict(x[rows]) for m in models]).ravel().tolist(),
    }
    crammer = "multi_class" in params
    if y.shape[1] == 1 and "class_weight" not in params and not (crammer and y.max() == 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = estimator(**more, random_state=0).fit(x, y[:, 0], sample_weight=weight)
        if model.n_iter_ < (100_000 if crammer else 1000):
            expected["objective"] = objective(model, estimator, params, x, y[:, 0], weight)
        if None not in models:
            expected["least_objective"] = objective(models[0], estimator, params, x, y[:, 0], weight)
    if None in models:
        print(name, "does not converge: its objective alone is compared")
    task = "regression" if estimator is LinearSVR else "classification"
    return {"name": name, "algorithm": "linear_svm", "task": task, "params": params, "data": data, "expected": expected}


write("linear_svm", [case(*c) for c in REGRESSIONS + CLASSIFICATIONS])
