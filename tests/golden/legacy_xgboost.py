"""Writes legacy_xgboost.json: models in the binary format that XGBoost wrote until 3.0, the same models as its JSON, and
what it predicts.

xgboost-cpu==2.1.4
numpy==2.4.6
"""

import json
import sys

import numpy as np
import xgboost as xgb

assert xgb.__version__ == "2.1.4", xgb.__version__


def case(params, labels, rounds):
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(120, 3)).astype(np.float32)
    target = labels(rows).astype(np.float32)
    rows[::9, 1] = np.nan
    booster = xgb.train({"max_depth": 2, "eta": 0.4, "nthread": 1, **params}, xgb.DMatrix(rows, target), rounds)
    some = rows[:6]
    predicted = booster.predict(xgb.DMatrix(some))
    return {
        "objective": params["objective"],
        "binary": bytes(booster.save_raw("deprecated")).hex(),
        "json": json.loads(booster.save_raw("json").decode()),
        "rows": [[None if np.isnan(x) else float(x) for x in row] for row in some],
        "predictions": np.asarray(predicted, dtype=np.float64).tolist(),
    }


def number(rows):
    return rows[:, 0] * 2 + np.where(rows[:, 1] > 0, 1, -1)


def classes(rows):
    return np.digitize(rows[:, 0] + rows[:, 2], [-0.7, 0.7])


cases = {
    "regression": case({"objective": "reg:squarederror", "base_score": 0.5}, number, 4),
    "pruned": case({"objective": "reg:squarederror", "base_score": 0.5, "gamma": 20.0, "tree_method": "exact",
                    "max_depth": 3}, number, 3),
    "classification": case({"objective": "multi:softprob", "num_class": 3}, classes, 2),
    "binary": case({"objective": "binary:logistic", "base_score": 0.3}, lambda rows: number(rows) > 0, 3),
    "dart": case({"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5, "seed": 3}, number, 4),
}
json.dump(cases, sys.stdout, separators=(",", ":"))
print()
