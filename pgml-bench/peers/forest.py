"""A random forest with scikit-learn, one job, and its accuracy on rows held out.

Arguments: connection.
"""

import sys

from peer import copy_binary, feature_list, serve, timed
from sklearn.ensemble import RandomForestClassifier

connection = sys.argv[1]
N_FEATURES = 28


def rows(table):
    matrix = copy_binary(connection, f"SELECT {feature_list(N_FEATURES)}, target FROM {table}", N_FEATURES + 1)
    return matrix[:, :-1], matrix[:, -1]


x, y = rows("forest_rows")
x_test, y_test = rows("forest_test")


def fit():
    result = {}
    forest = RandomForestClassifier(n_estimators=100, n_jobs=1, random_state=0)
    with timed(result, "seconds"):
        forest.fit(x, y)
    result["accuracy"] = forest.score(x_test, y_test)
    return result


serve({"fit": fit})
