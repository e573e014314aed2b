"""Writes `catboost_scores.json`: mean test scores of CatBoost over seeds, and `catboost_import.json`: models that it saved.

Made with catboost 1.2.10:

    python tests/golden/catboost_scores.py
"""

import json

import numpy as np
import pandas as pd

import catboost
from catboost_models import CANCER, DIABETES, HERE, load, numbers, saved, synthetic, build

WIDE = [1500, 200, 12, 2]
# Last how many seeds CatBoost is run with, and how many the test runs, which takes some seconds: so many that the error of the
# difference of both means is at most half a percent.
SETS = [
    ("diabetes", "regression", DIABETES, {"iterations": 100, "learning_rate": 0.05}, 640, 48),
    ("cancer", "classification", CANCER, {"iterations": 60, "learning_rate": 0.1}, 64, 10),
    ("digits", "classification", {"builtin": "digits"}, {"iterations": 60, "learning_rate": 0.2, "depth": 4}, 24, 4),
    ("many categories", "regression", numbers(3000, categories=WIDE), {"iterations": 200, "learning_rate": 0.1}, 20, 8),
    ("many categories, two classes", "classification", numbers(3000, classes=2, categories=WIDE),
     {"iterations": 200, "learning_rate": 0.05}, 24, 8),
    ("many categories, ordered", "regression", numbers(2000, categories=WIDE),
     {"iterations": 60, "learning_rate": 0.1, "boosting_type": "Ordered"}, 120, 12),
]


def scores(task, data, params, seeds):
    """R² or accuracy on every fourth row, learnt from the others, by seed."""
    if "stream" in data:
        x, y, _ = synthetic(data)
    else:
        x, y, _ = load(data)
        x, y = pd.DataFrame(x, columns=[f"x{j}" for j in range(x.shape[1])]), y[:, 0]
    test = np.arange(len(y)) % 4 == 0
    cats = [name for name in x.columns if name.startswith("c")]
    kind = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
    found = []
    for seed in range(seeds):
        model = kind(**params, random_seed=seed, thread_count=1, verbose=0, allow_writing_files=False)
        model.fit(x[~test], y[~test], cat_features=cats)
        guess = np.asarray(model.predict(x[test])).reshape(-1)
        if task == "classification":
            found.append(float(np.mean(guess == y[test])))
        else:
            rest = np.sum((guess - y[test]) ** 2)
            found.append(float(1 - rest / np.sum((y[test] - y[test].mean()) ** 2)))
    return found


def model_case(name, task, data, params):
    model, x, _ = build(task, data, params)
    document = saved(model)
    # Nobody needs how the training went.
    info = document["model_info"]
    kept = {key: info["params"][key] for key in ("loss_function", "flat_params")}
    document["model_info"] = {"params": kept}
    rows = x.iloc[::16] if isinstance(x, pd.DataFrame) else x[::16]
    predictions = np.asarray(model.predict(rows)).reshape(len(rows), -1).astype(float).tolist()
    case = {"name": name, "task": task, "data": data, "model": document, "predictions": predictions}
    if task == "classification":
        case["probabilities"] = model.predict_proba(rows).tolist()
    return case


SMALL = {"iterations": 12, "depth": 4, "learning_rate": 0.3, "random_seed": 1}
MODELS = [
    ("missing values", "regression", numbers(600, missing=True), {**SMALL, "border_count": 30}),
    ("missing values above", "regression", numbers(600, missing=True), {**SMALL, "border_count": 30, "nan_mode": "Max"}),
    ("two targets", "regression", {"builtin": "linnerud"}, {**SMALL, "loss_function": "MultiRMSE"}),
    ("two classes", "classification", CANCER, {**SMALL, "border_count": 30}),
    ("categories", "regression", numbers(600, categories=[3, 40, 12, 2]), {**SMALL, "max_ctr_complexity": 3}),
    ("categories, three classes", "classification", numbers(600, classes=3, categories=[3, 40, 12, 2]),
     {**SMALL, "one_hot_max_size": 4, "simple_ctr": ["Borders", "BinarizedTargetMeanValue", "Buckets", "Counter"]}),
]

if __name__ == "__main__":
    rows = []
    for name, task, data, params, seeds, here in SETS:
        found = scores(task, data, params, seeds)
        print(name, np.mean(found), np.std(found, ddof=1) / len(found) ** 0.5)
        rows.append({"name": name, "task": task, "data": data, "params": params, "seeds": here, "scores": found})
    text = "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n"
    (HERE / "catboost_scores.json").write_text(text)
    text = "[\n" + ",\n".join(json.dumps(model_case(*model)) for model in MODELS) + "\n]\n"
    (HERE / "catboost_import.json").write_text(text)
    assert len(text) < 300_000, len(text)
    print(len(text), "bytes of models")
