"""What the example says about its model: the inputs in order, and how `model.yaml` is written from it."""

import re
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / "model.yaml.example"
ARTIFACT = "models/delay/v1/model.txt"
GOLDEN = "models/delay/v1/golden.parquet"

_INPUT = re.compile(r"^  - \{(?:feature: (?P<feature>[\w/-]+)|request: (?P<request>\w+), type: \w+)\}", re.MULTILINE)
_DIGEST = re.compile(r'sha256: "0{64}".*')
_STORE = re.compile(r"^  storeRef: .*$", re.MULTILINE)


def inputs(example: str) -> list[str]:
    """Names of the inputs in the model's order: `view/feature`, or the request's name."""
    names = [match["feature"] or match["request"] for match in _INPUT.finditer(example)]
    if not names:
        raise SystemExit(f"{EXAMPLE}: no inputs found, keep one `- {{feature: view/name}}` or request a line")
    return names


def manifest(example: str, sha256: str, training_set: str, version: str) -> str:
    """The example as a real Model: with its digest and with what it was trained on."""
    first_comment_gone = example.split("\n", 1)[1] if example.startswith("#") else example
    with_digest = _DIGEST.sub(f'sha256: "{sha256}"', first_comment_gone, count=1)
    trained_on = f'  trainedOn: {{trainingSet: {training_set}, version: "{version}"}}'
    return _STORE.sub(lambda match: f"{match[0]}\n{trained_on}", with_digest, count=1)
