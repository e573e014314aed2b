"""Models trained by XGBoost, their predictions, and what equal training must predict.

xgboost-cpu 3.2.0, scikit-learn 1.9.1, numpy 2.4.6. Writes xgboost_models.json beside this file.
"""

import json
import pathlib

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

assert xgb.__version__ == "3.2.0"
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


TYPES = ["q", "q", "q", "c", "q", "q"]


def numbers(values):
    return [None if np.isnan(v) else float(v) for v in np.asarray(values, dtype=np.float64).ravel()]


def case(name, params, x, y, rounds, fmt="json", rows=24, types=None, **meta):
    dtrain = xgb.DMatrix(x, y, feature_types=types, enable_categorical=types is not None, **meta)
    booster = xgb.train({"nthread": 1, **params}, dtrain, rounds)
    shown = x[:rows].copy()
    if types is not None:
        shown[0, 3], shown[1, 3], shown[2, 3] = 40.0, -1.0, 3.7
    test = xgb.DMatrix(shown, feature_types=types, enable_categorical=types is not None)
    raw = booster.save_raw(fmt)
    return {
        "name": name,
        "format": fmt,
        "model": bytes(raw).decode() if fmt == "json" else bytes(raw).hex(),
        "n_features": x.shape[1],
        "rows": numbers(shown),
        "margin": numbers(booster.predict(test, output_margin=True)),
        "prediction": numbers(booster.predict(test)),
    }


def imports():
    x, y = mixed(400)
    small = np.abs(y) / 10 + 0.1
    classes = (np.abs(y) // 3 % 4).astype(int)
    cancer = load_breast_cancer(return_X_y=True)
    digits = load_digits(return_X_y=True)
    diabetes = load_diabetes(return_X_y=True, scaled=False)
    yield case("diabetes", {"max_depth": 3}, *diabetes, 6)
    yield case("breast cancer, ubj", {"max_depth": 3, "objective": "binary:logistic"}, *cancer, 6, "ubj")
    yield case("digits", {"max_depth": 2, "objective": "multi:softprob", "num_class": 10}, *digits, 2)
    yield case("missing values, ubj", {"max_depth": 4}, x, y, 6, "ubj")
    yield case("categories", {"max_depth": 4, "max_cat_to_onehot": 1}, x, y, 5, types=TYPES)
    yield case("categories one hot", {"max_depth": 4, "max_cat_to_onehot": 50}, x, y, 4, types=TYPES)
    dart = {"booster": "dart", "rate_drop": 0.5, "seed": 3, "max_depth": 2}
    yield case("dart", dart, x, y, 8)
    yield case("dart classes", {**dart, "objective": "multi:softprob", "num_class": 4}, x, classes, 3)
    yield case("linear", {"booster": "gblinear"}, x, y, 10)
    yield case("linear classes", {"booster": "gblinear", "objective": "multi:softprob", "num_class": 4}, x, classes, 5)
    yield case("two targets", {"max_depth": 2}, x, np.stack([y, small], axis=1), 3)
    vector = {"max_depth": 2, "multi_strategy": "multi_output_tree"}
    yield case("two targets in one tree", vector, x, np.stack([y, small], axis=1), 3)
    yield case("forest", {"num_parallel_tree": 3, "subsample": 0.7, "max_depth": 3}, x, y, 2)
    yield case("leaf-wise", {"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0}, x, y, 3)
    for objective in ["count:poisson", "reg:gamma", "reg:tweedie", "survival:cox"]:
        yield case(objective, {"objective": objective, "max_depth": 2}, x, small, 3)
    for objective in ["reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror"]:
        yield case(objective, {"objective": objective, "max_depth": 2}, x, small, 3)
    yield case("reg:quantileerror", {"objective": "reg:quantileerror", "quantile_alpha": 0.3, "max_depth": 2}, x, y, 3)
    yield case("survival:aft", {"objective": "survival:aft", "max_depth": 2}, x, None, 3, label_lower_bound=small, label_upper_bound=small)
    for objective in ["binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"]:
        yield case(objective + " on two classes", {"objective": objective, "max_depth": 2}, x, classes % 2, 3)
    yield case("base score", {"base_score": 2.5, "max_depth": 2}, x, y, 2)
    yield case("weights far apart", {"max_depth": 2, "eta": 1.0}, x, y * 1e6 + 1e8, 4)


def early_stopped():
    """scikit-learn's interface predicts with the best round."""
    x, y = mixed(400)
    model = xgb.XGBRegressor(n_estimators=60, learning_rate=0.8, max_depth=2, n_jobs=1, early_stopping_rounds=3)
    model.fit(x[:200], y[:200], eval_set=[(x[200:], y[200:])], verbose=False)
    raw = model.get_booster().copy()
    path = pathlib.Path("/tmp/pgml-golden-early-stopped.json")
    model.save_model(path)
    del raw
    found = {
        "name": "early stopped",
        "format": "json",
        "model": path.read_text(),
        "n_features": 6,
        "rows": numbers(x[:24]),
        "margin": numbers(model.predict(x[:24], output_margin=True)),
        "prediction": numbers(model.predict(x[:24])),
    }
    path.unlink()
    training = {
        "name": "early stopping",
        "data": "mixed halves",
        "params": {"n_estimators": 60, "learning_rate": 0.8, "max_depth": 2, "early_stopping_rounds": 3},
        "n_trees": int(model.best_iteration) + 1,
        "prediction": numbers(model.predict(x[:24])),
    }
    return found, training


def train(name, data, params, classifier=False, categorical=False, weight=False):
    x, y = {
        "diabetes": lambda: load_diabetes(return_X_y=True, scaled=False),
        "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
        "digits": lambda: load_digits(return_X_y=True),
        "mixed": lambda: mixed(400),
    }[data]()
    kind = xgb.XGBClassifier if classifier else xgb.XGBRegressor
    extra = {"enable_categorical": True, "feature_types": TYPES} if categorical else {}
    model = kind(n_jobs=1, **params, **extra)
    model.fit(x, y, sample_weight=1 + np.arange(len(y)) % 3 if weight else None)
    predicted = model.predict_proba(x[:24]) if classifier else model.predict(x[:24])
    if params.get("booster") == "dart":
        # In-place prediction rounds otherwise than prediction from a matrix, which is what is reproduced.
        predicted = model.get_booster().predict(xgb.DMatrix(x[:24]))
    n_trees = len(model.get_booster().get_dump()) if params.get("booster") != "gblinear" else 0
    return {"name": name, "data": data, "params": params, "categorical": categorical, "weight": weight,
            "n_trees": n_trees, "prediction": numbers(predicted)}


def trainings():
    yield train("regression with defaults", "diabetes", {})
    yield train("two classes with defaults", "breast_cancer", {}, classifier=True)
    yield train("ten classes", "digits", {"n_estimators": 10, "max_depth": 4}, classifier=True)
    yield train("missing values", "mixed", {"n_estimators": 20, "learning_rate": 0.1})
    yield train("categories", "mixed", {"n_estimators": 20}, categorical=True)
    yield train("weights", "mixed", {"n_estimators": 20}, weight=True)
    yield train("exact", "mixed", {"n_estimators": 10, "tree_method": "exact"})
    yield train("approx with categories", "mixed", {"n_estimators": 10, "tree_method": "approx"}, categorical=True)
    yield train("dart", "mixed", {"n_estimators": 10, "booster": "dart", "rate_drop": 0.3, "random_state": 5})
    yield train("linear", "mixed", {"n_estimators": 10, "booster": "gblinear", "updater": "coord_descent"})
    yield train("sampled", "mixed", {"n_estimators": 10, "subsample": 0.5, "colsample_bytree": 0.5, "random_state": 9})
    yield train("constrained", "mixed", {"n_estimators": 10, "monotone_constraints": "(1,0,0,0,0,-1)",
                                        "interaction_constraints": "[[0,1],[2,3,4,5]]"})
    yield train("few bins", "mixed", {"n_estimators": 10, "max_bin": 16, "grow_policy": "lossguide", "max_leaves": 9})


stopped, stopping = early_stopped()
golden = {"imports": [*imports(), stopped], "trainings": [*trainings(), stopping]}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, separators=(",", ":"), allow_nan=False) + "\n")
print(path, path.stat().st_size)
