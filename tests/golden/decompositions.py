"""Writes `decompositions.json`: scikit-learn's truncated SVD, incremental PCA, factor analysis and FastICA.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/decompositions.py
"""

import warnings

import numpy as np
from sklearn.decomposition import FactorAnalysis, FastICA, IncrementalPCA, TruncatedSVD

from cases import load, sample, write

warnings.simplefilter("error")
rng = np.random.default_rng(3)
WIDE = {"inline": np.round(rng.normal(size=(8, 15)) + 5, 4).tolist()}
base = rng.normal(size=(30, 3))
DEPENDENT = {"inline": np.round(np.column_stack([base, base[:, 0] + base[:, 1], np.full(30, 2.0)]), 4).tolist()}
signals = np.column_stack([np.sin(np.arange(200) * 0.31), np.sign(np.sin(np.arange(200) * 0.17)), rng.laplace(size=200)])
MIXED = {"inline": np.round(signals @ np.array([[1, 1, 1], [0.5, 2, 1.0], [1.5, 1.0, 2.0]]).T, 5).tolist()}
GROUPS = np.repeat(np.eye(3), (6, 4, 2), axis=0)[rng.permutation(12)]
ONE_HOT = {"inline": np.column_stack([GROUPS, np.round(rng.normal(size=12), 4)]).tolist()}
IRIS, WINE, CANCER, DIGITS = ({"builtin": name} for name in ("iris", "wine", "breast_cancer", "digits"))
DIABETES = {"builtin": "diabetes", "scale": [10.0**k for k in (-3, 2, 0, 3, -1, 1, 2, -2, 0, 3)]}
UNITS = {"builtin": "diabetes", "scale": [0.1, 1, 0.2, 0.1, 0.05, 0.05, 0.1, 1, 2, 0.1]}
cases = []


def transform(model, x):
    """Coordinates of rows. Factors are solved for in extended precision: with noise variances of 1e-12, scikit-learn's
    inverse in double precision is right to four digits."""
    if not isinstance(model, FactorAnalysis):
        return model.transform(x)
    w, psi = model.components_.astype(np.longdouble), model.noise_variance_.astype(np.longdouble)
    left = np.column_stack([np.eye(len(w)) + (w / psi) @ w.T, (w / psi) @ (x.astype(np.longdouble) - model.mean_).T])
    for i in range(len(w)):
        left[i] /= left[i, i]
        for other in range(len(w)):
            if other != i:
                left[other] -= left[other, i] * left[i]
    return left[:, len(w) :].T.astype(float)


def add(name, model, params, data, signs=False, **expected):
    x, _, _ = load(data)
    model.fit(x)
    cases.append(
        {
            "name": f"{name}({', '.join(params)}) on {data.get('builtin', 'inline')} {x.shape}",
            "algorithm": name,
            "task": "decomposition",
            "params": params,
            "data": data,
            "expected": {"transformed": transform(model, x[sample(len(x))]).tolist(), "any_sign": signs}
            | {key: getattr(model, attribute).tolist() for key, attribute in expected.items()},
        }
    )
    return model


for data in (IRIS, WINE, DIABETES, CANCER, DIGITS, WIDE, DEPENDENT, ONE_HOT):
    ratios = {"explained_variance_ratio": "explained_variance_ratio_", "components": "components_"}
    for k in (2, 3):
        # ARPACK to its last bit; the randomized solver approximates the same.
        add("truncated_svd", TruncatedSVD(k, algorithm="arpack", random_state=0), {"n_components": k}, data, **ratios)
    for params in ({"n_components": 2}, {"n_components": 3, "whiten": True, "batch_size": 7}, {"batch_size": 16}):
        if data in (DIGITS, CANCER) and "n_components" not in params:
            params = params | {"n_components": 4}
        if data in (DEPENDENT, ONE_HOT) and "n_components" not in params:
            # Components without variance point anywhere.
            params = params | {"n_components": 3}
        if data is WIDE and "batch_size" in params:
            params = params | {"batch_size": 5, "n_components": 3}
        add("incremental_pca", IncrementalPCA(**params), params, data, **ratios)

for data in (IRIS, WINE, UNITS, DIABETES, CANCER):
    for params in (
        {"n_components": 2},
        {"n_components": 3, "rotation": "varimax"},
        {"n_components": 2, "rotation": "quartimax", "tol": 1e-4},
        {"n_components": 1, "max_iter": 5, "tol": 0.0},
    ):
        if data is IRIS and params["n_components"] == 3 or data is CANCER and params.get("tol"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attributes = {"components": "components_", "noise_variance": "noise_variance_"}
            add("factor_analysis", FactorAnalysis(svd_method="lapack", **params), params, data, True, **attributes)

for data, k in ((MIXED, 3), (IRIS, 3), (WINE, 2), (UNITS, 4), (DIABETES, 3)):
    first = np.round(rng.normal(size=(k, k)), 6)
    for params in (
        {},
        {"algorithm": "deflation"},
        {"fun": "exp", "whiten": "arbitrary-variance"},
        {"fun": "cube", "whiten_solver": "eigh"},
        {"fun_args": {"alpha": 1.5}},
    ):
        params = params | {"n_components": k, "tol": 1e-14, "max_iter": 5000, "w_init": first.tolist()}
        model = FastICA(**(params | {"w_init": first}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, _, _ = load(data)
            model.fit(x)
        if model.n_iter_ < 4000:
            add("fast_ica", model, params, data, True, components="components_", mean="mean_")
        else:
            print("does not converge:", data.get("builtin"), params["n_components"], [*params][:2])
write("decompositions", cases)
