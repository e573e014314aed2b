"""Predictions of one million rows with XGBoost in Python, one thread.

Arguments: connection, file to save the model to.
"""

import sys

import numpy as np
import xgboost as xgb
from peer import copy_binary, feature_list, fetchall, serve, timed

connection, model_file = sys.argv[1:]
N_FEATURES = 28
QUERY = f"SELECT {feature_list(N_FEATURES)} FROM higgs"


def train():
    rows = copy_binary(connection, f"SELECT {feature_list(N_FEATURES)}, target FROM higgs_sample", N_FEATURES + 1)
    data = xgb.QuantileDMatrix(rows[:, :-1], rows[:, -1], nthread=1)
    booster = xgb.train({"max_depth": 6, "nthread": 1, "objective": "reg:squarederror"}, data, 100)
    booster.save_model(model_file)
    return booster


booster = train()
held = copy_binary(connection, QUERY, N_FEATURES)


def predicted(load):
    result = {}
    with timed(result, "seconds"):
        predictions = booster.inplace_predict(load())
    result["sum"] = float(predictions.sum(dtype=np.float64))
    return result


serve({
    "held": lambda: predicted(lambda: held),
    "copy": lambda: predicted(lambda: copy_binary(connection, QUERY, N_FEATURES)),
    "fetchall": lambda: predicted(lambda: np.array(fetchall(connection, QUERY), np.float32)),
})
