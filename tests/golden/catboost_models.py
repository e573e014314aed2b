"""Writes `catboost_models.json`: CatBoost without random choices, whose trees and predictions ours must equal.

Made with catboost 1.2.10:

    python tests/golden/catboost_models.py
"""

import json
import pathlib
import tempfile

import catboost
import numpy as np
import pandas as pd

from cases import HERE, load, sample, write

assert catboost.__version__ == "1.2.10"
# Two features of this one part the same rows; which of them is asked is decided by rounding, and does not matter.
TIED = {"iris"}
EXACT = {"bootstrap_type": "No", "random_strength": 0, "boosting_type": "Plain"}


def uniforms(n, stream):
    """SplitMix64 from state `stream`, as in the test."""
    with np.errstate(over="ignore"):
        z = np.uint64(stream) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


def synthetic(data):
    """Numbers, some of them missing, then categories; and a target that depends on both."""
    n, numbers, categories, stream = data["rows"], data["numbers"], data["categories"], data["stream"]
    x = (uniforms(n * numbers, stream) * 2 - 1).astype(np.float32).astype(float).reshape(n, numbers)
    # Skewed: low codes are frequent.
    codes = [np.floor(uniforms(n, stream + 1 + j) ** 2 * size) for j, size in enumerate(categories)]
    effect = [np.sin(1.7 * c + j) for j, c in enumerate(codes)]
    y = x[:, 0] + x[:, 1] * x[:, 2 % numbers] + (uniforms(n, stream + 100) - 0.5)
    for e in effect:
        y = y + e
    if len(effect) > 1:
        y = y + effect[0] * effect[1]
    if data.get("missing"):
        x[uniforms(n, stream + 200) < 0.1, 0] = np.nan
    frame = pd.DataFrame({f"x{j}": x[:, j] for j in range(numbers)})
    for j, c in enumerate(codes):
        frame[f"c{j}"] = c.astype(int)
    if data["classes"]:
        y = np.searchsorted(np.quantile(y, np.arange(1, data["classes"]) / data["classes"]), y)
    return frame, np.asarray(y, dtype=float), None


def build(task, data, params):
    """The fitted model of the original library, its rows and targets."""
    if "rows" in data and "builtin" not in data:
        x, y, weight = synthetic(data)
        cat_features = [name for name in x.columns if name.startswith("c")]
    else:
        x, y, weight = load(data)
        y = y[:, 0] if y.shape[1] == 1 else y
        cat_features = []
    kind = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
    model = kind(**params, thread_count=1, verbose=0, allow_writing_files=False)
    if task == "classification":
        y = y.astype(int)
    model.fit(x, y, sample_weight=weight, cat_features=cat_features)
    return model, x, y


def saved(model):
    """The model as CatBoost's JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        return json.loads(path.read_text())


def case(name, task, data, params):
    params = {**EXACT, **params}
    model, x, y = build(task, data, params)
    rows = x.iloc[sample(len(x))] if isinstance(x, pd.DataFrame) else x[sample(len(x))]
    expected = {"predictions": np.asarray(model.predict(rows)).reshape(len(rows), -1).astype(float).tolist()}
    if task == "classification":
        expected["probabilities"] = model.predict_proba(rows).tolist()
    # Borders of the numeric splits of the first trees, level by level.
    trees = [] if name in TIED else saved(model)["oblivious_trees"][:30]
    expected["borders"] = [[s["border"] for s in t["splits"] if s["split_type"] == "FloatFeature"] for t in trees]
    return {"name": name, "algorithm": "catboost", "task": task, "params": params, "data": data, "expected": expected}


def numbers(rows, classes=0, stream=1000, missing=False, categories=()):
    data = {"rows": rows, "numbers": 5, "categories": list(categories), "classes": classes, "stream": stream}
    return {**data, "missing": missing}


DIABETES, CANCER, WINE = {"builtin": "diabetes"}, {"builtin": "breast_cancer"}, {"builtin": "wine"}
IRIS, DIGITS = {"builtin": "iris"}, {"builtin": "digits", "rows": 400}
FEW = {"iterations": 30, "learning_rate": 0.1}
MANY = {"iterations": 210, "learning_rate": 0.1}
TIME = {"has_time": True}
CATS = [3, 40, 12, 2]

CASES = [
    ("diabetes", "regression", DIABETES, MANY),
    ("diabetes, weighted", "regression", {**DIABETES, "weight_cycle": 4}, FEW),
    ("diabetes, deep and hardly penalised", "regression", DIABETES, {**FEW, "depth": 9, "l2_leaf_reg": 0.1}),
    ("diabetes, score L2", "regression", DIABETES, {**FEW, "score_function": "L2"}),
    ("diabetes, few borders", "regression", DIABETES, {**FEW, "border_count": 10}),
    ("diabetes, MAE", "regression", DIABETES, {**FEW, "loss_function": "MAE"}),
    ("diabetes, quantile", "regression", DIABETES, {**FEW, "loss_function": "Quantile:alpha=0.8"}),
    ("diabetes, MAE by gradient", "regression", DIABETES,
     {**FEW, "loss_function": "MAE", "leaf_estimation_method": "Gradient"}),
    ("diabetes, without average", "regression", DIABETES, {**FEW, "boost_from_average": False}),
    ("linnerud, several targets", "regression", {"builtin": "linnerud"},
     {**FEW, "loss_function": "MultiRMSE", "depth": 2}),
    ("automatic step size", "regression", numbers(3000), {"iterations": 250}),
    ("synthetic, medians as borders", "regression", numbers(2000), {**FEW, "feature_border_type": "Median"}),
    ("synthetic, equal borders", "regression", numbers(2000), {**FEW, "feature_border_type": "Uniform"}),
    ("synthetic, both", "regression", numbers(2000), {**FEW, "feature_border_type": "UniformAndQuantiles"}),
    ("synthetic, entropy borders", "regression", numbers(2000), {**FEW, "feature_border_type": "GreedyMinEntropy"}),
    ("synthetic, missing values", "regression", numbers(2000, missing=True), FEW),
    ("synthetic, missing values above", "regression", numbers(2000, missing=True), {**FEW, "nan_mode": "Max"}),
    ("cancer", "classification", CANCER, {**FEW, "leaf_estimation_iterations": 1}),
    ("cancer, ten steps", "classification", CANCER, FEW),
    ("cancer, gradient", "classification", CANCER,
     {**FEW, "leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 5}),
    ("cancer, from average", "classification", CANCER, {**FEW, "boost_from_average": True}),
    ("cancer, weighted", "classification", {**CANCER, "weight_cycle": 3}, FEW),
    ("cancer, balanced", "classification", CANCER, {**FEW, "auto_class_weights": "Balanced"}),
    ("cancer, class weights", "classification", CANCER, {**FEW, "class_weights": [1.0, 3.0]}),
    ("synthetic, two classes", "classification", numbers(2000, classes=2), MANY),
    ("wine", "classification", WINE, FEW),
    ("wine, gradient", "classification", WINE, {**FEW, "leaf_estimation_method": "Gradient"}),
    ("iris", "classification", IRIS, {**FEW, "depth": 3}),
    ("digits", "classification", DIGITS, {**FEW, "depth": 4}),
    ("synthetic, four classes", "classification", numbers(2000, classes=4), FEW),
    ("categories, one-hot", "regression", numbers(2000, categories=CATS), {**FEW, **TIME, "one_hot_max_size": 50}),
    ("categories", "regression", numbers(2000, categories=CATS), {**FEW, **TIME}),
    ("categories, combined", "regression", numbers(2000, categories=CATS), {**FEW, **TIME, "max_ctr_complexity": 3}),
    ("categories, two classes", "classification", numbers(2000, classes=2, categories=CATS),
     {**FEW, **TIME, "max_ctr_complexity": 2}),
    ("categories, three classes", "classification", numbers(2000, classes=3, categories=CATS),
     {**FEW, **TIME, "max_ctr_complexity": 2}),
    ("categories, other statistics", "classification", numbers(2000, classes=3, categories=CATS),
     {**FEW, **TIME, "simple_ctr": ["Buckets:Prior=0.5/1", "BinarizedTargetMeanValue"]}),
    ("categories, no regard for size", "regression", numbers(2000, categories=[700, 30]),
     {**FEW, **TIME, "model_size_reg": 0, "max_ctr_complexity": 2}),
    ("categories, medians", "regression", numbers(2000, categories=CATS), {**FEW, **TIME, "loss_function": "MAE"}),
    ("ordered, in time", "regression", numbers(2000, categories=CATS), {**FEW, **TIME, "boosting_type": "Ordered"}),
    # CatBoost takes logarithms of ordered scores in few digits, so that later trees differ by chance.
    ("ordered, in time, two classes", "classification", numbers(2000, classes=2),
     {**FEW, **TIME, "boosting_type": "Ordered", "iterations": 10}),
    ("ordered, in time, three classes", "classification", numbers(1000, classes=3),
     {**FEW, **TIME, "boosting_type": "Ordered"}),
]

if __name__ == "__main__":
    write("catboost_models", [case(*c) for c in CASES])
