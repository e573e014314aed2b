"""Models trained by LightGBM, their predictions, and what equal training must predict.

lightgbm 4.7.0, scikit-learn 1.9.1, numpy 2.4.6. Writes lightgbm_models.json beside this file.
"""

import json
import pathlib

import lightgbm as lgb
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

assert lgb.__version__ == "4.7.0"
NAN = float("nan")


def mixed(n_rows, n_columns=6):
    """Rows that Rust makes too: whole numbers hashed, every eleventh missing, column 3 a category of 0..12."""
    x = np.zeros((n_rows, n_columns))
    for i in range(n_rows):
        for j in range(n_columns):
            h = ((i * 2654435761 + j * 40503 + 12345) * 2246822519) % 2**32
            h = ((h ^ (h >> 15)) * 3266489917) % 2**32
            x[i, j] = (h >> 8) % 12 if j == 3 else ((h >> 8) % 1000) / 100 - 5
            if h % 11 == 0:
                x[i, j] = NAN
    filled = np.nan_to_num(x)
    y = filled[:, 0] + filled[:, 1] * filled[:, 2] / 4 + (filled[:, 3] % 3) * 2
    return x, y


def numbers(values):
    return [None if np.isnan(v) else float(v) for v in np.asarray(values, dtype=np.float64).ravel()]


# What pgml asks for too, so that equal seeds give equal models.
SAME = {"deterministic": True, "force_col_wise": True, "num_threads": 1, "verbosity": -1}


def brief(model):
    """The text without what prediction does not need."""
    keep = ["tree", "version", "num_class", "num_tree_per_iteration", "max_feature_idx", "objective", "feature_names",
            "average_output", "Tree", "num_leaves", "num_cat", "split_feature", "threshold", "decision_type",
            "left_child", "right_child", "leaf_value", "cat_boundaries", "cat_threshold", "is_linear", "shrinkage"]
    lines = model.split("end of trees")[0].split("\n")
    return "\n".join(line for line in lines if not line or line.split("=")[0] in keep) + "\nend of trees\n"


def case(name, params, x, y, rounds, rows=20, categorical="auto", whole=False, **meta):
    booster = lgb.train({**SAME, **params}, lgb.Dataset(x, y, categorical_feature=categorical, **meta), rounds)
    shown = x[:rows].copy()
    shown[1, 0] = shown[2, 1] = 0.0
    shown[4, 2] = 1e-36
    shown[5, 0] = np.inf
    shown[6, 0] = -1e300
    shown[7] = NAN
    if categorical != "auto":
        shown[0, 3], shown[1, 3], shown[2, 3], shown[3, 3] = 40.0, -1.0, 3.7, -0.5
    model = booster.model_to_string()
    return {"name": name, "model": model if whole else brief(model), "n_features": x.shape[1],
            "rows": ["inf" if v == np.inf else v for v in numbers(shown)], "prediction": numbers(booster.predict(shown))}


def imports():
    x, y = mixed(400)
    full = np.nan_to_num(x)
    small = np.abs(y) / 10 + 0.1
    classes = (np.abs(y) // 3 % 4).astype(int)
    cat = {"categorical_feature": [3], "min_data_per_group": 5, "cat_smooth": 1}
    yield case("diabetes", {"num_leaves": 8}, *load_diabetes(return_X_y=True, scaled=False), 5, whole=True)
    yield case("breast cancer", {"objective": "binary"}, *load_breast_cancer(return_X_y=True), 5)
    yield case("digits", {"objective": "multiclass", "num_class": 10, "num_leaves": 5}, *load_digits(return_X_y=True), 2)
    yield case("missing values", {}, x, y, 6)
    yield case("no missing values in training", {}, full, y, 6)
    yield case("zero as missing", {"zero_as_missing": True}, full.round(), y, 6)
    yield case("missing not used", {"use_missing": False}, x, y, 4)
    params = {"min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 2}
    yield case("categories", params, x, y, 6, categorical=[3])
    yield case("categories one by one", {**params, "max_cat_to_onehot": 50}, x, y, 6, categorical=[3])
    yield case("dart", {"boosting": "dart", "drop_rate": 0.5}, x, y, 6)
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    yield case("forest", forest, x, y, 5)
    yield case("forest of classes", {**forest, "objective": "multiclass", "num_class": 4, "num_leaves": 6}, x, classes, 3)
    yield case("goss", {"data_sample_strategy": "goss"}, x, y, 3)
    yield case("sigmoid", {"objective": "binary", "sigmoid": 2.5, "num_leaves": 6}, x, classes % 2, 4)
    for objective in ["poisson", "gamma", "tweedie", "cross_entropy", "cross_entropy_lambda"]:
        target = classes / 4 if "entropy" in objective else small
        yield case(objective, {"objective": objective, "num_leaves": 6}, x, target, 3)
    for objective in ["regression_l1", "huber", "fair", "quantile", "mape"]:
        yield case(objective, {"objective": objective, "num_leaves": 6}, x, y, 3)
    yield case("square root", {"reg_sqrt": True, "num_leaves": 6}, x, y, 3)
    yield case("one leaf", {"min_data_in_leaf": 300}, x, y, 2)


def train(name, data, params, classifier=False, categorical=False, weight=False, halves=False):
    x, y = {
        "diabetes": lambda: load_diabetes(return_X_y=True, scaled=False),
        "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
        "digits": lambda: load_digits(return_X_y=True),
        "mixed": lambda: mixed(400),
    }[data]()
    # The built-in tables hold 32-bit floats.
    x = x if data == "mixed" else x.astype(np.float32).astype(np.float64)
    kind = lgb.LGBMClassifier if classifier else lgb.LGBMRegressor
    model = kind(**SAME, **params)
    weights = 1 + np.arange(len(y)) % 3 if weight else None
    extra = {}
    if halves:
        extra = {"eval_set": [(x[200:], y[200:])]}
        x, y = x[:200], y[:200]
    model.fit(x, y, sample_weight=weights, categorical_feature=[3] if categorical else "auto", **extra)
    predicted = model.predict_proba(x[:24]) if classifier else model.predict(x[:24])
    per_round = model.booster_.num_model_per_iteration()
    n_trees = model.best_iteration_ * per_round if halves else model.booster_.num_trees()
    return {"name": name, "data": "mixed halves" if halves else data, "params": params, "categorical": categorical,
            "weight": weight, "n_trees": n_trees, "prediction": numbers(predicted)}


def trainings():
    yield train("regression with defaults", "diabetes", {})
    yield train("two classes with defaults", "breast_cancer", {}, classifier=True)
    yield train("ten classes", "digits", {"n_estimators": 10}, classifier=True)
    yield train("missing values", "mixed", {"n_estimators": 20})
    yield train("categories", "mixed", {"n_estimators": 20, "min_data_per_group": 5}, categorical=True)
    yield train("weights", "mixed", {"n_estimators": 20}, weight=True)
    yield train("sampled", "mixed", {"n_estimators": 20, "subsample": 0.5, "subsample_freq": 1,
                                     "colsample_bytree": 0.5, "random_state": 9})
    yield train("balanced", "breast_cancer", {"n_estimators": 10, "class_weight": "balanced"}, classifier=True)
    yield train("dart", "mixed", {"n_estimators": 10, "boosting_type": "dart"})
    yield train("forest", "mixed", {"n_estimators": 10, "boosting_type": "rf", "subsample": 0.6, "subsample_freq": 1})
    yield train("constrained", "mixed", {"n_estimators": 10, "monotone_constraints": [1, 0, 0, 0, 0, -1],
                                         "interaction_constraints": [[0, 1], [2, 3, 4, 5]]})
    yield train("small sample for bins", "mixed", {"n_estimators": 10, "subsample_for_bin": 100})
    yield train("early stopping", "mixed", {"n_estimators": 60, "learning_rate": 0.5, "num_leaves": 4,
                                            "early_stopping_round": 3}, halves=True)


golden = {"imports": list(imports()), "trainings": list(trainings())}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, separators=(",", ":"), allow_nan=False) + "\n")
print(path, path.stat().st_size)
