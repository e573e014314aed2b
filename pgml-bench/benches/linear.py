"""scikit-learn's times for what `benches/linear.rs` measures: the least of seven, with `OMP_NUM_THREADS=1` and
`OPENBLAS_NUM_THREADS=1`."""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import time

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (100_000, 28))
y = x[:, 0] + x[:, 1] - 0.5 * x[:, 2] + x[:, 3] * x[:, 4] + rng.uniform(-0.5, 0.5, 100_000)
digits = load_digits()
print("scikit-learn", sklearn.__version__)
for model, rows, target in [
    (LinearRegression(), x, y),
    (LogisticRegression(), x, y > 0.3),
    (KMeans(10, max_iter=30, random_state=0), x, None),
    (PCA(10), x, None),
    (SVC(), digits.data[:1347], digits.target[:1347]),
]:
    times = []
    for _ in range(7):
        start = time.perf_counter()
        model.fit(rows, target)
        times.append(time.perf_counter() - start)
    print(type(model).__name__, f"{1e3 * min(times):.1f} ms", getattr(model, "n_iter_", ""))
