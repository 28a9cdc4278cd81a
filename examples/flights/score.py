"""Scores vectors with LightGBM itself: the reference that the server's predictions are compared with.

Reads a JSON list of vectors in the model's order (null = missing, infinities are "inf" and "-inf") and prints a JSON
list of probabilities, every digit.
"""

import argparse
import json
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np


def main() -> None:
    """Parses the command line and scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="LightGBM text model")
    parser.add_argument("vectors", type=Path, help="JSON file, or - for standard input")
    arguments = parser.parse_args()
    text = sys.stdin.read() if str(arguments.vectors) == "-" else arguments.vectors.read_text()
    rows = [[np.nan if value is None else float(value) for value in row] for row in json.loads(text)]
    print(json.dumps(lgb.Booster(model_file=str(arguments.model)).predict(np.array(rows, np.float64)).tolist()))


if __name__ == "__main__":
    main()
