"""What train.py writes: an artifact, predictions that it reproduces, and a manifest that names both."""

import hashlib
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from flights import model
from flights.bucket import Bucket
from train import train

HERE = Path(__file__).resolve().parent.parent
NAMES = model.inputs(model.EXAMPLE.read_text())
ROWS = 3_000


def training_set(folder: Path) -> Path:
    """A small set in the layout that the materializer writes: two files, a tenth of the values missing."""
    random = np.random.default_rng(1)
    vectors = random.normal(10, 5, (ROWS, len(NAMES)))
    late = (vectors[:, 5] + random.normal(0, 3, ROWS) > 12).astype(np.int64)
    vectors[random.random(vectors.shape) < 0.1] = np.nan
    columns = {name: pa.array(vectors[:, index], from_pandas=True) for index, name in enumerate(NAMES)}
    columns["scheduled_at"] = pa.array(np.arange(ROWS) * 60_000_000).cast(pa.timestamp("us", "UTC"))
    columns["late"] = pa.array(late)
    table = pa.table(columns)
    pq.write_table(table.slice(0, ROWS // 2), folder / "part-0.parquet")
    pq.write_table(table.slice(ROWS // 2), folder / "part-1.parquet")
    manifest = {
        "name": "flight-delays",
        "setVersion": "0123456789abcdef",
        "files": ["part-0.parquet", "part-1.parquet"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


class Trained(unittest.TestCase):
    """One model, fitted once."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = Path(cls.folder.name)
        cls.set = root / "set"
        cls.set.mkdir()
        training_set(cls.set)
        cls.bucket, cls.out = Bucket(root / "bucket"), root / "model.yaml"
        train(cls.set, cls.bucket, cls.out)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_the_manifest_names_the_artifacts_digest_and_the_set_it_was_trained_on(self):
        digest = hashlib.sha256((self.bucket.root / model.ARTIFACT).read_bytes()).hexdigest()
        text = self.out.read_text()
        self.assertIn(f'    sha256: "{digest}"\n', text)
        self.assertIn('  trainedOn: {trainingSet: flight-delays, version: "0123456789abcdef"}\n', text)
        self.assertNotIn("0" * 64, text)

    def test_the_golden_predictions_are_those_of_the_uploaded_artifact(self):
        golden = pq.read_table(self.bucket.root / model.GOLDEN)
        self.assertEqual(golden.column_names, [*NAMES, "prediction"])
        self.assertLessEqual(golden.num_rows, 200)
        self.assertTrue(all(column.type == pa.float64() for column in golden.columns))
        self.assertGreater(golden[NAMES[0]].null_count, 0, "missing is NULL")
        vectors = np.column_stack([golden[name].to_numpy() for name in NAMES])
        booster = lgb.Booster(model_file=str(self.bucket.root / model.ARTIFACT))
        self.assertEqual(booster.predict(vectors).tolist(), golden["prediction"].to_pylist())

    def test_score_prints_what_lightgbm_predicts_with_every_digit(self):
        golden = pq.read_table(self.bucket.root / model.GOLDEN)
        vectors = [[row[name] for name in NAMES] for row in golden.to_pylist()]
        command = [sys.executable, str(HERE / "score.py"), "--model", str(self.bucket.root / model.ARTIFACT), "-"]
        printed = subprocess.run(command, input=json.dumps(vectors), capture_output=True, text=True, check=True).stdout
        self.assertEqual(json.loads(printed), golden["prediction"].to_pylist())

    def test_the_same_set_gives_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            again = Bucket(Path(folder))
            train(self.set, again, Path(folder) / "model.yaml")
            for path in (model.ARTIFACT, model.GOLDEN):
                self.assertEqual((again.root / path).read_bytes(), (self.bucket.root / path).read_bytes(), path)

    def test_an_existing_model_is_left_alone(self):
        before = self.out.stat().st_mtime_ns
        command = [sys.executable, str(HERE / "train.py"), "--training-set", "/nowhere", "--bucket", "/nowhere"]
        done = subprocess.run([*command, "--out", str(self.out)], capture_output=True, text=True, check=True)
        self.assertIn("nothing is trained", done.stdout)
        self.assertEqual(self.out.stat().st_mtime_ns, before)


class Example(unittest.TestCase):
    """What is read from model.yaml.example."""

    def test_inputs_are_read_in_order(self):
        example = "  inputs:\n  - {feature: a-b/c_d}\n  - {request: hour, type: Int64}\n"
        self.assertEqual(model.inputs(example), ["a-b/c_d", "hour"])
        self.assertEqual(len(NAMES), 13)
        self.assertEqual(NAMES[-3:], ["distance", "hour", "weekday"])


if __name__ == "__main__":
    unittest.main()
