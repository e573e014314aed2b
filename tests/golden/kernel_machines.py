"""Writes `kernel_machines.json`: scikit-learn's kernel ridge regression, ν- and one-class support vector machines.

libsvm rounds kernel values to 32 bits, which shifts its optimum. So the file holds the decisions of the optimum in 64 bits:
with scikit-learn's split into multipliers at 0, at their bound and between, the optimality conditions are linear
equations; the script solves them and checks that the split holds. `difference` is the largest distance between
scikit-learn's decisions and those, relative to the largest decision.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/kernel_machines.py
"""

from itertools import combinations

import numpy as np
from cases import load, sample, write
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.svm import SVC, NuSVC, NuSVR, OneClassSVM


def unit(data):
    return data | {"scale": [1 / s if s else 1.0 for s in np.round(load(data)[0].std(axis=0), 6)]}


def scaled():
    """Features of scales 1e-3 to 1e3, a constant and a repeated one, and rows that repeat."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(90, 3))
    x = np.column_stack([x * [1e-3, 1.0, 1e3], x[:, 1], np.full(90, 2.0)])
    x = np.vstack([x, x[:10]])
    y = [np.sin(x[:, 1]) + rng.normal(size=100) * 0.1, x[:, 2] / 1e3]
    return {"inline": np.round(x, 6).tolist(), "targets": np.round(y, 6).tolist()}


def wide():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(25, 40))
    return {"inline": np.round(x, 6).tolist(), "targets": np.round([x[:, 0] - x[:, 1]], 6).tolist()}


DIABETES, WINE, CANCER, IRIS = (unit({"builtin": name}) for name in ("diabetes", "wine", "breast_cancer", "iris"))
POLY = {"kernel": "poly", "degree": 2, "coef0": 1.0, "gamma": 0.1}
RIDGE = [{}, {"alpha": 0.01}, {"kernel": "rbf"}, {"kernel": "laplacian", "gamma": 0.2}, {"kernel": "cosine"}, POLY | {"kernel": "polynomial"}, {"kernel": "sigmoid", "gamma": 0.01, "alpha": 10.0}]


def case(algorithm, task, data, params, expected):
    name = f"{algorithm} {data.get('builtin', 'inline')} {params}{' weighted' if 'weight_cycle' in data else ''}"
    return {"name": name, "algorithm": algorithm, "task": task, "params": params, "data": data, "expected": expected}


cases = []
# The larger the features, the more digits scikit-learn's matrix loses without a larger penalty.
SCALED = [params | {"alpha": {"polynomial": 1e5}.get(params.get("kernel"), 100.0)} for params in RIDGE[1:]]
for data, some in [(DIABETES, RIDGE), (DIABETES | {"weight_cycle": 3}, RIDGE), ({"builtin": "linnerud"}, RIDGE), (scaled(), SCALED), (wide(), RIDGE)]:
    for params in some:
        x, y, weight = load(data)
        model = KernelRidge(**params).fit(x, y if y.shape[1] > 1 else y[:, 0], sample_weight=weight)
        cases.append(case("kernel_ridge", "regression", data, params, {"predictions": model.predict(x[sample(len(x))]).tolist()}))


def kernels(model, a, b):
    params = {"rbf": ["gamma"], "linear": [], "poly": ["gamma", "degree", "coef0"]}[model.kernel]
    values = {"gamma": model._gamma, "degree": model.degree, "coef0": model.coef0}
    return pairwise_kernels(a, b, metric=model.kernel, **{name: values[name] for name in params})


def solve(left, right):
    solved = np.linalg.lstsq(left, right)[0]
    assert np.abs(left @ solved - right).max() < 1e-7 * (1 + np.abs(right).max())
    return solved


def split(coef, c):
    """Which multipliers are at their bound, and which between."""
    bound = np.abs(coef) > c * (1 - 1e-6)
    return bound, ~bound & (coef != 0)


def one_class(model, x, weight):
    coef = np.zeros(len(x))
    coef[model.support_] = model.dual_coef_[0]
    c = np.ones(len(x)) if weight is None else weight
    bound, free = split(coef, c)
    k, at = kernels(model, x, x), kernels(model, x[sample(len(x))], x)
    exact, n = np.where(bound, c, 0.0), free.sum()
    left = np.zeros((n + 1, n + 1))
    left[:-1, :-1], left[:-1, -1], left[-1, :-1] = k[np.ix_(free, free)], -1, 1
    solved = solve(left, np.append(-k[free] @ exact, model.nu * c.sum() - exact.sum()))
    exact[free] = solved[:-1]
    assert (exact > -1e-6 * c).all() and (exact < c * (1 + 1e-6)).all()
    return solved[-1] - at @ exact


def nu_regression(model, x, y, weight):
    coef = np.zeros(len(x))
    coef[model.support_] = model.dual_coef_[0]
    c = model.C * (np.ones(len(x)) if weight is None else weight)
    bound, free = split(coef, c)
    k, at = kernels(model, x, x), kernels(model, x[sample(len(x))], x)
    exact, n, sign = np.where(bound, np.sign(coef) * c, 0.0), free.sum(), np.sign(coef)
    # Unknown: free multipliers, the offset, the width of the tube.
    left = np.zeros((n + 2, n + 2))
    left[:n, :n], left[:n, n], left[:n, n + 1] = k[np.ix_(free, free)], 1, sign[free]
    left[n, :n], left[n + 1, :n] = 1, sign[free]
    right = np.concatenate([y[free] - k[free] @ exact, [-exact.sum(), model.nu * c.sum() - np.abs(exact).sum()]])
    solved = solve(left, right)
    exact[free] = solved[:n]
    assert (exact * sign > -1e-6 * c).all() and (np.abs(exact) < c * (1 + 1e-6)).all()
    return (at @ exact + solved[n])[:, None]


def nu_classification(model, x, y, weight):
    ends = np.append(0, np.cumsum(model.n_support_))
    weight = np.ones(len(x)) if weight is None else weight
    decisions = []
    for i, j in combinations(range(len(model.classes_)), 2):
        coef = np.zeros(len(x))
        for own, row in ((i, j - 1), (j, i)):
            part = slice(ends[own], ends[own + 1])
            coef[model.support_[part]] = model.dual_coef_[row, part]
        own = np.flatnonzero((y == i) | (y == j))
        sign = np.where(y[own] == i, 1.0, -1.0)
        alpha, c = np.abs(coef[own]), weight[own]
        # scikit-learn's multipliers are in units of the margin, which the largest sum tells.
        alpha = alpha * (model.nu * c.sum() / alpha.sum())
        bound, free = split(alpha, c)
        k, at = kernels(model, x[own], x[own]), kernels(model, x[sample(len(x))], x[own])
        exact, n = np.where(bound, c, 0.0), free.sum()
        # Unknown: free multipliers, the offset, the margin.
        left = np.zeros((n + 2, n + 2))
        left[:n, :n] = k[np.ix_(free, free)] * sign[free] * sign[free][:, None]
        left[:n, n], left[:n, n + 1] = -sign[free], -1
        left[n, :n], left[n + 1, :n] = sign[free], 1
        right = np.concatenate([-sign[free] * (k[free] @ (sign * exact)), [-(sign * exact).sum(), model.nu * c.sum() - exact.sum()]])
        solved = solve(left, right)
        exact[free] = solved[:n]
        assert (exact > -1e-6 * c).all() and (exact < c * (1 + 1e-6)).all()
        decisions.append((at @ (sign * exact) - solved[n]) / solved[n + 1])
    return np.array(decisions).T


KERNELS = [{}, {"kernel": "linear"}, POLY, {"gamma": "auto", "nu": 0.2}]
SMOOTH = [KERNELS[0], KERNELS[3]]
for data, some in [(WINE, KERNELS), (IRIS, SMOOTH), (CANCER, KERNELS), (CANCER | {"weight_cycle": 3}, SMOOTH), (unit(scaled()), SMOOTH)]:
    for params in some:
        x, y, weight = load(data)
        model = OneClassSVM(**params, tol=1e-9).fit(x, sample_weight=weight)
        exact = one_class(model, x, weight)
        decisions = -model.decision_function(x[sample(len(x))])
        difference = np.abs(decisions - exact).max() / np.abs(exact).max()
        print("one class", difference, flush=True)
        cases.append(case("one_class_svm", "anomaly_detection", data, params | {"tol": 1e-9}, {"scores": exact.tolist(), "difference": difference}))
for data, some in [(DIABETES, KERNELS), (DIABETES | {"weight_cycle": 3}, SMOOTH), (wide(), SMOOTH)]:
    for params in some:
        x, y, weight = load(data)
        y = y[:, 0]
        model = NuSVR(**params, tol=1e-9).fit(x, y, sample_weight=weight)
        exact = nu_regression(model, x, y, weight)
        decisions = model.predict(x[sample(len(x))])[:, None]
        difference = np.abs(decisions - exact).max() / np.abs(exact).max()
        print("regression", difference, flush=True)
        cases.append(case("nu_svm", "regression", data, params | {"tol": 1e-9}, {"predictions": exact.tolist(), "difference": difference}))
# Irises of two classes can be parted whatever half of them supports: their margin has no multipliers between the bounds.
for data, some in [(WINE, KERNELS), (IRIS, KERNELS[3:]), (CANCER, KERNELS), (WINE | {"weight_cycle": 3}, KERNELS)]:
    for params in some:
        x, y, weight = load(data)
        y = y[:, 0]
        model = NuSVC(**params, tol=1e-9).fit(x, y, sample_weight=weight)
        predictions = model.predict(x[sample(len(x))])
        exact = nu_classification(model.set_params(decision_function_shape="ovo"), x, y, weight)
        decisions = model.decision_function(x[sample(len(x))]).reshape(len(exact), -1)
        decisions = -decisions if len(model.classes_) == 2 else decisions
        difference = np.abs(decisions - exact).max() / np.abs(exact).max()
        print("classification", difference, flush=True)
        cases.append(case("nu_svm", "classification", data, params | {"tol": 1e-9}, {"decisions": exact.tolist(), "predictions": predictions.tolist(), "difference": difference}))
write("kernel_machines", cases)
