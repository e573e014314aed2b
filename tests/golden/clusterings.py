"""Writes one file per deterministic clustering with the labels that scikit-learn gives the training rows.

Made with scikit-learn 1.9.1, scipy 1.17.1 and numpy 2.4.6:

    python tests/golden/clusterings.py [algorithm ...]
"""

import sys

import numpy as np
from sklearn import cluster
from sklearn.cluster._hdbscan import hdbscan as hdbscan_module
from sklearn.cluster._hdbscan._linkage import make_single_linkage
from sklearn.datasets import make_blobs, make_moons

from cases import load, sample, write


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
    weighted = {} if weight is None else {"sample_weight": weight}
    fitted = model(**params).fit(x, **weighted)
    if "random_state" in fitted.get_params():
        # Its noise parts equal rows and decides nothing else.
        for seed in range(5):
            assert (model(**params, random_state=seed).fit(x).labels_ == fitted.labels_).all()
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


def birch():
    return [
        *[(data, {"n_clusters": k, "threshold": t}) for data, k, t in [(IRIS, 3, 0.5), (IRIS, 5, 0.2), (WINE, 3, 20.0), (UNIT_WINE, 3, 1.0), (DIGITS, 10, 12.0), (BLOBS, 5, 0.5), (MOONS, 4, 0.1), (BADLY_SCALED, 4, 1000.0)]],
        (DIGITS, {"n_clusters": 10, "threshold": 8.0, "branching_factor": 7}),
        (BLOBS, {"n_clusters": 5, "threshold": 0.3, "branching_factor": 3}),
        (TWINS, {"n_clusters": 4, "threshold": 0.4}),
        (IRIS, {"n_clusters": None, "threshold": 0.7}),
        (IRIS, {}),
    ]


def affinity_propagation():
    return [
        *[(data, {}) for data in (IRIS, UNIT_WINE, BLOBS, MOONS)],
        (BADLY_SCALED, {"damping": 0.9, "max_iter": 2000}),
        (DIGITS, {"max_iter": 1000}),
        (WINE, {"damping": 0.9, "max_iter": 500}),
        (IRIS, {"preference": -50.0}),
        (UNIT_WINE, {"preference": -300.0, "damping": 0.7}),
        (BLOBS, {"convergence_iter": 5, "preference": -40.0, "damping": 0.6}),
    ]


def mean_shift():
    return [
        *[(data, {}) for data in (IRIS, UNIT_WINE, WINE, BLOBS, MOONS, BADLY_SCALED, TWINS)],
        (IRIS, {"bandwidth": 0.8}),
        (BLOBS, {"bandwidth": 1.5, "cluster_all": False}),
        (BLOBS, {"bandwidth": 1.5, "bin_seeding": True}),
        (BLOBS, {"bandwidth": 1.5, "bin_seeding": True, "min_bin_freq": 4, "cluster_all": False}),
        (BLOBS, {"bandwidth": 2.5, "seeds": [[0.0, 0.0], [6.0, 1.0], [2.0, 7.0]]}),
        (DIGITS, {"bandwidth": 30.0}),
        (MOONS, {"bandwidth": 0.4, "max_iter": 3}),
    ]


WEIGHTED = IRIS | {"weight_cycle": 3}


def dbscan():
    return [
        *[(data, {"eps": eps, "min_samples": k}) for data, eps, k in [(IRIS, 0.5, 5), (IRIS, 0.3, 4), (UNIT_WINE, 2.3, 6), (WINE, 40.0, 5), (DIGITS, 20.0, 5), (BLOBS, 0.6, 5), (BLOBS, 1.0, 12), (MOONS, 0.2, 5), (TWINS, 1.0, 6), (BADLY_SCALED, 2e5, 5)]],
        (WEIGHTED, {"eps": 0.3, "min_samples": 10}),
        (BLOBS, {"eps": 0.8, "metric": "manhattan"}),
        (BLOBS, {"eps": 0.5, "metric": "chebyshev"}),
        (BLOBS, {"eps": 0.6, "metric": "minkowski", "p": 3.0}),
        (BLOBS, {"eps": 0.001, "metric": "cosine", "min_samples": 8}),
        (MOONS, {"eps": 0.01}),
        (IRIS, {}),
    ]


def stable_process_mst(edges):
    """As scikit-learn's, but of equally long edges the one found first comes first.

    numpy's default sort is not stable and leaves their order open, and the labels of a few rows depend on it.
    """
    return make_single_linkage(edges[np.argsort(edges["distance"], kind="stable")])


def hdbscan():
    hdbscan_module._process_mst = stable_process_mst
    return [
        *[(data, {}) for data in (IRIS, UNIT_WINE, WINE, DIGITS, BLOBS, MOONS, BADLY_SCALED)],
        (IRIS, {"min_cluster_size": 15, "min_samples": 3}),
        (DIGITS, {"min_cluster_size": 8, "min_samples": 2}),
        (BLOBS, {"min_cluster_size": 10, "cluster_selection_method": "leaf"}),
        # scikit-learn 1.9.1 with numpy 2.4 fails where an epsilon makes it look for parents; here it parts nothing.
        (MOONS, {"cluster_selection_method": "leaf", "cluster_selection_epsilon": 1e-3}),
        (MOONS, {"cluster_selection_method": "leaf", "min_cluster_size": 3, "min_samples": 2}),
        (BLOBS, {"max_cluster_size": 50}),
        (UNIT_WINE, {"allow_single_cluster": True, "min_cluster_size": 20}),
        (UNIT_WINE, {"allow_single_cluster": True, "min_cluster_size": 60, "cluster_selection_epsilon": 2.5}),
        (BLOBS, {"metric": "manhattan", "alpha": 0.7}),
        (BLOBS, {"metric": "chebyshev", "min_samples": 8}),
        (BLOBS, {"metric": "cosine", "min_cluster_size": 12}),
    ]


def optics():
    return [
        *[(data, {}) for data in (IRIS, UNIT_WINE, WINE, DIGITS, BLOBS, MOONS, BADLY_SCALED, TWINS)],
        (BLOBS, {"min_samples": 10, "xi": 0.1, "min_cluster_size": 0.1}),
        (BLOBS, {"min_samples": 0.05, "predecessor_correction": False}),
        (MOONS, {"max_eps": 0.2}),
        (IRIS, {"cluster_method": "dbscan", "eps": 0.5}),
        (BLOBS, {"cluster_method": "dbscan", "max_eps": 1.0, "min_samples": 8}),
        (BLOBS, {"metric": "manhattan", "xi": 0.02}),
        (BLOBS, {"p": 3.0}),
        (BLOBS, {"p": 1.0, "min_samples": 12}),
        (BLOBS, {"metric": "cosine", "min_samples": 20}),
    ]


def pooled(data, params):
    """Agglomeration of features: components in the order of the first feature of each."""
    x, _, _ = load(data)
    pool = {"mean": np.mean, "max": np.max, "min": np.min}[params.get("pooling_func", "mean")]
    model = cluster.FeatureAgglomeration(**(params | {"pooling_func": pool})).fit(x)
    order = list(dict.fromkeys(model.labels_.tolist()))
    return {
        "name": f"FeatureAgglomeration({params}) on {data['builtin']} {x.shape}",
        "algorithm": "feature_agglomeration",
        "task": "decomposition",
        "params": params,
        "data": data,
        "expected": {"components": model.transform(x[sample(len(x))])[:, order].tolist()},
    }


def feature_agglomeration():
    cancer = {"builtin": "breast_cancer"}
    return [
        (IRIS, {}),
        (WINE, {"n_clusters": 5}),
        (UNIT_WINE, {"n_clusters": 4, "linkage": "average", "metric": "cosine"}),
        (cancer, {"n_clusters": 6, "linkage": "complete"}),
        (cancer, {"n_clusters": 4, "linkage": "single", "metric": "manhattan"}),
        (IRIS, {"n_clusters": None, "distance_threshold": 30.0, "pooling_func": "max"}),
        (WINE | {"rows": 8}, {"n_clusters": 3, "pooling_func": "min"}),
    ]


ALL = {
    "affinity_propagation": (cluster.AffinityPropagation, affinity_propagation),
    "agglomerative": (cluster.AgglomerativeClustering, agglomerative),
    "birch": (cluster.Birch, birch),
    "dbscan": (cluster.DBSCAN, dbscan),
    "feature_agglomeration": (None, feature_agglomeration),
    "hdbscan": (cluster.HDBSCAN, hdbscan),
    "mean_shift": (cluster.MeanShift, mean_shift),
    "optics": (cluster.OPTICS, optics),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        model, cases = ALL[name]
        make = pooled if model is None else lambda data, params: case(name, model, data, params)
        write(name, [make(data, params) for data, params in cases()])
