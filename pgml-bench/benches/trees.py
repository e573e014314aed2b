"""XGBoost's own prediction on the models of trees.rs, one thread: rows per second and microseconds for one row.

xgboost-cpu 3.2.0, numpy 2.4.6.
"""

import time

import numpy as np
import xgboost as xgb


def rows(n_rows, n_features):
    state, out = 1, np.empty(n_rows * n_features)
    for i in range(out.size):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = (state >> 40) / 2**24
    return out.reshape(n_rows, n_features)


def median_time(work, times):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[times // 2]


for n_trees, n_features in [(25, 10), (100, 28)]:
    x = rows(20_000, n_features)
    y = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(10 * x[:, 3]) + x[:, 4] * x[:, 5]
    booster = xgb.train({"max_depth": 6, "nthread": 1}, xgb.QuantileDMatrix(x, y, nthread=1), n_trees)
    x32 = x.astype(np.float32)
    for name, data in [("f64", x), ("f32", x32)]:
        batch = median_time(lambda: booster.inplace_predict(data), 15)
        one = median_time(lambda: booster.inplace_predict(data[:1]), 500)
        print(f"{n_trees} trees x {n_features} features, {name}: batch {len(x) / batch / 1e6:.2f} M rows/s, "
              f"one row {one * 1e6:.0f} us")
