"""Writes `mlp.json`: scikit-learn's multi-layer perceptrons.

Cases with `start` begin at those parameters and take the rows in their order, so that every step is determined; networks
without hidden layers have one optimum, which `lbfgs` must find; cases with `scores` hold the scores of ten seeds. Made with
scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/mlp.py
"""

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor

from cases import load, sample, write

warnings.simplefilter("ignore")


def unit(name, **more):
    """The data set with each column brought to a mean of 0 and a deviation of 1."""
    x = load({"builtin": name})[0]
    shift = [round(m, 6) for m in x.mean(axis=0)]
    return {"builtin": name, "shift": shift, "scale": [round(1 / s, 6) for s in x.std(axis=0)]} | more


rng = np.random.default_rng(9)
x = np.round(rng.normal(size=(60, 3)), 4)
y = np.round(np.sin(x[:, 0]) + x[:, 1] * x[:, 2], 4)
COUNTS = {"inline": x.tolist(), "targets": [rng.poisson(np.exp(0.5 * x[:, 0])).tolist()]}
CURVED = {"inline": x.tolist(), "targets": [y.tolist()]}
ONE_HOT = {"inline": np.eye(4)[np.arange(40) % 4].tolist(), "targets": [(np.arange(40) % 4 * 1.5).tolist()]}
CONSTANT = {"inline": np.column_stack([x, np.full(60, 3.5), x[:, 0]]).tolist(), "targets": [y.tolist()]}
DIABETES, LINNERUD = unit("diabetes"), unit("linnerud")
WEIGHTED = unit("diabetes", weight_cycle=3)
IRIS, CANCER, WINE = unit("iris"), unit("breast_cancer"), unit("wine")
CANCER_WEIGHTED = unit("breast_cancer", weight_cycle=4)
SGD = {"solver": "sgd", "learning_rate_init": 0.01}
SMALL = {"hidden_layer_sizes": [5]}
DEEP = {"hidden_layer_sizes": [4, 3], "activation": "tanh"}

STEPS = [
    (estimator, data, size | params | {"batch_size": batch})
    for estimator, data in (
        (MLPRegressor, CURVED),
        (MLPRegressor, LINNERUD),
        (MLPRegressor, CONSTANT),
        (MLPClassifier, IRIS),
        (MLPClassifier, CANCER_WEIGHTED),
    )
    for size, params, batch in (
        (SMALL, {}, 16),
        (SMALL, {"activation": "logistic", "alpha": 0.1}, 7),
        (DEEP, {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4, "learning_rate_init": 0.01}, "auto"),
        (DEEP, SGD, 16),
        (SMALL, SGD | {"nesterovs_momentum": False, "momentum": 0.5, "activation": "identity"}, 10),
        (SMALL, SGD | {"learning_rate": "invscaling", "power_t": 0.3}, 10),
        (SMALL, SGD | {"learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 10.0}, 10),
    )
] + [
    (MLPRegressor, WEIGHTED, SMALL),
    (MLPRegressor, ONE_HOT, SMALL | {"activation": "tanh"}),
    (MLPRegressor, COUNTS, SMALL | {"loss": "poisson", "batch_size": 20}),
    (MLPClassifier, WINE, SMALL | {"hidden_layer_sizes": [20]}),
]
LINEAR = {"hidden_layer_sizes": [], "solver": "lbfgs", "alpha": 1.0}
OPTIMA = [
    (MLPRegressor, DIABETES, LINEAR),
    (MLPRegressor, WEIGHTED, LINEAR),
    (MLPRegressor, COUNTS, LINEAR | {"loss": "poisson"}),
    (MLPClassifier, IRIS, LINEAR),
    (MLPClassifier, CANCER, LINEAR),
    (MLPClassifier, CANCER_WEIGHTED, LINEAR | {"alpha": 10.0}),
]
EARLY = {"early_stopping": True, "learning_rate_init": 0.01, "n_iter_no_change": 5}
SEEDED = [
    (MLPRegressor, DIABETES, {"learning_rate_init": 0.01, "hidden_layer_sizes": [20]}),
    (MLPRegressor, DIABETES, {"solver": "lbfgs", "hidden_layer_sizes": [5], "alpha": 10.0, "activation": "tanh"}),
    (MLPRegressor, DIABETES, EARLY | {"hidden_layer_sizes": [50]}),
    (MLPClassifier, WINE, {"hidden_layer_sizes": [10]}),
    (MLPClassifier, CANCER, EARLY | {"hidden_layer_sizes": 30, "activation": "logistic"}),
    (MLPClassifier, CANCER, SGD | {"hidden_layer_sizes": [20, 10], "max_iter": 50}),
]


def flat(model):
    return np.concatenate([a.ravel() for a in model.coefs_ + model.intercepts_]).tolist()


def case(estimator, data, params, kind):
    x, y, weight = load(data)
    y = y[:, 0] if y.shape[1] == 1 else y
    rows = sample(len(x))
    expected, ours, start = {}, dict(params), None
    if kind == "steps":
        # One pass makes the first parameters; then learning begins anew from them, without memory of that pass.
        model = estimator(**params, shuffle=False, max_iter=1, random_state=1, warm_start=True)
        start = flat(model.fit(x, y, sample_weight=weight))
        model.max_iter = 4
        model.best_loss_, model._no_improvement_count, model.t_ = np.inf, 0, 0
        model.fit(x, y, sample_weight=weight)
        ours |= {"shuffle": False, "max_iter": 4}
        expected["params"] = flat(model)
    elif kind == "optima":
        # What scikit-learn's exact solvers find: scipy's L-BFGS stops when the loss changes by less than 2e-9 of it.
        alpha = params["alpha"]
        if estimator is MLPClassifier:
            model = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-12, max_iter=1000)
        elif "loss" in params:
            model = PoissonRegressor(alpha=alpha / len(x), solver="newton-cholesky", tol=1e-12, max_iter=1000)
        else:
            model = Ridge(alpha, solver="cholesky")
        model.fit(x, y, sample_weight=weight)
        ours |= {"tol": 1e-10, "max_iter": 200_000, "max_fun": 1_000_000}
    if kind == "scores":
        score = lambda seed: estimator(**params, random_state=seed).fit(x[::2], y[::2]).score(x[1::2], y[1::2])
        expected["ten_scores"] = [score(seed) for seed in range(10)]
    else:
        expected["predictions"] = model.predict(x[rows]).ravel().tolist()
        if estimator is MLPClassifier:
            expected["probabilities"] = model.predict_proba(x[rows]).ravel().tolist()
    if start is not None:
        expected["start"] = start
    return {
        "name": f"{estimator.__name__}({params}) on {data.get('builtin', 'inline')} {x.shape}",
        "algorithm": "mlp",
        "task": "regression" if estimator is MLPRegressor else "classification",
        "params": ours,
        "data": data,
        "expected": expected,
    }


write(
    "mlp",
    [case(*c, "steps") for c in STEPS] + [case(*c, "optima") for c in OPTIMA] + [case(*c, "scores") for c in SEEDED],
)
