"""Writes `xgboost_random_forest.json`: what XGBoost's random forests predict.

Made with xgboost 3.2.0, scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/xgboost_random_forest.py
"""

import xgboost

from cases import load, sample, write

assert xgboost.__version__ == "3.2.0"


def case(task, data, params):
    x, y, weight = load(data)
    kind = xgboost.XGBRFClassifier if task == "classification" else xgboost.XGBRFRegressor
    model = kind(n_jobs=1, random_state=3, **params)
    model.fit(x, y if y.shape[1] > 1 else y[:, 0], sample_weight=weight)
    rows = x[sample(len(x))]
    expected = {"predictions": model.predict(rows).astype(float).tolist()}
    if task == "classification":
        expected["probabilities"] = model.predict_proba(rows).astype(float).tolist()
    name = f"{task} of {data['builtin']} {params}"
    params = {"n_jobs": 1, "random_state": 3, **params}
    return {"name": name, "algorithm": "xgboost_random_forest", "task": task, "params": params, "data": data, "expected": expected}


write("xgboost_random_forest", [
    case("regression", {"builtin": "diabetes"}, {}),
    case("regression", {"builtin": "diabetes", "weight_cycle": 4}, {"n_estimators": 20, "max_depth": 3}),
    case("regression", {"builtin": "linnerud"}, {"n_estimators": 10}),
    case("classification", {"builtin": "breast_cancer"}, {}),
    case("classification", {"builtin": "iris"}, {"n_estimators": 30, "subsample": 0.6, "colsample_bynode": 0.5}),
    case("classification", {"builtin": "wine"}, {"n_estimators": 15, "reg_lambda": 1.0, "learning_rate": 0.7}),
])
