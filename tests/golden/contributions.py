"""Writes `contributions.json`: what features add to predictions, as XGBoost and LightGBM say themselves.

Made with xgboost 3.2.0, lightgbm 4.7.0, scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/contributions.py

Each case holds the model as its library saved it, rows with missing values, and per row and class one contribution per
feature and the base, in the unit of the margin.
"""

import json
import pathlib

import lightgbm
import numpy as np
import xgboost
from sklearn import datasets

assert (xgboost.__version__, lightgbm.__version__, np.__version__) == ("3.2.0", "4.7.0", "2.4.6")
HERE = pathlib.Path(__file__).resolve().parent


def load(name):
    bunch = getattr(datasets, f"load_{name}")()
    x = bunch.data.astype(np.float32)[:, :8].copy()
    x[::7, 2] = np.nan
    return x, bunch.target


def cases():
    for name, objective, n_classes in (
        ("diabetes", "reg:squarederror", 0),
        ("breast_cancer", "binary:logistic", 2),
        ("wine", "multi:softprob", 3),
    ):
        x, y = load(name)
        params = {"objective": objective, "max_depth": 4, "eta": 0.3, "seed": 1}
        if n_classes > 2:
            params["num_class"] = n_classes
        booster = xgboost.train(params, xgboost.DMatrix(x, y), 8)
        rows = x[:40:4]
        contributions = booster.predict(xgboost.DMatrix(rows), pred_contribs=True)
        yield {
            "name": f"xgboost {name}",
            "algorithm": "xgboost",
            "model": booster.save_raw("json").decode(),
            "rows": rows,
            "contributions": contributions.reshape(len(rows), -1, x.shape[1] + 1),
        }
    for name, objective, n_classes in (
        ("diabetes", "regression", 0),
        ("breast_cancer", "binary", 2),
        ("wine", "multiclass", 3),
    ):
        x, y = load(name)
        params = {"objective": objective, "num_leaves": 8, "verbose": -1, "seed": 1, "num_threads": 1}
        if n_classes > 2:
            params["num_class"] = n_classes
        booster = lightgbm.train(params, lightgbm.Dataset(x, y), 8)
        rows = x[:40:4]
        contributions = booster.predict(rows, pred_contrib=True)
        yield {
            "name": f"lightgbm {name}",
            "algorithm": "lightgbm",
            "model": booster.model_to_string(),
            "rows": rows,
            "contributions": np.asarray(contributions).reshape(len(rows), -1, x.shape[1] + 1),
        }


def plain(value):
    if isinstance(value, np.ndarray):
        return json.loads(json.dumps(value.astype(float).tolist()).replace("NaN", "null"))
    return value


path = HERE / "contributions.json"
path.write_text("[\n" + ",\n".join(json.dumps({k: plain(v) for k, v in case.items()}) for case in cases()) + "\n]\n")
assert path.stat().st_size < 300_000, path.stat().st_size
print(path.name, path.stat().st_size, "bytes")
