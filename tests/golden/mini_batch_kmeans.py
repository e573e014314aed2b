"""Writes `mini_batch_kmeans.json`: the mean inertia over seeds of scikit-learn's k-means by batches.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/mini_batch_kmeans.py
"""

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from cases import load, write

SEEDS = 10


def case(data, params):
    x, _, weight = load(data)
    inertias = [MiniBatchKMeans(random_state=s, **params).fit(x, sample_weight=weight).inertia_ for s in range(SEEDS)]
    return {
        "name": f"MiniBatchKMeans({params}) on {data['builtin']} {x.shape}",
        "algorithm": "mini_batch_kmeans",
        "task": "clustering",
        "params": params,
        "data": data,
        "expected": {
            "seeded_mean": np.mean(inertias),
            "seeded_error": np.std(inertias, ddof=1) / np.sqrt(SEEDS),
        },
    }


IRIS, WINE, DIGITS = {"builtin": "iris"}, {"builtin": "wine"}, {"builtin": "digits"}
DIABETES = {"builtin": "diabetes", "weight_cycle": 5}
write(
    "mini_batch_kmeans",
    [
        case(IRIS, {"n_clusters": 3}),
        case(IRIS, {"n_clusters": 5, "batch_size": 20}),
        case(WINE, {"n_clusters": 3, "init": "random"}),
        case(WINE, {"n_clusters": 4, "batch_size": 50, "tol": 1e-3}),
        case(DIABETES, {"n_clusters": 6, "batch_size": 100}),
        case(DIGITS, {"n_clusters": 10, "batch_size": 256}),
        case(DIGITS, {"n_clusters": 60, "batch_size": 100, "reassignment_ratio": 0.3, "max_no_improvement": None, "max_iter": 5}),
    ],
)
