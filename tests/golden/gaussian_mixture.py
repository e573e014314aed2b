"""Writes `gaussian_mixture.json`: scikit-learn's Gaussian mixtures from given distributions, and the mean likelihood over
seeds of each random start.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/gaussian_mixture.py
"""

import warnings

import numpy as np
from sklearn.mixture import GaussianMixture

from cases import load, sample, write

warnings.simplefilter("ignore")
SEEDS = 10
rng = np.random.default_rng(7)
blobs = np.concatenate([rng.normal(size=(40, 3)) * [1, 0.2, 3] + c for c in ([0, 0, 0], [5, 1, 0], [0, -3, 10])])
GROUPS = np.repeat(np.eye(3), (40, 60, 20), axis=0)[rng.permutation(120)]
BLOBS = {"inline": np.round(blobs, 4).tolist()}
ONE_HOT = {"inline": np.round(np.column_stack([GROUPS, blobs[:, :2], blobs[:, 0] + blobs[:, 1], np.full(120, 4.0)]), 4).tolist()}
IRIS, WINE, CANCER = ({"builtin": name} for name in ("iris", "wine", "breast_cancer"))
DIABETES = {"builtin": "diabetes", "scale": [10.0**k for k in (-3, 2, 0, 3, -1, 1, 2, -2, 0, 3)]}
cases = []


def significant(values):
    return np.array([float(f"{v:.6g}") for v in np.ravel(values)]).reshape(np.shape(values))


def start(x, k, kind):
    means = significant(x[:: len(x) // k][:k])
    precisions = 1 / (x.var(axis=0) + 1e-3)
    shaped = {
        "full": np.stack([np.diag(precisions)] * k),
        "tied": np.diag(precisions),
        "diag": np.stack([precisions] * k),
        "spherical": np.full(k, precisions.mean()),
    }[kind]
    return {
        "weights_init": np.full(k, 1 / k).round(12).tolist(),
        "means_init": means.tolist(),
        "precisions_init": significant(shaped).tolist(),
    }


def add(data, k, seeds=False, **params):
    x, _, _ = load(data)
    params = {"n_components": k} | params
    expected = {}
    given = start(x, k, params.get("covariance_type", "full")) if not seeds else {}
    if seeds:
        bounds = [GaussianMixture(**params, random_state=seed).fit(x).lower_bound_ for seed in range(SEEDS)]
        expected = {"seeded_mean": np.mean(bounds), "seeded_error": np.std(bounds, ddof=1) / np.sqrt(SEEDS)}
    else:
        arrays = {key: np.array(value) for key, value in given.items()}
        model = GaussianMixture(**params, **arrays).fit(x)
        expected = {
            "weights": model.weights_.tolist(),
            "means": model.means_.tolist(),
            "covariances": model.covariances_.tolist(),
            "lower_bound": model.lower_bound_,
            "predictions": model.predict(x[sample(len(x))]).tolist(),
        }
    cases.append(
        {
            "name": f"GaussianMixture({params}) on {data.get('builtin', 'inline')} {x.shape}",
            "algorithm": "gaussian_mixture",
            "task": "clustering",
            "params": params | given,
            "data": data,
            "expected": expected | {"seeded": seeds},
        }
    )


for kind in ("full", "tied", "diag", "spherical"):
    add(IRIS, 3, covariance_type=kind)
    add(BLOBS, 3, covariance_type=kind, tol=1e-9, max_iter=1000)
    add(WINE, 2, covariance_type=kind, max_iter=20)
    add(DIABETES, 2, covariance_type=kind, reg_covar=1e-3)
    add(ONE_HOT, 2, covariance_type=kind, reg_covar=1e-2)
    add(IRIS, 3, True, covariance_type=kind)
add(CANCER, 2, covariance_type="diag")
add(CANCER, 2, covariance_type="tied", tol=1e-6)
for method in ("k-means++", "random", "random_from_data"):
    add(IRIS, 3, True, init_params=method, n_init=3)
    add(BLOBS, 4, True, init_params=method, covariance_type="diag")
write("gaussian_mixture", cases)
