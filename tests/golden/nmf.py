"""Writes `nmf.json`: scikit-learn's non-negative matrix factorisation from singular vectors, the coordinates of rows
transformed one by one, and the mean error over seeds of random starts.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/nmf.py
"""

import warnings

import numpy as np
from sklearn.decomposition import NMF

from cases import load, sample, write

warnings.simplefilter("ignore")
SEEDS = 10
rng = np.random.default_rng(5)
WIDE = {"inline": np.round(rng.gamma(1.0, size=(8, 15)), 4).tolist()}
GROUPS = np.repeat(np.eye(3), (6, 4, 2), axis=0)[rng.permutation(12)]
ONE_HOT = {"inline": np.column_stack([GROUPS, np.full(12, 3.0), np.round(rng.gamma(2.0, size=12), 4)]).tolist()}
IRIS, WINE, CANCER = ({"builtin": name} for name in ("iris", "wine", "breast_cancer"))
DIGITS = {"builtin": "digits", "rows": 300}
cases = []


def add(data, seeded=False, **params):
    x, _, _ = load(data)
    model = NMF(random_state=0, **params).fit(x)
    errors = [NMF(init="random", random_state=s, **params).fit(x).reconstruction_err_ for s in range(SEEDS)] if seeded else [0, 0]
    rows = x[sample(len(x))]
    cases.append(
        {
            "name": f"NMF({params}) on {data.get('builtin', 'inline')} {x.shape}",
            "algorithm": "nmf",
            "task": "decomposition",
            "params": params,
            "data": data,
            "expected": {
                "components": model.components_.tolist(),
                "error": model.reconstruction_err_,
                "transformed": [model.transform(row[None])[0].tolist() for row in rows],
                "seeded": seeded,
                "seeded_mean": np.mean(errors),
                "seeded_error": np.std(errors, ddof=1) / np.sqrt(SEEDS),
            },
        }
    )


for data in (IRIS, WINE, CANCER, WIDE, ONE_HOT):
    add(data, n_components=3)
    add(data, n_components=2, init="nndsvd", tol=1e-6, max_iter=1000)
    add(data, n_components=3, alpha_W=0.01, alpha_H=0.02, l1_ratio=0.3)
    add(data, n_components=2, solver="mu")
    add(data, n_components=3, solver="mu", beta_loss="kullback-leibler", max_iter=100)
    add(data, n_components=2, solver="mu", beta_loss=1.5, alpha_W=0.001, l1_ratio=0.5, tol=1e-5)
    add(data, n_components=2, solver="mu", beta_loss=0.5, max_iter=60)
add(IRIS, n_components=2, solver="mu", beta_loss="itakura-saito")
add(WINE, n_components=2, solver="mu", beta_loss=3)
add(IRIS)
add(IRIS, seeded=True, n_components=2)
add(WINE, seeded=True, n_components=3, solver="mu", beta_loss="kullback-leibler")
add(DIGITS, seeded=True, n_components=4)
write("nmf", cases)
