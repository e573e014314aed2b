"""Writes `hist_gradient_boosting.json`: predictions of scikit-learn's boosting on histograms.

Where rows are not many and nothing is drawn at random, trees are determined by the data but for ties: of equal splits
scikit-learn takes the first by the order of features, which is that of a hash set where small sets of features may
meet, and of equal leaves that of a heap. Cases avoid both. Scores of ten seeds stand where something is drawn.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/hist_gradient_boosting.py
"""

import numpy as np
from cases import load, sample, write
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, mean_squared_error

SEEDS = 10
DIABETES, CANCER, WINE, IRIS, DIGITS = (
    {"builtin": name} for name in ("diabetes", "breast_cancer", "wine", "iris", "digits")
)
SCALED = DIABETES | {"scale": [1e-9, 1.0, 1e6, 1e-3, 1e9, 1.0, 1e-12, 1e3, 1.0, 1e5]}


def numbers(values):
    """A list in which null stands for NaN."""
    return [[None if np.isnan(x) else float(x) for x in row] for row in values]


def mixed():
    """Two columns of categories, one of them with missing values, a constant one, a repeated one and two of numbers with missing values."""
    rng = np.random.default_rng(3)
    n = 300
    x = np.column_stack([rng.integers(0, 12, n), rng.normal(size=n), rng.integers(0, 3, n) * 7, np.ones(n), rng.normal(size=n)])
    x = np.round(np.column_stack([x, x[:, 1]]), 3)
    effect = rng.normal(size=12)
    y = effect[x[:, 0].astype(int)] + x[:, 1] * (x[:, 2] > 0) + rng.normal(size=n) * 0.3
    x[rng.random(n) < 0.1, 0] = np.nan
    x[rng.random(n) < 0.2, 4] = np.nan
    y += np.isnan(x[:, 4])
    return {"builtin": "mixed", "inline": numbers(x), "targets": [np.round(y, 4).tolist()]}


def one_hot():
    """A block of indicator columns, of one category each, and more columns than the rows of a leaf can tell apart."""
    rng = np.random.default_rng(4)
    category = rng.integers(0, 9, 200)
    x = np.column_stack([np.eye(9)[category], np.round(rng.normal(size=200), 2)])
    y = np.round(rng.normal(size=9)[category] + 0.5 * x[:, 9] + 0.1 * rng.normal(size=200), 4)
    return {"builtin": "one-hot", "inline": x.tolist(), "targets": [y.tolist()]}


def unbalanced():
    """Three overlapping classes of 220, 60 and 20 rows."""
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2], [220, 60, 20])
    x = np.round(rng.normal(size=(300, 3)) + y[:, None] * [1.0, 0.7, -0.5], 3)
    return {"builtin": "unbalanced", "inline": x.tolist(), "targets": [y.tolist()]}


MIXED, ONE_HOT, UNBALANCED = mixed(), one_hot(), unbalanced()
CATEGORIES = {"categorical_features": [0, 2]}
REGRESSION = (
    [
        (DIABETES, params)
        for params in (
            {},
            {"max_iter": 300, "learning_rate": 0.03},
            {"loss": "absolute_error"},
            {"loss": "quantile", "quantile": 0.8},
            {"loss": "poisson"},
            {"loss": "gamma"},
            {"max_leaf_nodes": None, "min_samples_leaf": 5},
            {"max_leaf_nodes": 4},
            {"max_depth": 3},
            {"max_bins": 16},
            {"l2_regularization": 5.0},
            {"monotonic_cst": [0, 0, 1, 1, 0, 0, -1, 0, 1, 0]},
            {"interaction_cst": [[0, 1, 2], [2, 3, 4]]},
            {"interaction_cst": "no_interactions"},
            {"interaction_cst": "pairwise"},
        )
    ]
    + [(DIABETES | {"weight_cycle": 3}, {"loss": loss} | more) for loss, more in (
        ("squared_error", {}), ("absolute_error", {}), ("quantile", {"quantile": 0.3}), ("poisson", {}), ("gamma", {}),
    )]
    + [(DIABETES | {"weight_cycle": 2}, {"max_bins": 20}), (SCALED, {}), (SCALED, {"max_bins": 32})]
    + [(MIXED, CATEGORIES), (MIXED, {}), (MIXED | {"weight_cycle": 3}, CATEGORIES)]
    + [(MIXED, CATEGORIES | {"monotonic_cst": [0, 1, 0, 0, -1, 0], "max_leaf_nodes": 12})]
    + [(ONE_HOT, {}), (ONE_HOT, {"min_samples_leaf": 1, "loss": "absolute_error", "max_leaf_nodes": None})]
)
CLASSIFICATION = (
    [(data, params) for data in (CANCER, WINE, IRIS) for params in ({}, {"class_weight": "balanced", "max_iter": 30})]
    + [(CANCER, {"monotonic_cst": [1] * 3 + [0] * 27, "max_depth": 4}), (CANCER, {"interaction_cst": [list(range(12)), list(range(8, 30))]})]
    + [(CANCER | {"weight_cycle": 3}, {}), (IRIS | {"weight_cycle": 4}, {"min_samples_leaf": 3})]
    + [(DIGITS | {"rows": 400}, {"max_iter": 20}), (CANCER | {"rows": 40}, {"min_samples_leaf": 2})]
    + [(UNBALANCED, {}), (UNBALANCED, {"class_weight": "balanced"})]
)


def case(estimator, data, params):
    x, y, weight = load(data)
    y = y[:, 0]
    more = {"categorical_features": None} | params
    model = estimator(**more).fit(x, y, sample_weight=weight)
    rows = x[sample(len(x))]
    classifies = estimator is HistGradientBoostingClassifier
    expected = {"predictions": model.predict(rows).tolist()}
    if classifies:
        expected["probabilities"] = model.predict_proba(rows).tolist()
    return {
        "name": f"{estimator.__name__}({params}) on {data['builtin']} {x.shape} weights {data.get('weight_cycle')}",
        "algorithm": "hist_gradient_boosting",
        "task": "classification" if classifies else "regression",
        "params": params,
        "data": data,
        "expected": expected,
    }


def halves(x, y):
    return x[::2], y[::2], x[1::2], y[1::2]


def seeded(estimator, data, params):
    """The mean score of odd rows after learning from even ones, where something is drawn."""
    x, y, _ = load(data)
    x, y, x_test, y_test = halves(x, y[:, 0])
    classifies = estimator is HistGradientBoostingClassifier
    scores, rounds = [], []
    for seed in range(SEEDS):
        model = estimator(random_state=seed, **params).fit(x, y)
        rounds.append(model.n_iter_)
        if classifies:
            scores.append(log_loss(y_test, model.predict_proba(x_test)))
        else:
            scores.append(mean_squared_error(y_test, model.predict(x_test)))
    spread = lambda values: [float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(SEEDS))]
    return {
        "name": f"{estimator.__name__}({params}) on {data['builtin']}, ten seeds",
        "algorithm": "hist_gradient_boosting",
        "task": "classification" if classifies else "regression",
        "params": params,
        "data": data,
        "expected": {"score": spread(scores), "rounds": spread(rounds)},
    }


write(
    "hist_gradient_boosting",
    [case(HistGradientBoostingRegressor, data, params) for data, params in REGRESSION]
    + [case(HistGradientBoostingClassifier, data, params) for data, params in CLASSIFICATION],
)
STOPS = {"early_stopping": True, "max_iter": 300}
write(
    "hist_gradient_boosting_seeds",
    [seeded(HistGradientBoostingRegressor, DIABETES, params) for params in (
        {"max_features": 0.3}, STOPS, STOPS | {"n_iter_no_change": 3, "validation_fraction": 0.3, "loss": "absolute_error"},
    )]
    + [seeded(HistGradientBoostingClassifier, CANCER, params) for params in (
        {"max_features": 0.2}, STOPS, STOPS | {"validation_fraction": None, "tol": 1e-2}, STOPS | {"scoring": "accuracy"},
    )]
    + [seeded(HistGradientBoostingClassifier, WINE, STOPS)],
)
