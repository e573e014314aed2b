"""Writes `spectral.json`: scikit-learn's spectral clusterings and biclusterings.

Made with scikit-learn 1.9.1 and numpy 2.4.6:

    python tests/golden/spectral.py

Clusters are numbered by their first row. Where seeds differ, the mean silhouette over ten of them is compared instead.
"""

import warnings

import numpy as np
from sklearn.cluster import SpectralBiclustering, SpectralClustering, SpectralCoclustering
from sklearn.metrics import silhouette_score

from cases import load, write

warnings.simplefilter("ignore")
rng = np.random.default_rng(17)
angles = np.linspace(0, np.pi, 60)
MOONS = np.concatenate(
    [np.column_stack([np.cos(angles), np.sin(angles)]), np.column_stack([1 - np.cos(angles), 0.4 - np.sin(angles)])]
) + rng.normal(scale=0.05, size=(120, 2))
turns = rng.uniform(0, 2 * np.pi, 150)
RINGS = np.column_stack([np.cos(turns), np.sin(turns)]) * np.repeat([1, 4, 8], 50)[:, None] + rng.normal(scale=0.05, size=(150, 2))
BLOBS = np.concatenate([rng.normal(size=(40, 3)) + c for c in ([0, 0, 0], [6, 1, 0], [0, -5, 6], [7, 7, 7])])
blocks = rng.uniform(0, 1, size=(90, 12))
blocks[:30, :4] += 5
blocks[30:60, 4:8] += 5
blocks[60:, 8:] += 5
row_levels, column_levels = np.repeat([0, 1, 2], 30), np.repeat([0, 1], 6)
checkers = np.array([[10, 1], [5, 8], [1, 3]])[row_levels][:, column_levels] + rng.uniform(0, 1, size=(90, 12))
shuffled = rng.permutation(90)
inline = lambda x: {"inline": np.round(x, 4).tolist()}
MOONS, RINGS, BLOBS = inline(MOONS), inline(RINGS), inline(BLOBS)
BLOCKS, CHECKERS = inline(blocks[shuffled]), inline(checkers[shuffled])
NEGATIVE = inline(checkers[shuffled] - 8)
IRIS = {"builtin": "iris"}
WINE = {"builtin": "wine", "scale": [1, 1, 3, 0.3, 0.1, 1.5, 1, 8, 1.5, 4, 0.4, 1.4, 0.003]}
CANCER = {"builtin": "breast_cancer", "rows": 200}
DIGITS = {"builtin": "digits", "rows": 300}
cases = []
SEEDS = 10


def partition(labels):
    seen = {}
    return [seen.setdefault(label, len(seen)) for label in labels]


def add(name, estimator, data, random=True, **params):
    x, _, _ = load(data)

    def labels(seed):
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in params.items()}
        model = estimator(random_state=seed, **given).fit(x)
        return model.labels_ if hasattr(model, "labels_") else model.row_labels_

    found = partition(labels(0))
    expected = {"labels": found}
    if random and any(partition(labels(seed)) != found for seed in range(1, 5)):
        scores = [silhouette_score(x, labels(seed)) for seed in range(SEEDS)]
        expected = {"mean": np.mean(scores), "error": np.std(scores, ddof=1) / np.sqrt(SEEDS)}
        print("seeds differ:", name, params, data.get("builtin", "inline"), expected)
    cases.append(
        {
            "name": f"{name}({params}) on {data.get('builtin', 'inline')} {x.shape}",
            "algorithm": name,
            "task": "clustering",
            "params": params,
            "data": data,
            "expected": expected,
        }
    )


for assign in ("cluster_qr", "kmeans", "discretize"):
    random = assign != "cluster_qr"
    add("spectral", SpectralClustering, MOONS, random, n_clusters=2, gamma=30.0, assign_labels=assign)
    add("spectral", SpectralClustering, RINGS, random, n_clusters=3, affinity="nearest_neighbors", n_neighbors=6, assign_labels=assign)
    add("spectral", SpectralClustering, BLOBS, random, n_clusters=4, gamma=0.2, assign_labels=assign)
    add("spectral", SpectralClustering, BLOBS, random, n_clusters=4, affinity="nearest_neighbors", assign_labels=assign)
    add("spectral", SpectralClustering, IRIS, random, n_clusters=3, assign_labels=assign)
    add("spectral", SpectralClustering, WINE, random, n_clusters=3, gamma=0.1, assign_labels=assign)
    add("spectral", SpectralClustering, CANCER, random, n_clusters=2, gamma=1e-5, assign_labels=assign)
    add("spectral", SpectralClustering, DIGITS, random, n_clusters=5, gamma=1e-3, assign_labels=assign)
add("spectral", SpectralClustering, IRIS, n_clusters=3, n_components=2, gamma=0.5)
for data in (BLOCKS, IRIS, WINE, CANCER, NEGATIVE):
    add("spectral_co", SpectralCoclustering, data, n_clusters=3)
for data in (CHECKERS, NEGATIVE, BLOCKS, IRIS, WINE):
    for method in ("bistochastic", "scale", "log"):
        add("spectral_bi", SpectralBiclustering, data, n_clusters=[3, 2], method=method)
        add("spectral_bi", SpectralBiclustering, data, n_clusters=2, method=method, n_components=3, n_best=1)
write("spectral", cases)
