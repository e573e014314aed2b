"""Writes `naive_bayes.json`: scikit-learn's naive Bayes classifiers.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/naive_bayes.py
"""

import numpy as np
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB

from cases import load, sample, write

rng = np.random.default_rng(5)
counts = rng.poisson(rng.uniform(0.2, 3, size=(3, 12))[np.arange(60) % 3])
WORDS = {"inline": counts.tolist(), "targets": [(np.arange(60) % 3).tolist()]}
REPEATED = {"inline": np.repeat(counts[:9], 3, axis=0).tolist(), "targets": [np.repeat(np.arange(9) % 3, 3).tolist()]}
UNEQUAL = {"inline": counts.tolist(), "targets": [(np.arange(60) % 20 == 0).astype(int).tolist()]}
ONE_HOT = {"inline": np.eye(4)[np.arange(20) % 4].tolist(), "targets": [(np.arange(20) % 4 % 3).tolist()]}
IRIS, WINE, CANCER = {"builtin": "iris"}, {"builtin": "wine"}, {"builtin": "breast_cancer"}
TWO_IRISES = {"builtin": "iris", "rows": 100}
CANCER_WEIGHTED = {"builtin": "breast_cancer", "weight_cycle": 4}
SCALED = {"builtin": "wine", "scale": [10.0**k for k in (-6, 5, 0, 3, -4, 1, 2, -2, 6, 0, 1, -1, 2)]}
FAR = {"builtin": "iris", "shift": [-1e6, 0, 1e5, 0]}
DIGITS = {"builtin": "digits", "rows": 400}
DIGITS_WEIGHTED = {"builtin": "digits", "rows": 400, "weight_cycle": 3}
COUNTS = (WORDS, REPEATED, UNEQUAL, ONE_HOT, IRIS, DIGITS, DIGITS_WEIGHTED, CANCER)

CASES = (
    [(GaussianNB, data, {}) for data in (IRIS, WINE, CANCER, CANCER_WEIGHTED, TWO_IRISES, SCALED, FAR, DIGITS, WORDS)]
    + [
        (GaussianNB, IRIS, {"priors": [0.1, 0.2, 0.7]}),
        (GaussianNB, DIGITS_WEIGHTED, {"var_smoothing": 1e-2}),
        (GaussianNB, WINE, {"var_smoothing": 0.0}),
    ]
    + [(MultinomialNB, data, params) for data in COUNTS for params in ({}, {"alpha": 0.1, "fit_prior": False})]
    + [
        (MultinomialNB, WORDS, {"class_prior": [0.5, 0.3, 0.2], "alpha": [0.1 * j for j in range(1, 13)]}),
        (MultinomialNB, DIGITS, {"alpha": 0.0, "force_alpha": False}),
        (MultinomialNB, WORDS, {"alpha": 1e-12}),
    ]
    + [(ComplementNB, data, params) for data in COUNTS for params in ({}, {"alpha": 0.1, "norm": True})]
    + [
        (BernoulliNB, data, params)
        for data in (*COUNTS, WINE)
        for params in ({}, {"alpha": 0.1, "binarize": 2.0, "fit_prior": False})
    ]
    + [
        (BernoulliNB, ONE_HOT, {"binarize": None}),
        (BernoulliNB, DIGITS, {"binarize": 7.5, "class_prior": [0.1] * 10}),
    ]
)


def case(estimator, data, params):
    x, y, weight = load(data)
    model = estimator(**params).fit(x, y[:, 0], sample_weight=weight)
    rows = sample(len(x))
    return {
        "name": f"{estimator.__name__}({params}) on {data.get('builtin', 'inline')} {x.shape}",
        "algorithm": "naive_bayes",
        "task": "classification",
        "params": {"distribution": estimator.__name__[:-2].lower()} | params,
        "data": data,
        "expected": {
            "predictions": model.predict(x[rows]).tolist(),
            "log_probabilities": [float(f"{p:.12g}") for p in model.predict_log_proba(x[rows]).ravel()],
        },
    }


write("naive_bayes", [case(*c) for c in CASES])
