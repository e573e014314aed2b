"""Writes `svm.json`: scikit-learn's support vector machines at a tight tolerance.

libsvm rounds kernel values to 32 bits, which shifts its optimum. So each case holds two references: `decisions` are
scikit-learn's, and `exact` those of the optimum in 64 bits: with scikit-learn's split into multipliers at 0, at C and
between, the optimality conditions are linear equations; the script solves them and checks that the split holds.
`difference` is the largest distance between both, relative to the largest decision.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/svm.py
"""

import warnings
from itertools import combinations

import numpy as np
from cases import load, sample, write
from sklearn.calibration import _sigmoid_calibration
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import cross_val_predict
from sklearn.svm import SVC, SVR

warnings.filterwarnings("ignore", category=FutureWarning)  # of `probability`, which scikit-learn 1.11 drops


def unit(data):
    return data | {"scale": [1 / s if s else 1.0 for s in np.round(load(data)[0].std(axis=0), 6)]}


def unbalanced():
    """Overlapping classes of 60, 25 and 8 rows, features of scales 1e-3, 1 and 1e3."""
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2], [60, 25, 8])
    x = (rng.normal(size=(93, 3)) + y[:, None] * [1.0, 0.7, -0.5]) * [1e-3, 1.0, 1e3]
    return {"builtin": "unbalanced", "inline": np.round(x, 7).tolist(), "targets": [y.tolist()]}


DIABETES, WINE, CANCER, IRIS = (unit({"builtin": name}) for name in ("diabetes", "wine", "breast_cancer", "iris"))
UNBALANCED = unbalanced()
POLY = {"kernel": "poly", "degree": 2, "coef0": 1.0, "gamma": 0.1}
KERNELS = [{}, {"kernel": "linear"}, POLY, {"gamma": "auto", "C": 5.0}]
SIGMOID = {"kernel": "sigmoid", "gamma": 0.01, "coef0": -0.5}
BALANCED = {"class_weight": "balanced", "break_ties": True}
SPECS = (
    [(SVR, data, params | {"epsilon": 0.5}) for data in (DIABETES, DIABETES | {"weight_cycle": 3}) for params in KERNELS]
    + [(SVR, {"builtin": "diabetes", "rows": 200}, {"C": 100.0})]
    + [(SVC, data, params | more) for data in (WINE, IRIS) for params in KERNELS for more in ({}, BALANCED)]
    + [(SVC, CANCER | {"weight_cycle": 3}, params) for params in KERNELS]
    + [(SVC, UNBALANCED, params) for params in ({}, BALANCED)]
    + [(SVC, unit(UNBALANCED), params | more) for params in KERNELS for more in ({}, BALANCED)]
    + [(SVC, {"builtin": "wine"}, {}), (SVC, {"builtin": "iris"}, {"gamma": 0.7, "C": 10.0})]
    + [(SVC, data, SIGMOID) for data in (WINE, IRIS, UNBALANCED)]
)


def kernel(model, a, b):
    params = {"rbf": ["gamma"], "linear": [], "poly": ["gamma", "degree", "coef0"]}[model.kernel]
    values = {"gamma": model._gamma, "degree": model.degree, "coef0": model.coef0}
    return pairwise_kernels(a, b, metric=model.kernel, **{name: values[name] for name in params})


def optimum(k, at, coef, c, goal, slack):
    """The decisions of one machine at the rows `at`, from the split that `coef` shows."""
    n = len(c)
    bound = np.abs(coef) > c * (1 - 1e-6)
    free = ~bound & (coef != 0)
    exact = np.where(bound, np.sign(coef) * c, 0.0)
    n_free = free.sum()
    assert n_free > 0
    left = np.zeros((n_free + 1, n_free + 1))
    left[:-1, :-1] = k[np.ix_(free, free)]
    left[:-1, -1] = left[-1, :-1] = 1
    right = np.append((goal - np.sign(coef) * slack)[free] - k[free] @ exact, -exact.sum())
    solved = np.linalg.lstsq(left, right)[0]
    assert np.abs(left @ solved - right).max() < 1e-7 * (1 + np.abs(right).max())
    exact[free] += solved[:-1]
    f = k @ exact + solved[-1]
    assert (exact * np.sign(coef) > -1e-6 * c).all() and (np.abs(exact) < c * (1 + 1e-6)).all()
    return at @ exact + solved[-1], f


def regression(model, x, y, weight):
    coef = np.zeros(len(x))
    coef[model.support_] = model.dual_coef_[0]
    c = model.C * (np.ones(len(x)) if weight is None else weight)
    exact, f = optimum(kernel(model, x, x), kernel(model, x[sample(len(x))], x), coef, c, y, model.epsilon)
    error = np.abs(y - f) - model.epsilon
    assert (error[coef == 0] < 1e-6).all() and (error[np.abs(coef) > c * (1 - 1e-6)] > -1e-6).all()
    return exact[:, None]


def classification(model, x, y, weight):
    ends = np.append(0, np.cumsum(model.n_support_))
    weight = np.ones(len(x)) if weight is None else weight
    decisions = []
    for i, j in combinations(range(len(model.classes_)), 2):
        coef = np.zeros(len(x))
        for own, row in ((i, j - 1), (j, i)):
            part = slice(ends[own], ends[own + 1])
            coef[model.support_[part]] = model.dual_coef_[row, part]
        if len(model.classes_) == 2:
            coef = -coef  # scikit-learn turns the sign of a single machine
        own = np.flatnonzero((y == i) | (y == j))
        c = model.C * weight[own] * model.class_weight_[y[own].astype(int)]
        goal = np.where(y[own] == i, 1.0, -1.0)
        at = kernel(model, x[sample(len(x))], x[own])
        exact, f = optimum(kernel(model, x[own], x[own]), at, coef[own], c, goal, 0.0)
        assert (goal * f > 1 - 1e-6)[coef[own] == 0].all()
        decisions.append(exact)
    return np.array(decisions).T


def pairs_of(model, x):
    """Decisions per pair of classes, positive for the first."""
    if isinstance(model, SVR):
        return model.predict(x)[:, None]
    decisions = model.decision_function(x).reshape(len(x), -1)
    return -decisions if len(model.classes_) == 2 else decisions


def coupled(pairs, k):
    """Wu, Lin, Weng's second method, by its linear equations."""
    out = []
    for row in pairs:
        r = np.zeros((k, k))
        for (i, j), p in zip(combinations(range(k), 2), np.clip(row, 1e-7, 1 - 1e-7)):
            r[i, j], r[j, i] = p, 1 - p
        system = np.ones((k + 1, k + 1))
        system[:k, :k] = -r * r.T + np.diag((r**2).sum(axis=0))
        system[k, k] = 0
        out.append(np.linalg.solve(system, np.append(np.zeros(k), 1))[:k])
    return np.array(out)


def probabilities(data, params):
    """scikit-learn's sigmoids, and what it makes of them; a sigmoid of held-out decisions; log losses of ten seeds."""
    x, y, _ = load(data)
    y = y[:, 0]
    models = [SVC(**params, probability=True, random_state=seed).fit(x, y) for seed in range(10)]
    model = models[0].set_params(decision_function_shape="ovo")
    k = len(model.classes_)
    decisions = pairs_of(model, x[sample(len(x))])
    pairs = 1 / (1 + np.exp(model._probA * decisions + model._probB))
    of_two = y < 2
    held_out = -cross_val_predict(SVC(**params), x[of_two], y[of_two], method="decision_function")
    a, b = _sigmoid_calibration(held_out, y[of_two] == 0)
    return {
        "decisions": decisions.tolist(),
        "a": model._probA.tolist(),
        "b": model._probB.tolist(),
        "libsvm": model.predict_proba(x[sample(len(x))]).tolist(),
        "exact": coupled(pairs, k).tolist(),
        "held_out": held_out.tolist(),
        "first": (y[of_two] == 0).astype(float).tolist(),
        "sigmoid": [a, b],
        "log_losses": [log_loss(y, model.predict_proba(x)) for model in models],
        "accuracy": float(np.mean([model.predict_proba(x).argmax(axis=1) == y for model in models])),
    }


cases = []
for estimator, data, params in SPECS:
    x, y, weight = load(data)
    y = y[:, 0]
    ties = {} if estimator is SVR else {"decision_function_shape": "ovr"}
    tol = 1e-3 if params.get("kernel") == "sigmoid" else 1e-9
    model = estimator(**params, **ties, tol=tol).fit(x, y, sample_weight=weight)
    predictions = model.predict(x[sample(len(x))])
    expected = {"predictions": predictions.tolist()}
    if model.kernel != "sigmoid":
        if estimator is SVC:
            model.set_params(decision_function_shape="ovo", break_ties=False)
        decisions = pairs_of(model, x[sample(len(x))])
        exact = (regression if estimator is SVR else classification)(model, x, y, weight)
        difference = np.abs(decisions - exact).max() / np.abs(exact).max()
        expected |= {"decisions": decisions.tolist(), "exact": exact.tolist(), "difference": difference}
    name = f"{estimator.__name__}({params}) on {data['builtin']} {x.shape}"
    print(name, expected.get("difference"))
    cases.append(
        {
            "name": name,
            "algorithm": "svm",
            "task": "regression" if estimator is SVR else "classification",
            "params": params | {"tol": tol},
            "data": data,
            "expected": expected,
        }
    )
for data in (WINE, unit(UNBALANCED), CANCER):
    cases.append(
        {
            "name": f"probabilities on {data['builtin']}",
            "algorithm": "svm",
            "task": "classification",
            "params": {"probability": True},
            "data": data,
            "expected": {"probabilities": probabilities(data, {})},
        }
    )
write("svm", cases)
