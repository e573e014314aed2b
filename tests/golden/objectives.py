"""Writes `objectives.json`: what scikit-learn's iterative methods minimise, where they stop at their default tolerance.

Objectives are computed here from the fitted coefficients, multipliers or factors, as
`pgml-models/tests/golden_objectives.rs` does. Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/objectives.py
"""

import warnings

import numpy as np
from scipy.special import logsumexp, xlogy
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, FactorAnalysis
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from cases import load, write

warnings.simplefilter("ignore")
rng = np.random.default_rng(17)


def inline(x, y):
    return {"inline": np.round(x, 4).tolist(), "targets": [np.round(y, 4).tolist()]}


def unit(name, **more):
    """The data set with each column brought to a mean of 0 and a deviation of 1."""
    x = load({"builtin": name})[0]
    shift = [round(m, 6) for m in x.mean(axis=0)]
    return {"builtin": name, "shift": shift, "scale": [round(1 / s, 6) if s else 1.0 for s in x.std(axis=0)]} | more


tall = np.round(rng.normal(size=(60, 4)), 4)
one_hot = np.eye(4)[np.arange(60) % 4]
target = tall @ [1, -2, 0.5, 0.3] + 0.5 * rng.normal(size=60)
COLLINEAR = inline(np.column_stack([tall, np.full(60, 3.5), tall[:, 0], 2 * tall[:, 0]]), target + 9)
ONE_HOT = inline(np.column_stack([one_hot, tall]), one_hot @ [1, 2, 4, 8] + target + 9)
WIDE = inline(rng.normal(size=(15, 25)), rng.gamma(2.0, size=15) + 0.1)
WIDE_CLASSES = inline(rng.normal(size=(15, 25)), np.arange(15) % 3)
OUTLIERS = inline(tall, target + 30 * (np.arange(60) % 8 == 3))
UNEQUAL = inline(tall, (np.arange(60) % 10 == 0).astype(int))
COUNTS = inline(tall, rng.poisson(np.exp(0.4 * tall[:, 0] + 0.5)))
DIABETES, DIABETES_UNIT, WEIGHTED = {"builtin": "diabetes"}, unit("diabetes"), unit("diabetes", weight_cycle=3)
SCALED = {"builtin": "diabetes", "scale": [10.0**k for k in (-3, 2, 0, 3, -1, 1, 2, -2, 0, 3)]}
IRIS, WINE, CANCER = ({"builtin": name} for name in ("iris", "wine", "breast_cancer"))
DIGITS = {"builtin": "digits", "rows": 300, "scale": [0.0625] * 64}
REGRESSIONS = (DIABETES, DIABETES_UNIT, WEIGHTED, SCALED, COLLINEAR, ONE_HOT, WIDE)


def penalty(coef, l1, l2):
    return l1 * np.abs(coef).sum() + l2 / 2 * (coef**2).sum()


def logistic(m, x, y, w):
    s = m.decision_function(x)
    y = y.astype(int)
    loss = np.logaddexp(0, np.where(y == 1, -s, s)) if s.ndim == 1 else logsumexp(s, axis=1) - s[np.arange(len(y)), y]
    return m.C * w @ loss + penalty(m.coef_, m.l1_ratio or 0, 1 - (m.l1_ratio or 0))


def net(m, x, y, w):
    return w @ (y - m.predict(x)) ** 2 / (2 * w.sum()) + penalty(m.coef_, m.alpha * m.l1_ratio, m.alpha * (1 - m.l1_ratio))


def huber(m, x, y, w):
    """At the best scale for the coefficients."""
    r = np.abs(y - m.predict(x))
    low, high = 1e-12, 10 * r.max()
    for _ in range(200):
        scale = (low + high) / 2
        inside = r <= m.epsilon * scale
        slope = w.sum() - w[inside] @ (r[inside] / scale) ** 2 - m.epsilon**2 * w[~inside].sum()
        low, high = (scale, high) if slope < 0 else (low, scale)
    loss = np.where(inside, r**2 / scale, 2 * m.epsilon * r - scale * m.epsilon**2)
    return scale * w.sum() + w @ loss + m.alpha * (m.coef_**2).sum()


def deviance(m, x, y, w):
    mu, p = m.predict(x), {PoissonRegressor: 1, GammaRegressor: 2}.get(type(m)) or m.power
    if p == 0:
        half = (y - mu) ** 2 / 2
    elif p == 1:
        half = xlogy(y, y / mu) - y + mu
    elif p == 2:
        half = np.log(mu / y) + y / mu - 1
    else:
        half = np.maximum(y, 0) ** (2 - p) / ((1 - p) * (2 - p)) - y * mu ** (1 - p) / (1 - p) + mu ** (2 - p) / (2 - p)
    return w @ half / w.sum() + penalty(m.coef_, 0, m.alpha)


def dual(m, x, y, w):
    """Of machines with one row of multipliers: of two classes, of values, or of one class."""
    b, v = m.dual_coef_[0], m.support_vectors_
    k = linear_kernel(v) if m.kernel == "linear" else rbf_kernel(v, gamma=m.gamma)
    curve, size = b @ k @ b / 2, np.abs(b).sum()
    if isinstance(m, SVC):
        return curve - size
    if isinstance(m, NuSVC):
        # Multipliers are stored as shares of what makes them sum to nu per row.
        return curve * (m.nu * len(x) / size) ** 2
    if isinstance(m, OneClassSVM):
        return curve
    return curve - y[m.support_] @ b + (m.epsilon * size if isinstance(m, SVR) else 0)


def case(algorithm, task, estimator, data, params, objective, fixed=None):
    """`fixed` holds what only the reference needs to be told."""
    x, y, weight = load(data)
    y = None if y is None else y[:, 0]
    more = {} if weight is None else {"sample_weight": weight}
    given = {k: np.array(v) if isinstance(v, list) else v for k, v in params.items()}
    model = estimator(**given, **(fixed or {})).fit(x, y, **more) if task in ("regression", "classification") else estimator(**given, **(fixed or {})).fit(x, **more)
    weight = np.ones(len(x)) if weight is None else weight
    shown = {k: v for k, v in params.items() if not isinstance(v, list)}
    return {
        "name": f"{estimator.__name__}({shown}) on {data.get('builtin', 'inline')} {x.shape}",
        "algorithm": algorithm,
        "task": task,
        "params": params,
        "data": data,
        "expected": {"objective": float(objective(model, x, y, weight))},
    }


def start(data, k):
    """Distributions to start from: rows that are far from each other in order."""
    x, _, _ = load(data)
    significant = lambda values: [[float(f"{v:.6g}") for v in row] for row in values]
    return {
        "weights_init": [round(1 / k, 12)] * k,
        "means_init": significant(x[:: len(x) // k][:k]),
        "precisions_init": significant([1 / (x.var(axis=0) + 1e-3)] * k),
    }


def all_cases():
    for data in (IRIS, WINE, CANCER, unit("wine"), unit("breast_cancer", weight_cycle=4), DIGITS, WIDE_CLASSES, UNEQUAL):
        for params in ({}, {"C": 0.01}, {"C": 100.0}):
            yield case("linear", "classification", LogisticRegression, data, params, logistic)
    for data in (unit("wine"), unit("breast_cancer"), UNEQUAL):
        for ratio in (1.0, 0.5):
            yield case("linear", "classification", LogisticRegression, data, {"l1_ratio": ratio, "C": 0.3}, logistic, {"solver": "saga", "random_state": 0})
    for data in REGRESSIONS:
        for alpha in (1.0, 0.01):
            yield case("lasso", "regression", Lasso, data, {"alpha": alpha}, net)
            yield case("elastic_net", "regression", ElasticNet, data, {"alpha": alpha}, net)
    for data in (DIABETES, DIABETES_UNIT, WEIGHTED, COLLINEAR, ONE_HOT, OUTLIERS):
        for params in ({}, {"epsilon": 1.1, "alpha": 0.1}):
            yield case("huber", "regression", HuberRegressor, data, params, huber)
    for data in (DIABETES, DIABETES_UNIT, WEIGHTED, COLLINEAR, ONE_HOT, WIDE, COUNTS):
        for params in ({}, {"alpha": 0.01}):
            yield case("poisson", "regression", PoissonRegressor, data, params, deviance)
            if data is not COUNTS:
                yield case("gamma", "regression", GammaRegressor, data, params, deviance)
        for params in ({}, {"power": 1.5, "alpha": 0.1}, {"power": 3, "alpha": 0.5}):
            if params.get("power") != 3 or data not in (DIABETES, COUNTS):
                yield case("tweedie", "regression", TweedieRegressor, data, params, deviance)
    rbf = {"kernel": "rbf", "gamma": 0.1}
    for kernel in (rbf, {"kernel": "linear"}, rbf | {"C": 30.0}):
        for data in (unit("breast_cancer"), unit("iris", rows=100), UNEQUAL):
            yield case("svm", "classification", SVC, data, kernel, dual)
        for data in (DIABETES_UNIT, ONE_HOT, WIDE):
            yield case("svm", "regression", SVR, data, kernel, dual)
            yield case("nu_svm", "regression", NuSVR, data, kernel, dual)
    for kernel in (rbf, {"kernel": "linear"}):
        for data in (unit("breast_cancer"), unit("iris", rows=100)):
            yield case("nu_svm", "classification", NuSVC, data, kernel | {"nu": 0.2}, dual)
        # Standardised, the optimum of the linear kernel would be 0: the origin lies among the rows.
        for data in (WINE | {"scale": [0.1] * 13}, DIABETES | {"scale": [0.1] * 10}):
            yield case("one_class_svm", "anomaly_detection", OneClassSVM, data, kernel, dual)
    for data, k in ((IRIS, 3), (WINE, 5), (unit("wine"), 3), (DIABETES | {"weight_cycle": 5}, 6), (DIGITS, 10)):
        x = load(data)[0]
        init = np.round(x[:: len(x) // k][:k], 6).tolist()
        yield case("kmeans", "clustering", KMeans, data, {"n_clusters": k, "init": init, "n_init": 1}, lambda m, *_: m.inertia_)
    for data in (IRIS, WINE, CANCER, DIGITS):
        for params in ({"n_components": 3}, {"n_components": 2, "solver": "mu"}, {"n_components": 2, "solver": "mu", "beta_loss": "kullback-leibler"}):
            yield case("nmf", "decomposition", NMF, data, params, lambda m, *_: m.reconstruction_err_)
    for data in (IRIS, WINE, unit("wine"), DIABETES, CANCER, DIGITS):
        for k in (1, 3):
            yield case("factor_analysis", "decomposition", FactorAnalysis, data, {"n_components": k}, lambda m, x, *_: -m.loglike_[-1] / len(x))
    for data, k in ((IRIS, 3), (WINE, 2), (DIABETES_UNIT, 3), (CANCER, 2)):
        params = {"n_components": k, "covariance_type": "diag"} | start(data, k)
        yield case("gaussian_mixture", "clustering", GaussianMixture, data, params, lambda m, *_: -m.lower_bound_)


write("objectives", list(all_cases()))
