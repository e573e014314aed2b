"""Writes the golden files of sparse, Bayesian, robust and generalised linear regressions, by family.

Those that iterate run at their tightest tolerance. Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/regressions.py
"""

import sys
import warnings

import numpy as np
from scipy import optimize
from sklearn.cross_decomposition import PLSRegression
from sklearn.exceptions import ConvergenceWarning
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    GammaRegressor,
    HuberRegressor,
    Lars,
    Lasso,
    LassoLars,
    OrthogonalMatchingPursuit,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.linear_model._huber import _huber_loss_and_gradient

from cases import load, sample, write

warnings.simplefilter("ignore")

rng = np.random.default_rng(11)


def inline(x, y):
    return {"inline": np.round(x, 4).tolist(), "targets": np.round(np.atleast_2d(y), 4).tolist()}


SCALES = [10.0**k for k in (-3, 2, 0, 3, -1, 1, 2, -2, 0, 3)]
WIDE = inline(rng.normal(size=(12, 20)) + 2, rng.normal(size=12))
tall = np.round(rng.normal(size=(40, 4)), 4)
# The last two columns repeat the first; the fourth is constant.
COLLINEAR = inline(
    np.column_stack([tall[:, :3], np.full(40, 3.5), tall[:, 0], 2 * tall[:, 0]]), tall @ [1, -2, 0.5, 0.3]
)
one_hot = np.eye(4)[rng.integers(0, 4, 40)]
ONE_HOT = inline(np.column_stack([one_hot, tall[:, :2]]), one_hot @ [1, 2, 4, 8] + tall[:, 0] + 0.2 * tall[:, 3])
def positive(data):
    y = np.array(data["targets"])
    return data | {"targets": np.round(y - y.min() + 0.5, 4).tolist()}


WIDE_POSITIVE, COLLINEAR_POSITIVE, ONE_HOT_POSITIVE = positive(WIDE), positive(COLLINEAR), positive(ONE_HOT)
SMALL = inline(np.array([[1.0, 2], [2, 1], [3, 5], [4, 3], [5, 8]]), np.array([8.0, 7, 19, 17, 31]))
# Every eighth target is far off.
OUTLIERS = inline(tall, tall @ [1, -2, 0.5, 0.3] + 0.1 * rng.normal(size=40) + 30 * (np.arange(40) % 8 == 3))
WEIGHTED_OUTLIERS = OUTLIERS | {"weight_cycle": 3}
TWO_OUTLIERS = OUTLIERS | {"targets": [OUTLIERS["targets"][0], [2 * y for y in OUTLIERS["targets"][0]]]}
slope = np.arange(14.0)
SMALL_OUTLIERS = inline(slope[:, None], 2 * slope + 1 + 0.1 * np.sin(slope) + 25 * (slope % 5 == 3))
FEW = inline(tall[:12, :2], tall[:12, :2] @ [1, -2] + 0.1 * tall[:12, 2] + 9 * (np.arange(12) == 5))
# Few different values: many rows on every hyperplane.
TIES = inline(np.round(tall), np.round(tall @ [1, -2, 0.5, 0.3]))
DIABETES = {"builtin": "diabetes"}
SCALED = {"builtin": "diabetes", "scale": SCALES}
DIABETES_UNIT = {"builtin": "diabetes", "scale": [1 / s for s in np.round(load(DIABETES)[0].std(axis=0), 6)]}
WEIGHTED = {"builtin": "diabetes", "weight_cycle": 4}
WEIGHTED_UNIT = DIABETES_UNIT | {"weight_cycle": 4}
LINNERUD = {"builtin": "linnerud"}


def case(algorithm, estimator, data, params, reference=None, ours=None):
    """`reference` and `ours` hold the parameters that only one side needs to be exact."""
    x, y, weight = load(data)
    y = y[:, 0] if y.shape[1] == 1 else y
    more = {} if weight is None else {"sample_weight": weight}
    if estimator is IsotonicRegression:
        x = x[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error" if reference else "ignore", ConvergenceWarning)
        try:
            model = estimator(**(params | (reference or {}))).fit(x, y, **more)
        except Warning as warning:
            raise SystemExit(f"{estimator.__name__}({params}) on {data.get('builtin')} {x.shape}: {warning}")
    rows = sample(len(x))
    expected = {"predictions": np.asarray(model.predict(x[rows]), dtype=float).ravel().tolist()}
    model = getattr(model, "estimator_", model)
    if hasattr(model, "coef_"):
        expected["coef"] = np.atleast_2d(model.coef_).tolist()
    name = f"{estimator.__name__}({params}) on {data.get('builtin', 'inline')} {x.shape}"
    return {
        "name": name,
        "algorithm": algorithm,
        "task": "regression",
        "params": params | (ours or {}),
        "data": data,
        "expected": expected,
    }


def described(algorithm, title, data, params, model, x):
    """A case of a model that was fitted in a way of its own."""
    predictions = np.asarray(model.predict(x[sample(len(x))]), dtype=float)
    return {
        "name": f"{title}({params}) on {data.get('builtin', 'inline')} {x.shape}",
        "algorithm": algorithm,
        "task": "regression",
        "params": params,
        "data": data,
        "expected": {"predictions": predictions.ravel().tolist(), "coef": np.atleast_2d(model.coef_).tolist()},
    }


def without_coef(case):
    """Where coefficients are not unique, or the reference's are of another model with the same predictions."""
    del case["expected"]["coef"]
    return case


def least_angle():
    for data in (SMALL, DIABETES, SCALED, DIABETES_UNIT, LINNERUD, WIDE):
        # Where rows are fewer than features, scikit-learn's path goes on beyond least squares, to garbage.
        for params in ({"n_nonzero_coefs": 8} if data is WIDE else {}, {"n_nonzero_coefs": 3}):
            yield case("least_angle", Lars, data, params)
            yield case("least_angle", Lars, data, params | {"fit_intercept": False})
        for params in ({"alpha": 0.5}, {"alpha": 0.01}, {"alpha": 0.1, "positive": True}, {"max_iter": 3}):
            yield case("lasso_least_angle", LassoLars, data, params)
        for params in ({}, {"n_nonzero_coefs": 2}, {"tol": 1.0}, {"n_nonzero_coefs": 2, "fit_intercept": False}):
            yield case("orthogonal_matching_pursuit", OrthogonalMatchingPursuit, data, params)
    # scikit-learn's own path loses its way among columns that depend on each other; its coordinate descent does not.
    tight = {"tol": 1e-15, "max_iter": 1_000_000}
    for data in (COLLINEAR, ONE_HOT):
        for alpha in (0.1, 0.01):
            yield without_coef(case("lasso_least_angle", Lasso, data, {"alpha": alpha}, tight))
        yield case("orthogonal_matching_pursuit", OrthogonalMatchingPursuit, data, {"n_nonzero_coefs": 3})


def bayesian():
    for data in (SMALL, DIABETES, SCALED, DIABETES_UNIT, WEIGHTED_UNIT, WIDE, COLLINEAR, ONE_HOT):
        for params in ({}, {"tol": 1e-10, "max_iter": 2000}, {"lambda_1": 1.0, "alpha_2": 0.5, "fit_intercept": False}):
            yield case("bayesian_ridge", BayesianRidge, data, params)
        yield case("bayesian_ridge", BayesianRidge, data, {"alpha_init": 2.0, "lambda_init": 0.1, "max_iter": 5})
    for data in (SMALL, DIABETES, DIABETES_UNIT, COLLINEAR, ONE_HOT):
        for params in ({}, {"tol": 1e-8, "max_iter": 100}, {"threshold_lambda": 10.0}, {"fit_intercept": False}):
            yield case("automatic_relevance_determination", ARDRegression, data, params)
    yield case("automatic_relevance_determination", ARDRegression, WIDE, {"max_iter": 1, "lambda_2": 0.1})


def generalised():
    newton = {"solver": "newton-cholesky", "max_iter": 200}
    counts = inline(tall, rng.poisson(np.exp(0.4 * tall[:, 0] + 0.5)))
    for data in (SMALL, DIABETES_UNIT, WEIGHTED_UNIT, SCALED, WIDE_POSITIVE, COLLINEAR_POSITIVE, ONE_HOT_POSITIVE, counts):
        # Slopes are in units of the features; Newton's method squares the error once more.
        tight = newton | {"tol": 1e-6 if data is SCALED else 1e-11}
        for params in ({}, {"alpha": 0.01}, {"alpha": 0.1, "fit_intercept": False}):
            if data is SCALED and "fit_intercept" in params:
                continue  # numbers overflow in the reference
            yield case("poisson", PoissonRegressor, data, params, tight)
            if data is not counts:
                yield case("gamma", GammaRegressor, data, params, tight)
        for params in ({}, {"power": 1.5, "alpha": 0.1}, {"power": 1, "alpha": 0.5}):
            yield case("tweedie", TweedieRegressor, data, params, tight)
        if data is not counts:
            # Newton's method of the reference refuses second derivatives that may be negative; its other solver stops
            # where predictions are exact to 1e-7, and coefficients less so.
            loose = {"solver": "lbfgs", "tol": 1e-10, "max_iter": 10_000}
            if data is SCALED:
                continue
            yield without_coef(case("tweedie", TweedieRegressor, data, {"power": 3, "alpha": 0.5}, loose))
            if data in (SMALL, DIABETES_UNIT):
                yield case("tweedie", TweedieRegressor, data, {"power": 1.5, "alpha": 5.0, "link": "identity"}, loose)
    yield case("tweedie", TweedieRegressor, SMALL, {"power": 0, "link": "log", "alpha": 0.1}, loose)


def polished_huber(params, x, y, weight):
    """The optimum of scikit-learn's own loss: its solver stops at the first small gain."""
    model = HuberRegressor(**params, max_iter=10_000, tol=1e-12).fit(x, y, weight)
    at = np.append(model.coef_, model.scale_)
    if model.fit_intercept:
        at = np.insert(at, -1, model.intercept_)
    weight = np.ones(len(x)) if weight is None else weight
    for _ in range(20):
        found = optimize.minimize(
            _huber_loss_and_gradient,
            at,
            jac=True,
            method="L-BFGS-B",
            args=(x, y, model.epsilon, model.alpha, weight),
            bounds=[(None, None)] * (len(at) - 1) + [(1e-12, None)],
            options={"ftol": 0, "gtol": 1e-13, "maxiter": 100_000, "maxfun": 1_000_000, "maxcor": 30},
        )
        at = found.x
    model.coef_ = at[: x.shape[1]]
    model.intercept_ = at[-2] if model.fit_intercept else 0.0
    return model


def huber():
    for data in (SMALL, OUTLIERS, DIABETES_UNIT, WEIGHTED_UNIT, COLLINEAR, ONE_HOT):
        for params in ({}, {"epsilon": 1.1, "alpha": 0.1}, {"epsilon": 2.0, "fit_intercept": False}):
            if data is SMALL and params.get("epsilon") == 1.1:
                continue  # three rows fit exactly: the scale falls to zero, and this solver gets stuck on the way
            x, y, weight = load(data)
            model = polished_huber(params, x, y[:, 0], weight)
            one = described("huber", "HuberRegressor", data, params, model, x)
            # The polished optimum is exact to 1e-8 of the largest coefficient, which is not enough for a constant column's.
            yield without_coef(one) if data is COLLINEAR else one


def quantile():
    for data in (SMALL, OUTLIERS, DIABETES, SCALED, WEIGHTED_UNIT, WIDE, COLLINEAR, ONE_HOT, TIES):
        for params in ({}, {"alpha": 0.01}, {"alpha": 0.1, "quantile": 0.9}, {"alpha": 0.05, "fit_intercept": False},
                       {"alpha": 0.0, "quantile": 0.25}):
            x, y, weight = load(data)
            y = y[:, 0]
            model = QuantileRegressor(**params).fit(x, y, weight)
            one = described("quantile", "QuantileRegressor", data, params, model, x)
            weight = np.ones(len(x)) if weight is None else weight
            tau = model.quantile
            residual = y - model.predict(x)
            loss = weight @ np.where(residual > 0, tau * residual, (tau - 1) * residual) / weight.sum()
            one["expected"]["objective"] = loss + model.alpha * np.abs(model.coef_).sum()
            yield one


def consensus():
    # The rows that agree are the same whatever samples are drawn, and so are the coefficients.
    for data in (OUTLIERS, WEIGHTED_OUTLIERS, TWO_OUTLIERS, SMALL_OUTLIERS):
        for params in ({"residual_threshold": 3.0}, {"residual_threshold": 9.0, "loss": "squared_error"}):
            yield case("ransac", RANSACRegressor, data, params | {"max_trials": 1000}, {"random_state": 0})
    # Every combination of rows is a sample, so that nothing is random.
    tight = {"tol": 1e-12, "max_iter": 100_000}
    for data, size in ((SMALL, 3), (SMALL_OUTLIERS, 2), (SMALL_OUTLIERS, 3), (FEW, 3), (FEW, 5)):
        for params in ({"n_subsamples": size}, {"n_subsamples": size, "fit_intercept": False}):
            yield case("theil_sen", TheilSenRegressor, data, params | tight)
    yield case("theil_sen", TheilSenRegressor, SMALL_OUTLIERS, {})


def isotonic():
    x = rng.integers(0, 25, 60) / 4
    y = np.sqrt(x) + 0.5 * rng.normal(size=60)
    rising, falling = inline(x[:, None], y), inline(x[:, None], -y)
    one = {"builtin": "diabetes", "columns": [2]}
    for data in (rising, falling, rising | {"weight_cycle": 3}, falling | {"weight_cycle": 3}, one):
        for params in ({}, {"increasing": False}, {"increasing": "auto"}, {"y_min": 0.3, "y_max": 1.5}):
            yield case("isotonic", IsotonicRegression, data, params, {"out_of_bounds": "clip"})


def pls():
    for data in (SMALL, DIABETES, SCALED, LINNERUD, WIDE, COLLINEAR, ONE_HOT):
        for params in ({}, {"n_components": 1}, {"n_components": 2, "scale": False}):
            yield case("pls", PLSRegression, data, params)
        if data is not SMALL:
            yield case("pls", PLSRegression, data, {"n_components": 3, "tol": 1e-20, "max_iter": 10_000})


FAMILIES = [least_angle, bayesian, generalised, huber, quantile, consensus, isotonic, pls]

if __name__ == "__main__":
    for family in FAMILIES:
        if len(sys.argv) == 1 or family.__name__ in sys.argv[1:]:
            write(family.__name__, list(family()))
