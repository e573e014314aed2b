"""Writes one file per deterministic clustering with the labels that scikit-learn gives the training rows.

Made with scikit-learn 1.9.1, scipy 1.17.1 and numpy 2.4.6:

    python tests/golden/clusterings.py [algorithm ...]
"""

import sys

import numpy as np
from sklearn import cluster
from sklearn.datasets import make_blobs, make_moons

from cases import load, write


def rounded(x):
    return {"inline": np.round(x, 3).tolist()}


def blobs_with_noise():
    """Three blobs of different density in a cloud of uniform noise."""
    x, _ = make_blobs([80, 60, 40], centers=[[0, 0], [6, 1], [2, 7]], cluster_std=[0.4, 0.8, 1.2], random_state=3)
    noise = np.random.default_rng(4).uniform(-5, 11, size=(30, 2))
    return np.vstack([x, noise])


def duplicates():
    """Forty rows, most of them twice or more often, on a coarse grid that makes distances equal."""
    x = np.random.default_rng(5).integers(0, 4, size=(40, 3)).astype(float)
    return np.vstack([x, x[:25], x[:5]])


def moons():
    return make_moons(150, noise=0.06, random_state=6)[0]


IRIS, WINE, DIGITS = {"builtin": "iris"}, {"builtin": "wine"}, {"builtin": "digits", "rows": 400}
UNIT_WINE = WINE | {"scale": (1 / load(WINE)[0].std(axis=0)).round(6).tolist()}
BADLY_SCALED = IRIS | {"scale": [1e6, 1.0, 1e-6, 1000.0]}
BLOBS, TWINS, MOONS = rounded(blobs_with_noise()), rounded(duplicates()), rounded(moons())


def case(algorithm, model, data, params):
    x, _, weight = load(data)
    if "bin_seeding" in params or algorithm != "dbscan":
        weight = None
    fitted = model(**params).fit(x, sample_weight=weight) if weight is not None else model(**params).fit(x)
    where = data.get("builtin", "inline")
    found = len(set(fitted.labels_) - {-1})
    print(f"{algorithm} {params} on {where} {x.shape}: {found} clusters, {np.sum(fitted.labels_ == -1)} noise")
    return {
        "name": f"{model.__name__}({params}) on {where} {x.shape}",
        "algorithm": algorithm,
        "task": "clustering",
        "params": params,
        "data": data,
        "expected": {"labels": fitted.labels_.tolist()},
    }


def agglomerative():
    linkages = [{"linkage": linkage} for linkage in ("ward", "complete", "average", "single")]
    return [
        *[(data, {"n_clusters": k} | linkage) for linkage in linkages for data, k in [(IRIS, 3), (UNIT_WINE, 3), (DIGITS, 10), (BLOBS, 5), (TWINS, 6), (WINE, 4), (BADLY_SCALED, 4), (MOONS, 2)]],
        *[(IRIS, {"n_clusters": None, "distance_threshold": 1.2} | linkage) for linkage in linkages],
        *[(BLOBS, {"n_clusters": 6, "metric": metric, "linkage": linkage}) for metric in ("manhattan", "chebyshev", "cosine") for linkage in ("average", "complete", "single") if (metric, linkage) != ("chebyshev", "single")],
    ]


ALL = {
    "agglomerative": (cluster.AgglomerativeClustering, agglomerative),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        model, cases = ALL[name]
        write(name, [case(name, model, data, params) for data, params in cases()])
