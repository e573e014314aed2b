"""Writes `pca.json`: scikit-learn's principal components.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/pca.py
"""

import numpy as np
from sklearn.decomposition import PCA

from cases import load, sample, write

rng = np.random.default_rng(3)
WIDE = {"inline": np.round(rng.normal(size=(8, 15)) + 5, 4).tolist()}
base = rng.normal(size=(30, 3))
DEPENDENT = {"inline": np.round(np.column_stack([base, base[:, 0] + base[:, 1], np.full(30, 2.0)]), 4).tolist()}
SPECS = [
    (data, params)
    for data in (
        {"builtin": "iris"},
        {"builtin": "wine"},
        {"builtin": "diabetes", "scale": [10.0**k for k in (-3, 2, 0, 3, -1, 1, 2, -2, 0, 3)]},
        {"builtin": "breast_cancer"},
        {"builtin": "digits"},
        WIDE,
        DEPENDENT,
    )
    for params in (
        {"n_components": 2},
        {"n_components": 3, "whiten": True},
        {"n_components": 0.9},
        {"n_components": 3, "svd_solver": "full"},
    )
]
SPECS += [({"builtin": name}, {"n_components": "mle"}) for name in ("iris", "wine")]
SPECS += [(data, {"n_components": 4, "svd_solver": "arpack"}) for data in ({"builtin": "digits", "rows": 200}, {"builtin": "iris"})]
cases = []
for data, params in SPECS:
    x, _, _ = load(data)
    # The reference is always the most accurate solver.
    model = PCA(**(params | {"svd_solver": "full"})).fit(x)
    cases.append(
        {
            "name": f"PCA({params}) on {data.get('builtin', 'inline')} {x.shape}",
            "algorithm": "pca",
            "task": "decomposition",
            "params": params,
            "data": data,
            "expected": {
                "components": model.components_.tolist(),
                "ratios": model.explained_variance_ratio_.tolist(),
                "transformed": model.transform(x[sample(len(x))]).tolist(),
            },
        }
    )
write("pca", cases)
