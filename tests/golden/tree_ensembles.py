"""Writes `tree_ensembles.json` and `tree_ensembles_random.json`: scikit-learn's trees and ensembles of trees.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/tree_ensembles.py

The first file holds predictions of methods without randomness. Seeds still choose between equally good splits there, so
a case is kept only when five seeds predict the same. The second file holds scores of random methods over ten seeds: rows
whose position is a multiple of 4 are for testing, the others for training. For classification they are the accuracy and
the mean probability given to the true class, for regression R2 and the mean absolute error; then the out-of-bag score.
"""

import sys
import warnings

import numpy as np
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from cases import load, sample, write

warnings.simplefilter("ignore", FutureWarning)
warnings.simplefilter("ignore", UserWarning)

rng = np.random.default_rng(11)
ESTIMATORS = {
    "decision_tree": (DecisionTreeRegressor, DecisionTreeClassifier),
    "extra_trees": (ExtraTreesRegressor, ExtraTreesClassifier),
    "random_forest": (RandomForestRegressor, RandomForestClassifier),
    "bagging": (BaggingRegressor, BaggingClassifier),
    "ada_boost": (AdaBoostRegressor, AdaBoostClassifier),
    "gradient_boosting_trees": (GradientBoostingRegressor, GradientBoostingClassifier),
}
SCALES = [10.0**k for k in (-1, 2, 0, 3, -1, 1, 2, -2, 0, 3)]
DIABETES = {"builtin": "diabetes"}
SCALED = {"builtin": "diabetes", "scale": SCALES}
WEIGHTED = {"builtin": "diabetes", "weight_cycle": 4}
LINNERUD = {"builtin": "linnerud"}
CANCER = {"builtin": "breast_cancer"}
CANCER_WEIGHTED = {"builtin": "breast_cancer", "weight_cycle": 3}
WINE = {"builtin": "wine"}
IRIS = {"builtin": "iris"}
DIGITS = {"builtin": "digits", "rows": 400}
x = rng.normal(size=(90, 4))
one_hot = np.eye(3)[np.arange(90) % 3]
# Duplicates of rows and columns, a constant column, a block of dummies.
HARD = {
    "inline": np.round(np.column_stack([x, x[:, 0], np.full(90, 2.5), one_hot])[[*range(80), *range(10)]], 3).tolist(),
    "targets": [np.round(np.exp(x[:, 0]) + one_hot @ [0, 1, 3] + 0.3 * x[:, 1] + 1.0, 3)[[*range(80), *range(10)]].tolist()],
}
UNBALANCED = {
    "inline": np.round(x, 3).tolist(),
    "targets": [(x[:, 0] + 0.5 * x[:, 1] > 1.4).astype(float).tolist()],
}
WIDE = {
    "inline": np.round(rng.normal(size=(20, 30)), 3).tolist(),
    "targets": [np.round(rng.normal(size=20), 3).tolist()],
}


def make(algorithm, task, params, seed):
    params = dict(params)
    is_classification = task == "classification"
    if "estimator" in params:
        params["estimator"] = ESTIMATORS["decision_tree"][is_classification](**params["estimator"])
    if isinstance(params.get("class_weight"), dict):
        params["class_weight"] = {int(key): value for key, value in params["class_weight"].items()}
    for name in ("criterion", "loss"):
        if params.get(name) == "auto":
            del params[name]
    return ESTIMATORS[algorithm][is_classification](random_state=seed, **params)


def answers(algorithm, task, params, data, seed):
    x, y, weight = load(data)
    rows = sample(len(x))
    if task == "classification":
        model = make(algorithm, task, params, seed).fit(x, y[:, 0], sample_weight=weight)
        return {"predictions": model.predict(x[rows]).tolist(), "probabilities": model.predict_proba(x[rows]).tolist()}
    model = make(algorithm, task, params, seed)
    if y.shape[1] > 1 and algorithm in ("ada_boost", "gradient_boosting_trees"):
        model = MultiOutputRegressor(model)
    model.fit(x, y if y.shape[1] > 1 else y[:, 0], sample_weight=weight)
    return {"predictions": model.predict(x[rows]).tolist()}


def flat(answer):
    return np.concatenate([np.ravel(answer["predictions"]), np.ravel(answer.get("probabilities", []))])


def exact(algorithm, task, data, params):
    expected = answers(algorithm, task, params, data, 0)
    others = [answers(algorithm, task, params, data, seed) for seed in range(1, 5)]
    what = data.get("builtin", "inline")
    what += "".join(f" {key}" for key in ("scale", "weight_cycle") if key in data)
    name = f"{algorithm} {task} of {what} {params}"
    if any(np.abs(flat(other) - flat(expected)).max() > 1e-9 for other in others):
        print("seeds differ:", name, file=sys.stderr)
        return None
    return {"name": name, "algorithm": algorithm, "task": task, "params": params, "data": data, "expected": expected}


def exact_cases():
    limits = [
        {"max_depth": 4},
        {"min_samples_leaf": 12},
        {"min_samples_split": 0.1},
        {"max_leaf_nodes": 9},
        {"min_weight_fraction_leaf": 0.04},
    ]
    for criterion in ("squared_error", "absolute_error", "poisson"):
        for extra in (*limits, {"ccp_alpha": 4.0 if criterion == "absolute_error" else 90.0, "max_depth": 5}):
            if criterion != "poisson" or "ccp_alpha" not in extra:
                yield "decision_tree", "regression", DIABETES, {"criterion": criterion, **extra}
        for data in (SCALED, WEIGHTED, WIDE, HARD):
            if criterion != "poisson" or data is not WIDE:
                yield "decision_tree", "regression", data, {"criterion": criterion, "max_depth": 3}
        yield "decision_tree", "regression", LINNERUD, {"criterion": criterion, "max_depth": 2}
        signs = [0, 0, 1, -1, 0, 0, -1, 0, 1, 0]
        yield "decision_tree", "regression", DIABETES, {"criterion": criterion, "max_depth": 5, "min_samples_leaf": 5, "monotonic_cst": signs}
        yield "decision_tree", "regression", WEIGHTED, {"criterion": criterion, "max_leaf_nodes": 20, "min_samples_leaf": 5, "monotonic_cst": signs}
    for criterion in ("gini", "entropy"):
        for extra in (*limits, {"ccp_alpha": 0.01}, {"min_impurity_decrease": 0.01}, {"class_weight": "balanced", "max_depth": 3}):
            for data in (CANCER, WINE, IRIS, DIGITS):
                yield "decision_tree", "classification", data, {"criterion": criterion, **extra}
        yield "decision_tree", "classification", CANCER_WEIGHTED, {"criterion": criterion, "max_depth": 4}
        yield "decision_tree", "classification", UNBALANCED, {"criterion": criterion, "max_depth": 3, "class_weight": {"1": 9.0}}
        signs = [0] * 20 + [1, 0, 0, 0, 0, 0, -1, 1, 0, 0]
        yield "decision_tree", "classification", CANCER, {"criterion": criterion, "max_depth": 4, "min_samples_leaf": 5, "monotonic_cst": signs}
    yield "random_forest", "regression", DIABETES, {"n_estimators": 2, "bootstrap": False, "criterion": "absolute_error", "max_depth": 4}
    yield "bagging", "regression", DIABETES, {"bootstrap": False, "estimator": {"max_depth": 4}}

    few = {"n_estimators": 20}
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        # Steps of 0.75 and -0.25 add up without rounding, so that equal splits are known to be equal.
        loss = {"loss": loss, **({"alpha": 0.75} if loss == "quantile" else {})}
        for data in (DIABETES, SCALED, WEIGHTED, HARD, WIDE, LINNERUD):
            yield "gradient_boosting_trees", "regression", data, {**loss, "max_depth": 2, **few}
        yield "gradient_boosting_trees", "regression", DIABETES, {**loss, "n_estimators": 40, "min_samples_leaf": 9}
    yield "gradient_boosting_trees", "regression", DIABETES, {"min_samples_leaf": 8}
    yield "gradient_boosting_trees", "regression", DIABETES, {"init": "zero", "learning_rate": 0.3, **few}
    yield "gradient_boosting_trees", "regression", DIABETES, {"loss": "quantile", "alpha": 0.25, "max_leaf_nodes": 6, "max_depth": None, "min_samples_leaf": 5, **few}
    yield "gradient_boosting_trees", "regression", DIABETES, {"loss": "huber", "alpha": 0.6, **few}
    yield "gradient_boosting_trees", "regression", DIABETES, {"ccp_alpha": 20.0, **few}
    yield "gradient_boosting_trees", "regression", DIABETES, {"min_impurity_decrease": 60.0, **few}
    yield "gradient_boosting_trees", "regression", WEIGHTED, {"min_weight_fraction_leaf": 0.05, "min_samples_split": 0.1, **few}
    for data in (CANCER, CANCER_WEIGHTED, WINE, IRIS, UNBALANCED):
        yield "gradient_boosting_trees", "classification", data, {"max_depth": 2, **few}
        yield "gradient_boosting_trees", "classification", data, {"max_depth": 1, "n_estimators": 60}
    for data in (CANCER, CANCER_WEIGHTED, UNBALANCED):
        yield "gradient_boosting_trees", "classification", data, {"loss": "exponential", "max_depth": 2, **few}
    yield "gradient_boosting_trees", "classification", DIGITS, {"n_estimators": 5, "min_samples_leaf": 5}
    yield "gradient_boosting_trees", "classification", WINE, {"init": "zero", "max_depth": 2, **few}

    for data in (CANCER, CANCER_WEIGHTED, WINE, IRIS, UNBALANCED, DIGITS):
        yield "ada_boost", "classification", data, {}
        yield "ada_boost", "classification", data, {"n_estimators": 20, "learning_rate": 0.4}
        yield "ada_boost", "classification", data, {"n_estimators": 15, "estimator": {"max_depth": 2}}


def scores(algorithm, task, data, params):
    x, y, weight = load(data)
    test = np.arange(len(x)) % 4 == 0
    names = ("accuracy", "true_class_probability") if task == "classification" else ("r2", "mean_absolute_error")
    out = {name: [] for name in (*names, *(["oob_score"] if params.get("oob_score") else []))}
    for seed in range(10):
        model = make(algorithm, task, params, seed).fit(x[~test], y[~test, 0])
        guess, truth = model.predict(x[test]), y[test, 0]
        if task == "classification":
            proba = model.predict_proba(x[test])
            out["accuracy"].append(accuracy_score(truth, guess))
            out["true_class_probability"].append(proba[np.arange(len(truth)), truth.astype(int)].mean())
        else:
            out["r2"].append(r2_score(truth, guess))
            out["mean_absolute_error"].append(mean_absolute_error(truth, guess))
        if "oob_score" in out:
            out["oob_score"].append(model.oob_score_)
    name = f"{algorithm} {task} of {data['builtin']} {params}"
    return {"name": name, "algorithm": algorithm, "task": task, "params": params, "data": data, "expected": out}


def random_cases():
    for task, sets in (("regression", (DIABETES, SCALED)), ("classification", (CANCER, WINE, DIGITS))):
        criterion = "absolute_error" if task == "regression" else "entropy"
        for data in sets:
            yield "extra_trees", task, data, {}
            yield "bagging", task, data, {}
        data = sets[0]
        yield "extra_trees", task, data, {"bootstrap": True, "oob_score": True, "max_samples": 0.7, "min_samples_leaf": 2}
        yield "extra_trees", task, data, {"criterion": criterion, "max_depth": 6, "max_features": 0.4, "n_estimators": 30}
        yield "bagging", task, data, {"max_features": 0.5, "n_estimators": 40, "oob_score": True}
        yield "bagging", task, data, {"max_features": 0.6, "bootstrap_features": True, "max_samples": 0.5}
        yield "bagging", task, data, {"bootstrap": False, "max_samples": 0.5, "estimator": {"max_features": "sqrt", "max_depth": 5}}
        yield "decision_tree", task, data, {"splitter": "random"}
        yield "decision_tree", task, data, {"max_features": "sqrt", "min_samples_leaf": 4}
        yield "gradient_boosting_trees", task, data, {"subsample": 0.5, "max_features": "sqrt", "n_estimators": 60}
        yield "gradient_boosting_trees", task, data, {"n_iter_no_change": 5, "learning_rate": 0.3, "validation_fraction": 0.2}
        yield "random_forest", task, data, {"criterion": criterion, "n_estimators": 30, "min_samples_leaf": 3}
    for loss in ("linear", "square", "exponential"):
        for data in (DIABETES, SCALED):
            yield "ada_boost", "regression", data, {"loss": loss}
    yield "ada_boost", "regression", DIABETES, {"learning_rate": 0.5, "n_estimators": 30, "estimator": {"max_depth": 5, "min_samples_leaf": 5}}
    yield "random_forest", "classification", CANCER, {"class_weight": {"1": 20.0}, "max_depth": 2, "n_estimators": 30}
    yield "gradient_boosting_trees", "regression", DIABETES, {"loss": "huber", "subsample": 0.6}
    yield "gradient_boosting_trees", "regression", DIABETES, {"loss": "quantile", "alpha": 0.5, "subsample": 0.6}


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.10g}")
    return [rounded(v) for v in value] if isinstance(value, list) else value


def main():
    cases = [exact(*case) for case in exact_cases()]
    kept = [case for case in cases if case]
    for case in kept:
        case["expected"] = {key: rounded(value) for key, value in case["expected"].items()}
    print(len(kept), "of", len(cases), "exact cases kept", file=sys.stderr)
    write("tree_ensembles", kept)
    write("tree_ensembles_random", [scores(*case) for case in random_cases()])


if __name__ == "__main__":
    main()
