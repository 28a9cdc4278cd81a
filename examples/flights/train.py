"""Fits a LightGBM model on a version of the training set, uploads it with golden predictions and writes model.yaml.

If model.yaml exists nothing is done: a Model is immutable, a new one gets a new name.
"""

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from flights import model
from flights.bucket import Bucket, write_text
from numpy.typing import NDArray

TREES = 200
SETTINGS = {
    "objective": "binary",
    "metric": "auc",
    "num_leaves": 31,
    "learning_rate": 0.05,
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
GOLDEN_ROWS = 200
HELD_OUT = 0.2


@dataclass(frozen=True)
class Sample:
    """Vectors (NaN = missing) and labels, in order of time."""

    vectors: NDArray[np.float64]
    labels: NDArray[np.float64]


def main() -> None:
    """Parses the command line, trains unless model.yaml exists."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training-set", type=Path, required=True, help="version folder with manifest.json")
    parser.add_argument("--bucket", type=Path, required=True, help="directory that serves as bucket")
    parser.add_argument("--out", type=Path, required=True, help="where model.yaml is written")
    arguments = parser.parse_args()
    if arguments.out.exists():
        print(f"{arguments.out} exists, nothing is trained")
        return
    train(arguments.training_set, Bucket(arguments.bucket), arguments.out)


def train(training_set: Path, bucket: Bucket, out: Path) -> None:
    """Fits, uploads, and writes the Model last: whoever sees it finds the files it names."""
    begun = time.monotonic()
    example = model.EXAMPLE.read_text()
    names = model.inputs(example)
    manifest = json.loads((training_set / "manifest.json").read_text())
    sample = read(training_set, manifest["files"], names)
    text, auc = fit(sample, names)
    write_text(bucket.root / model.ARTIFACT, text)
    bucket.write_parquet(model.GOLDEN, golden(text, sample.vectors, names))
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_text(out, model.manifest(example, digest, manifest["name"], manifest["setVersion"]))
    print(f"{len(sample.labels)} rows, {TREES} trees, AUC {auc:.3f} on the last {HELD_OUT:.0%} by time")
    print(f"{out}: sha256 {digest[:12]}, {time.monotonic() - begun:.1f} s")


def read(training_set: Path, files: list[str], names: list[str]) -> Sample:
    """The set's rows in order of time; a NULL becomes NaN."""
    table = pa.concat_tables(pq.read_table(training_set / file) for file in files).sort_by("scheduled_at")
    missing = [name for name in [*names, "late"] if name not in table.column_names]
    if missing:
        raise SystemExit(f"{training_set}: no column {missing[0]}, the set has {', '.join(table.column_names)}")
    columns = [table[name].cast(pa.float64()).to_numpy() for name in names]
    return Sample(np.column_stack(columns), table["late"].cast(pa.float64()).to_numpy())


def fit(sample: Sample, names: list[str]) -> tuple[str, float]:
    """The model as text, and its AUC on the rows that it has not seen: the latest ones."""
    seen = int(len(sample.labels) * (1 - HELD_OUT))
    data = lgb.Dataset(sample.vectors[:seen], sample.labels[:seen], feature_name=names)
    later = lgb.Dataset(sample.vectors[seen:], sample.labels[seen:], reference=data)
    booster = lgb.train(SETTINGS, data, num_boost_round=TREES, valid_sets=[later])
    return booster.model_to_string(), booster.best_score["valid_0"]["auc"]


def golden(text: str, vectors: NDArray[np.float64], names: list[str]) -> pa.Table:
    """Latest vectors spread evenly over the held-out rows, with what the uploaded text predicts for them."""
    first = int(len(vectors) * (1 - HELD_OUT))
    chosen = np.unique(np.linspace(first, len(vectors) - 1, GOLDEN_ROWS).astype(np.int64))
    rows = vectors[chosen]
    columns = {name: pa.array(rows[:, index], from_pandas=True) for index, name in enumerate(names)}
    columns["prediction"] = pa.array(lgb.Booster(model_str=text).predict(rows))
    return pa.table(columns)


if __name__ == "__main__":
    main()
