"""Writes `sgd.json`: scikit-learn's stochastic gradient descent, perceptron and passive-aggressive learning.

Rows are taken in their order (`shuffle=False`), so that every step is determined and coefficients must agree (averages of
coefficients under an L1 penalty do not: scikit-learn's leave out what the penalty takes); cases with `scores` instead
hold those of ten seeds with shuffled rows. Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/sgd.py
"""

import warnings

import numpy as np
from sklearn.linear_model import (
    PassiveAggressiveClassifier,
    PassiveAggressiveRegressor,
    Perceptron,
    SGDClassifier,
    SGDRegressor,
)

from cases import load, sample, write

warnings.simplefilter("ignore")

SGD, PASSIVE, PERCEPTRON = "stochastic_gradient_descent", "passive_aggressive", "perceptron"
rng = np.random.default_rng(11)


def unit(name, **more):
    """The data set with each column brought to a mean of 0 and a deviation of 1."""
    x = load({"builtin": name})[0]
    shift = [round(m, 6) for m in x.mean(axis=0)]
    return {"builtin": name, "shift": shift, "scale": [round(1 / s, 6) for s in x.std(axis=0)]} | more


def inline(x, y):
    return {"inline": np.round(x, 4).tolist(), "targets": np.round(np.atleast_2d(y), 4).tolist()}


DIABETES = unit("diabetes")
WEIGHTED = unit("diabetes", weight_cycle=3)
SCALED = {"builtin": "diabetes", "scale": [10.0**k for k in (-3, -2, -2, -3, -3, -4, -2, -1, -1, -2)]}
LINNERUD = unit("linnerud")
IRIS, CANCER, WINE = unit("iris"), unit("breast_cancer"), unit("wine")
CANCER_WEIGHTED = unit("breast_cancer", weight_cycle=4)
TWO_IRISES = unit("iris", rows=100)
DIGITS = {"builtin": "digits", "rows": 200, "scale": [0.0625] * 64}
tall = rng.normal(size=(40, 3))
one_hot = np.eye(4)[np.arange(40) % 4]
ONE_HOT = inline(np.column_stack([one_hot, tall]), one_hot @ [1, 2, 4, 8] + tall[:, 0])
COLLINEAR = inline(np.column_stack([tall, np.full(40, 3.5), tall[:, 0], 2 * tall[:, 0]]), tall @ [1, -2, 0.5])
WIDE = inline(rng.normal(size=(12, 20)), rng.normal(size=12))

REGRESSIONS = (
    [(SGD, SGDRegressor, data, {}) for data in (DIABETES, WEIGHTED, SCALED, LINNERUD, ONE_HOT, COLLINEAR, WIDE)]
    + [
        (SGD, SGDRegressor, DIABETES, {"loss": loss, "epsilon": epsilon} | more)
        for loss, epsilon in (("huber", 20.0), ("epsilon_insensitive", 5.0), ("squared_epsilon_insensitive", 5.0))
        for more in ({}, {"eta0": 0.1, "penalty": "l1", "alpha": 0.01})
        if not (loss.startswith("squared") and more)
    ]
    + [
        (SGD, SGDRegressor, data, {"penalty": penalty, "alpha": alpha} | more)
        for data in (WEIGHTED, WIDE)
        for penalty in ("l1", "l2", "elasticnet", None)
        for alpha, more in ((0.1, {"l1_ratio": 0.4}), (0.05, {"average": True}), (0.01, {"average": 300, "fit_intercept": False}))
        if penalty in ("l2", None) or "average" not in more
    ]
    + [
        (SGD, SGDRegressor, DIABETES, {"learning_rate": rate} | more)
        for rate, more in (
            ("constant", {"eta0": 0.001}),
            ("constant", {"eta0": 0.001, "average": True, "tol": None, "max_iter": 12}),
            ("optimal", {"alpha": 0.1}),
            ("adaptive", {}),
            ("adaptive", {"eta0": 0.002, "n_iter_no_change": 2, "tol": 0.01}),
            ("invscaling", {"power_t": 0.5}),
            ("invscaling", {"power_t": 0.7}),
            ("pa1", {"loss": "epsilon_insensitive", "eta0": 1.0}),
            ("pa2", {"loss": "epsilon_insensitive", "eta0": 0.01, "penalty": None}),
        )
    ]
    + [
        (PASSIVE, PassiveAggressiveRegressor, data, params)
        for data in (DIABETES, SCALED, LINNERUD, ONE_HOT, COLLINEAR, WIDE)
        for params in ({}, {"loss": "squared_epsilon_insensitive", "C": 0.01, "average": True})
    ]
    + [(PASSIVE, PassiveAggressiveRegressor, DIABETES, {"C": 0.1, "epsilon": 10.0, "fit_intercept": False, "tol": None, "max_iter": 3})]
)
CLASSIFICATIONS = (
    [
        (SGD, SGDClassifier, data, {"loss": loss, "alpha": alpha})
        for data in (IRIS, CANCER, WINE)
        # The first steps of curved losses are so long with a small alpha that rounding decides where they lead.
        for alpha, losses in ((1e-4, ("hinge", "perceptron", "epsilon_insensitive")), (0.1, ("log_loss", "modified_huber", "squared_hinge")))
        for loss in losses
    ]
    + [(SGD, SGDClassifier, data, {}) for data in (CANCER_WEIGHTED, TWO_IRISES, DIGITS)]
    + [
        (SGD, SGDClassifier, CANCER, {"loss": loss, "learning_rate": "constant", "eta0": 0.001})
        for loss in ("squared_error", "squared_epsilon_insensitive", "huber")
    ]
    + [
        (SGD, SGDClassifier, data, {"loss": "log_loss", "penalty": penalty, "alpha": 0.01, "l1_ratio": 0.5} | more)
        for data in (CANCER_WEIGHTED, IRIS)
        for penalty in ("l1", "l2", "elasticnet", None)
        for more in ({}, {"class_weight": "balanced", "average": True})
        if penalty in ("l2", None) or "average" not in more
    ]
    + [
        (SGD, SGDClassifier, data, {"learning_rate": rate, "eta0": eta0})
        for data in (CANCER, IRIS)
        for rate, eta0 in (("constant", 0.1), ("adaptive", 0.05), ("invscaling", 0.5), ("pa1", 1.0), ("pa2", 0.1))
    ]
    + [
        (PERCEPTRON, Perceptron, data, params)
        for data in (IRIS, CANCER, CANCER_WEIGHTED, WINE)
        for params in ({}, {"penalty": "elasticnet", "eta0": 0.5}, {"class_weight": "balanced", "fit_intercept": False})
    ]
    + [
        (PASSIVE, PassiveAggressiveClassifier, data, params)
        for data in (IRIS, CANCER, WINE)
        for params in ({}, {"loss": "squared_hinge", "C": 0.1}, {"class_weight": "balanced", "average": 50})
    ]
)
EARLY = {"early_stopping": True}
SEEDED = [
    (SGD, SGDRegressor, DIABETES, {}),
    (SGD, SGDRegressor, DIABETES, EARLY),
    (SGD, SGDClassifier, CANCER, {"loss": "log_loss"}),
    (SGD, SGDClassifier, WINE, EARLY | {"validation_fraction": 0.3, "n_iter_no_change": 3}),
    (PERCEPTRON, Perceptron, WINE, {}),
    (PASSIVE, PassiveAggressiveRegressor, DIABETES, {"C": 0.001}),
    (PASSIVE, PassiveAggressiveClassifier, CANCER, {"C": 0.01}),
]


def case(algorithm, estimator, data, params, seeds):
    x, y, weight = load(data)
    name = f"{algorithm} {estimator.__name__} {data.get('builtin', 'inline')} {params}"
    fits = {} if algorithm == PASSIVE else {"sample_weight": weight}
    if seeds:
        def score(seed):
            model = estimator(**params, random_state=seed).fit(x[::2], y[::2, 0])
            return model.score(x[1::2], y[1::2, 0])

        expected = {"scores": [score(seed) for seed in range(10)]}
        ours = params
    else:
        models = [estimator(**params, shuffle=False).fit(x, target, **fits) for target in y.T]
        rows = sample(len(x))
        expected = {
            "coef": [m.coef_.ravel().tolist() for m in models],
            "intercept": [m.intercept_.tolist() for m in models],
            "predictions": np.column_stack([m.predict(x[rows]) for m in models]).ravel().tolist(),
        }
        if hasattr(models[0], "predict_proba"):
            expected["probabilities"] = models[0].predict_proba(x[rows]).ravel().tolist()
        ours = params | {"shuffle": False}
    if estimator in (SGDRegressor, PassiveAggressiveRegressor):
        task = "regression"
    else:
        task = "classification"
    return {"name": name, "algorithm": algorithm, "task": task, "params": ours, "data": data, "expected": expected}


write(
    "sgd",
    [case(*c, seeds=False) for c in REGRESSIONS + CLASSIFICATIONS] + [case(*c, seeds=True) for c in SEEDED],
)
