"""Makes tests/golden/random_forest.json: what scikit-learn's random forests score over ten seeds, and their data.

scikit-learn 1.9.1, numpy 2.4.6.

Rows whose position is a multiple of 4 are for testing, the others for training. For every seed the file holds two scores:
classification: accuracy, and the mean probability that the forest gives to the true class (a score without steps, which
notices what accuracy rounds away); regression: R2, and the mean absolute error.

The two synthetic sets are not stored: `synthetic` here and in the test make the same bits from SplitMix64.
"""

import json
import pathlib
import sys

import numpy as np
import sklearn
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

SEEDS = range(10)


def uniforms(n, stream):
    """`n` numbers in [0, 1): SplitMix64 from state `stream`."""
    with np.errstate(over="ignore"):
        z = np.uint64(stream) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


def synthetic(n, width, stream):
    """Continuous features in [-1, 1), a smooth signal with an interaction, and noise of about the same size."""
    x = (uniforms(n * width, stream).reshape(n, width) * 2.0 - 1.0).astype(np.float32).astype(np.float64)
    noise = uniforms(n, stream + 1) - 0.5
    signal = x[:, 0] + x[:, 1] * x[:, 2] + x[:, 3] * x[:, 3] - 0.5 * x[:, 4] + 0.5 * x[:, 5] * x[:, 6]
    return x, signal + noise


def split(x, y):
    test = np.arange(len(y)) % 4 == 0
    return x[~test], y[~test], x[test], y[test]


def classification(x, y):
    x_train, y_train, x_test, y_test = split(x, y)
    scores = {"accuracy": [], "true_class_probability": []}
    for seed in SEEDS:
        model = RandomForestClassifier(random_state=seed, n_jobs=2).fit(x_train, y_train)
        proba = model.predict_proba(x_test)
        scores["accuracy"].append(accuracy_score(y_test, model.predict(x_test)))
        scores["true_class_probability"].append(proba[np.arange(len(y_test)), y_test].mean())
    return scores


def regression(x, y):
    x_train, y_train, x_test, y_test = split(x, y)
    scores = {"r2": [], "mean_absolute_error": []}
    for seed in SEEDS:
        guess = RandomForestRegressor(random_state=seed, n_jobs=2).fit(x_train, y_train).predict(x_test)
        scores["r2"].append(r2_score(y_test, guess))
        scores["mean_absolute_error"].append(mean_absolute_error(y_test, guess))
    return scores


def stored(x, y, task, alphabet=None):
    """Small whole numbers become one character each, other numbers their shortest form."""
    data = {"n_features": x.shape[1], "task": task, "y": y.tolist()}
    if alphabet:
        data["x_digits"] = "".join(alphabet[int(v)] for v in x.ravel())
    else:
        data["x"] = [float(f"{v:.5g}") for v in x.ravel()]
    return data


def rounded(x):
    return np.array([float(f"{v:.5g}") for v in x.ravel()]).reshape(x.shape)


def grown(make, x, y):
    """What trees of twenty seeds have in common: seeds only choose between equally good splits."""
    fitted = [make(seed).fit(x, y) for seed in range(20)]
    leaves = [int(tree.get_n_leaves()) for tree in fitted]
    fits = [float(tree.score(x, y)) for tree in fitted]
    return {"leaves": [min(leaves), max(leaves)], "fit": [min(fits), max(fits)]}


def trees():
    """Single trees on all rows and features, under every rule that stops their growth."""
    x, y = synthetic(600, 7, 77)
    x, y = x[:400], y[:400]
    labels, target = (y > 0).astype(int) + (y > 0.6), np.exp(y)
    cases = []
    for criterion in ["gini", "entropy"]:
        for extra in [{}, {"min_samples_leaf": 7}, {"max_depth": 4}, {"max_leaf_nodes": 20}, {"ccp_alpha": 0.004},
                      {"min_impurity_decrease": 0.005}, {"min_samples_split": 30}, {"min_weight_fraction_leaf": 0.02}]:
            params = {"criterion": criterion, **extra}
            made = grown(lambda seed: DecisionTreeClassifier(random_state=seed, **params), x, labels)
            cases.append({"task": "classification", "params": params, **made})
    for criterion in ["squared_error", "poisson"]:
        for extra in [{}, {"min_samples_leaf": 7}, {"max_depth": 4}, {"max_leaf_nodes": 20}, {"ccp_alpha": 0.02},
                      {"min_impurity_decrease": 0.01}]:
            params = {"criterion": criterion, **extra}
            made = grown(lambda seed: DecisionTreeRegressor(random_state=seed, **params), x, target)
            cases.append({"task": "regression", "params": params, **made})
    return cases


def missing():
    """One tree on data with holes: scikit-learn's choice of the side for missing values."""
    x, y = synthetic(600, 7, 78)
    holes = uniforms(600 * 7, 79).reshape(600, 7) < 0.15
    x = np.where(holes, np.nan, x)
    tree = DecisionTreeRegressor(random_state=0, min_samples_leaf=5).fit(x[:400], y[:400])
    return {"leaves": int(tree.get_n_leaves()), "predictions": tree.predict(x[400:]).tolist()}


def main():
    assert sklearn.__version__ == "1.9.1" and np.__version__ == "2.4.6"
    digits, cancer, wine, diabetes = load_digits(), load_breast_cancer(), load_wine(), load_diabetes(scaled=False)
    x_big, y_big = synthetic(20_000, 28, 5)
    x_smooth, y_smooth = synthetic(3_000, 10, 6)
    sets = {
        "digits": {**stored(digits.data, digits.target, "classification", "0123456789abcdefg"),
                   "scores": classification(digits.data, digits.target)},
        "breast_cancer": {**stored(cancer.data, cancer.target, "classification"),
                          "scores": classification(rounded(cancer.data), cancer.target)},
        "wine": {**stored(wine.data, wine.target, "classification"),
                 "scores": classification(rounded(wine.data), wine.target)},
        "diabetes": {**stored(diabetes.data, diabetes.target, "regression"),
                     "scores": regression(rounded(diabetes.data), diabetes.target)},
        "synthetic_classes": {"task": "classification", "scores": classification(x_big, (y_big > 0.3).astype(int))},
        "synthetic_values": {"task": "regression", "scores": regression(x_smooth, y_smooth)},
    }
    out = {"made_by": "scikit-learn 1.9.1, numpy 2.4.6", "trees": trees(), "missing": missing(), "sets": sets}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(path.stat().st_size, file=sys.stderr)
    for name, data in sets.items():
        print(name, {k: (np.mean(v), np.std(v, ddof=1)) for k, v in data["scores"].items()}, file=sys.stderr)


if __name__ == "__main__":
    main()
