"""scikit-learn's times for what `benches/forest.rs` measures: data of the same distribution, `n_jobs=1`."""

import time

import numpy as np
import sklearn
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (20_000, 28)).astype(np.float32)
y = x[:, 0] + x[:, 1] * x[:, 2] + x[:, 3] ** 2 - 0.5 * x[:, 4] + 0.5 * x[:, 5] * x[:, 6] + rng.uniform(-0.5, 0.5, 20_000)
print("scikit-learn", sklearn.__version__)
for model, target in [(RandomForestClassifier(n_jobs=1), y > 0.3), (RandomForestRegressor(n_jobs=1), y)]:
    start = time.perf_counter()
    model.fit(x, target)
    fitted = time.perf_counter()
    model.predict(x)
    print(type(model).__name__, f"fit {fitted - start:.2f} s, predict {time.perf_counter() - fitted:.3f} s")
