"""Writes `kernel_pca.json`: scikit-learn's kernel principal components.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/kernel_pca.py
"""

import numpy as np
from sklearn.decomposition import KernelPCA

from cases import load, sample, write

rng = np.random.default_rng(11)
WIDE = {"inline": np.round(rng.normal(size=(8, 15)) + 5, 4).tolist()}
base = rng.normal(size=(30, 3))
DEPENDENT = {"inline": np.round(np.column_stack([base, base[:, 0] + base[:, 1], np.full(30, 2.0)]), 4).tolist()}
IRIS, WINE = {"builtin": "iris"}, {"builtin": "wine", "scale": [0.1, 1, 1, 0.2, 0.02, 1, 1, 5, 1, 0.5, 1, 1, 0.001]}
DIABETES = {"builtin": "diabetes", "scale": [0.1, 1, 0.2, 0.1, 0.05, 0.05, 0.1, 1, 2, 0.1]}
DIGITS = {"builtin": "digits", "rows": 400}
CANCER = {"builtin": "breast_cancer", "rows": 150}
cases = []
for data in (IRIS, WINE, DIABETES, DIGITS, CANCER, WIDE, DEPENDENT):
    for params in (
        {"n_components": 3},
        {"n_components": 2, "kernel": "rbf"},
        {"n_components": 4, "kernel": "rbf", "gamma": 0.001, "eigen_solver": "dense"},
        {"n_components": 2, "kernel": "poly", "degree": 2, "coef0": 0.5, "gamma": 0.01},
        {"n_components": 2, "kernel": "poly", "eigen_solver": "arpack"},
        {"n_components": 1, "kernel": "sigmoid", "gamma": 1e-5, "coef0": 0.1},
        {"n_components": 2, "kernel": "cosine"},
        {"kernel": "cosine", "n_components": 3, "remove_zero_eig": True},
    ):
        x, _, _ = load(data)
        # The reference finds all components at once: its iteration stops before the last digits.
        model = KernelPCA(**(params | {"eigen_solver": "dense"})).fit(x)
        gaps = -np.diff(KernelPCA(**(params | {"eigen_solver": "dense", "n_components": params["n_components"] + 1})).fit(x).eigenvalues_)
        if model.eigenvalues_[-1] <= 1e-9 * model.eigenvalues_[0] or gaps.min() <= 1e-6 * model.eigenvalues_[0]:
            print("left out, not unique:", params, data.get("builtin"))
            continue
        cases.append(
            {
                "name": f"KernelPCA({params}) on {data.get('builtin', 'inline')} {x.shape}",
                "algorithm": "kernel_pca",
                "task": "decomposition",
                "params": params,
                "data": data,
                "expected": {
                    "eigenvalues": model.eigenvalues_.tolist(),
                    "transformed": model.transform(x[sample(len(x))] * 1.01).tolist(),
                },
            }
        )
for data, kernel in ((IRIS, "linear"), (DEPENDENT, "linear"), (WIDE, "rbf")):
    # All that have a variance.
    x, _, _ = load(data)
    model = KernelPCA(kernel=kernel).fit(x)
    cases.append(
        {
            "name": f"KernelPCA(kernel={kernel}) on {data.get('builtin', 'inline')} {x.shape}",
            "algorithm": "kernel_pca",
            "task": "decomposition",
            "params": {"kernel": kernel},
            "data": data,
            "expected": {
                "eigenvalues": model.eigenvalues_.tolist(),
                "transformed": model.transform(x[sample(len(x))] * 1.01).tolist(),
            },
        }
    )
write("kernel_pca", cases)
