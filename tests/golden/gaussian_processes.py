"""Writes `gaussian_processes.json`: scikit-learn's Gaussian processes, their likelihoods maximised to the last digits.

`likelihood` is that of the maximum. Where a kernel has bounds that hold a number, or is fixed, that shows too.

Made with scikit-learn 1.9.1, numpy 2.4.6 and scipy 1.17.1:

    python tests/golden/gaussian_processes.py
"""

import numpy as np
from cases import load, sample, write
from scipy.optimize import minimize
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, ExpSineSquared, Matern, RationalQuadratic, WhiteKernel


def tight(objective, theta, bounds):
    """The maximum, from scipy's own end on."""
    for _ in range(3):
        found = minimize(objective, theta, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000})
        theta = found.x
    return found.x, found.fun


def unit(data):
    return data | {"scale": [1 / s if s else 1.0 for s in np.round(load(data)[0].std(axis=0), 6)]}


def scaled():
    """Two features of scales 1e-2 and 1e2, a constant and a repeated one, and rows that repeat; two targets."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(50, 2))
    x = np.column_stack([x * [1e-2, 1e2], x[:, 1], np.full(50, 2.0)])
    x = np.vstack([x, x[:10]])
    y = [np.sin(x[:, 2]) + rng.normal(size=60) * 0.1, x[:, 0] * 1e2 + rng.normal(size=60) * 0.1]
    return {"inline": np.round(x, 6).tolist(), "targets": np.round(y, 6).tolist()}


def wave():
    rng = np.random.default_rng(7)
    x = np.sort(rng.uniform(0, 10, size=(60, 1)), axis=0)
    return {"inline": np.round(x, 6).tolist(), "targets": np.round([np.sin(2 * x[:, 0]) + x[:, 0] / 5 + rng.normal(size=60) * 0.1], 6).tolist()}


def wide():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(24, 40))
    y = np.arange(24) % 3
    return {"inline": np.round(x + y[:, None] * (np.arange(40) < 8), 6).tolist(), "targets": [y.tolist()]}


ROWS, IRIS, WINE = unit({"builtin": "diabetes", "rows": 120}), unit({"builtin": "iris"}), unit({"builtin": "wine"})
CANCER = unit({"builtin": "breast_cancer", "rows": 100})
NOISY = ("1.0 * RBF(2.0) + WhiteKernel(0.5)", ConstantKernel(1.0) * RBF(2.0) + WhiteKernel(0.5))
REGRESSIONS = [
    (ROWS, NOISY, {"normalize_y": True}),
    (ROWS, ("constant(1) * rbf([1,1,1,1,1,1,1,1,1,1], (0.1, 20)) + white_noise(0.5)", ConstantKernel(1.0) * RBF([1.0] * 10, (0.1, 20)) + WhiteKernel(0.5)), {"normalize_y": True}),
    (ROWS, ("dot_product(1) + white(1)", DotProduct(1.0) + WhiteKernel(1.0)), {"normalize_y": True}),
    (ROWS, ("matern(2, nu=0.5) + white(1)", Matern(2.0, nu=0.5) + WhiteKernel(1.0)), {"normalize_y": True}),
    (ROWS, ("2 * rbf(1)", ConstantKernel(2.0) * RBF(1.0)), {"alpha": 0.5, "normalize_y": True, "optimizer": None}),
    (scaled(), ("constant(1, 'fixed') * matern(50, nu=2.5) + white(0.1, (1e-3, 0.05))", ConstantKernel(1.0, "fixed") * Matern(50.0, nu=2.5) + WhiteKernel(0.1, (1e-3, 0.05))), {"normalize_y": True}),
    (wave(), ("constant(1) * exp_sine_squared(1, 3.1, periodicity_bounds=(2.9, 3.4)) + 0.5 * matern(2, nu=1.5) + white(0.1)", ConstantKernel(1.0) * ExpSineSquared(1.0, 3.1, periodicity_bounds=(2.9, 3.4)) + ConstantKernel(0.5) * Matern(2.0, nu=1.5) + WhiteKernel(0.1)), {}),
    (wave(), ("rational_quadratic(1, 0.5) + white(0.1)", RationalQuadratic(1.0, 0.5) + WhiteKernel(0.1)), {}),
    (wave(), (None, None), {"alpha": 0.01}),
    ({"builtin": "linnerud"}, ("constant(1) * rbf(30) + white(0.5)", ConstantKernel(1.0) * RBF(30.0) + WhiteKernel(0.5)), {"normalize_y": True, "optimizer": None}),
]
CLASSIFICATIONS = [
    (IRIS, (None, None), {}),
    (WINE, (None, None), {"multi_class": "one_vs_one"}),
    (CANCER, (None, None), {}),
    (CANCER, ("1.0 * RBF(1.0, (0.1, 50))", ConstantKernel(1.0) * RBF(1.0, (0.1, 50))), {}),
    (IRIS, ("constant(2, (0.01, 10)) * matern(1, nu=1.5)", ConstantKernel(2.0, (0.01, 10)) * Matern(1.0, nu=1.5)), {}),
    (WINE, ("dot_product(1, (0.1, 10))", DotProduct(1.0, (0.1, 10))), {}),
    (wide(), ("rbf(5)", RBF(5.0)), {}),
    (wide(), ("rational_quadratic(5, 1, 'fixed')", RationalQuadratic(5.0, 1.0, "fixed")), {"multi_class": "one_vs_one"}),
]
cases = []
for cls, specs in ((GaussianProcessRegressor, REGRESSIONS), (GaussianProcessClassifier, CLASSIFICATIONS)):
    is_class = cls is GaussianProcessClassifier
    for data, (text, kernel), params in specs:
        x, y, _ = load(data)
        y = y[:, 0] if y.shape[1] == 1 else y
        model = cls(kernel=kernel, **({"optimizer": tight} | params)).fit(x, y)
        at = sample(len(x))
        expected = {"predictions": model.predict(x[at]).tolist()}
        if is_class:
            if model.multi_class == "one_vs_rest":
                expected["probabilities"] = model.predict_proba(x[at]).tolist()
        else:
            expected["likelihood"] = float(np.sum(model.log_marginal_likelihood_value_))
        print(cls.__name__, text, getattr(model, "kernel_", None), expected.get("likelihood"))
        given = params | ({"kernel": text} if text else {})
        name = f"{cls.__name__} {data.get('builtin', 'inline')} {given}"
        cases.append({"name": name, "algorithm": "gaussian_process", "task": "classification" if is_class else "regression", "params": given, "data": data, "expected": expected})
write("gaussian_processes", cases)
