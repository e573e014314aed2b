"""Writes `seeds.json`: what random methods of scikit-learn give over ten seeds.

Regressions learn from even rows and are scored (r2) on odd ones; independent components are scored by how far from
normal they are, which is what the method looks for. Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/seeds.py
"""

import warnings

import numpy as np
from sklearn.decomposition import FastICA
from sklearn.linear_model import RANSACRegressor, TheilSenRegressor

from cases import load, write

warnings.simplefilter("ignore")

SEEDS = 10
rng = np.random.default_rng(5)


def inline(x, y):
    return {"inline": np.round(x, 4).tolist(), "targets": [np.round(y, 4).tolist()]}


def unit(name, **more):
    """The data set with each column brought to a mean of 0 and a deviation of 1."""
    x = load({"builtin": name})[0]
    shift = [round(m, 6) for m in x.mean(axis=0)]
    return {"builtin": name, "shift": shift, "scale": [round(1 / s, 6) for s in x.std(axis=0)]} | more


DIABETES = {"builtin": "diabetes"}
SCALED = {"builtin": "diabetes", "scale": [10.0**k for k in (-3, 2, 0, 3, -1, 1, 2, -2, 0, 3)]}
LINNERUD = {"builtin": "linnerud"}
tall = rng.normal(size=(120, 3))
# Two rows in seven are far off, and all in one direction.
OUTLIERS = inline(tall, tall @ [3, -2, 1] + rng.normal(size=120) + 40 * (np.arange(120) % 7 < 2))
one_hot = np.eye(4)[rng.integers(0, 4, 120)]
ONE_HOT = inline(np.column_stack([one_hot, tall]), one_hot @ [1, 2, 4, 8] + tall[:, 0] + rng.standard_cauchy(120))
sources = np.column_stack([rng.laplace(size=300), rng.uniform(-1, 1, 300), rng.exponential(size=300)])
MIXED = inline(sources @ [[1, 2, 0.5], [0.3, 1, 2], [2, 0.1, 1]], sources[:, 0])


def case(algorithm, estimator, data, params, score):
    x, y, weight = load(data)
    return {
        "name": f"{estimator.__name__}({params}) on {data.get('builtin', 'inline')} {x.shape}",
        "algorithm": algorithm,
        "task": "decomposition" if algorithm == "fast_ica" else "regression",
        "params": params,
        "data": data,
        "expected": {"scores": [score(estimator(**params, random_state=s), x, y, weight) for s in range(SEEDS)]},
    }


def r2(model, x, y, weight):
    y = y[:, 0]
    more = {} if weight is None else {"sample_weight": weight[::2]}
    return model.fit(x[::2], y[::2], **more).score(x[1::2], y[1::2])


def contrast(model, x, y, weight):
    """The mean over components of |mean of log cosh − that of a normal variable|."""
    s = model.fit_transform(x)
    s = s / s.std(axis=0)
    return np.abs(np.log(np.cosh(s)).mean(axis=0) - 0.37456720749143).mean()


def all_cases():
    for data in (DIABETES, SCALED, DIABETES | {"weight_cycle": 4}, OUTLIERS, ONE_HOT):
        for params in ({}, {"min_samples": 0.3, "max_trials": 30}, {"loss": "squared_error", "residual_threshold": 400.0}):
            yield case("ransac", RANSACRegressor, data, params, r2)
    for params in ({"residual_threshold": 3.0, "stop_n_inliers": 20}, {"residual_threshold": 2.0, "stop_probability": 0.5}):
        yield case("ransac", RANSACRegressor, OUTLIERS, params, r2)
    for data in (DIABETES, SCALED, OUTLIERS, ONE_HOT):
        for params in ({}, {"n_subsamples": 40, "max_subpopulation": 300}, {"max_subpopulation": 200, "fit_intercept": False}):
            yield case("theil_sen", TheilSenRegressor, data, params, r2)
    for data, k in ((MIXED, 3), (unit("iris"), 3), (unit("wine"), 5), (DIABETES, 4), (unit("breast_cancer"), 3)):
        for params in ({}, {"algorithm": "deflation"}, {"fun": "exp"}, {"fun": "cube"}):
            exact = {"n_components": k, "tol": 1e-10, "max_iter": 2000}
            yield case("fast_ica", FastICA, data, params | exact, contrast)


write("seeds", list(all_cases()))
