"""Training with XGBoost in Python on the rows of a table, one thread.

Arguments: connection, number of trees.
"""

import sys

import xgboost as xgb
from peer import copy_binary, feature_list, serve, timed

connection, n_trees = sys.argv[1], int(sys.argv[2])
N_FEATURES = 28
QUERY = f"SELECT {feature_list(N_FEATURES)}, target FROM higgs"


def train():
    """Seconds to get the rows into numpy, to construct the library's matrix, and to train."""
    result = {}
    with timed(result, "copy"):
        rows = copy_binary(connection, QUERY, N_FEATURES + 1)
        x, y = rows[:, :-1], rows[:, -1]
    with timed(result, "construct"):
        data = xgb.QuantileDMatrix(x, y, nthread=1)
    with timed(result, "train"):
        xgb.train({"max_depth": 6, "nthread": 1, "objective": "binary:logistic"}, data, n_trees)
    return result


serve({"train": train})
