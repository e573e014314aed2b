"""Writes `kmeans.json`: scikit-learn's k-means from given centres, and the mean inertia over seeds of k-means++.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/kmeans.py
"""

import numpy as np
from sklearn.cluster import KMeans

from cases import load, sample, write

SEEDS = 10


def case(data, params, n_clusters):
    x, _, weight = load(data)
    # Far outside, the last centre gets no row and must be relocated.
    init = x[:: len(x) // n_clusters][:n_clusters].copy()
    if params.get("outside"):
        init[-1] = x.max(axis=0) * 10
    init = np.round(init, 6)
    more = {k: v for k, v in params.items() if k != "outside"}
    model = KMeans(n_clusters, init=init, n_init=1, **more).fit(x, sample_weight=weight)
    inertias = [KMeans(n_clusters, random_state=seed, **more).fit(x, sample_weight=weight).inertia_ for seed in range(SEEDS)]
    return {
        "name": f"KMeans({n_clusters}, {params}) on {data['builtin']} {x.shape}",
        "algorithm": "kmeans",
        "task": "clustering",
        "params": {"n_clusters": n_clusters, "init": init.tolist()} | more,
        "data": data,
        "expected": {
            "centers": model.cluster_centers_.tolist(),
            "inertia": model.inertia_,
            "predictions": model.predict(x[sample(len(x))]).tolist(),
            "seeded_mean": np.mean(inertias),
            "seeded_error": np.std(inertias, ddof=1) / np.sqrt(SEEDS),
        },
    }


IRIS, WINE, DIGITS = {"builtin": "iris"}, {"builtin": "wine"}, {"builtin": "digits"}
DIABETES = {"builtin": "diabetes", "weight_cycle": 5}
write(
    "kmeans",
    [
        case(IRIS, {}, 3),
        case(IRIS, {"outside": True}, 8),
        case(WINE, {"tol": 0.0}, 3),
        case(WINE, {"max_iter": 2}, 5),
        case(DIABETES, {}, 6),
        case(DIGITS, {}, 10),
    ],
)
