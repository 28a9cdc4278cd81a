"""What a user does beside a running `triplane dev`: train when the training set is Ready, register, ask."""

import argparse
import json
import time
from pathlib import Path

from ask import ask
from flights.bucket import Bucket
from train import train

PATIENCE_S = 1_200
POLL_S = 0.2


def main() -> None:
    """Parses the command line and walks through."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="state folder of `triplane dev`")
    parser.add_argument("--manifests", type=Path, required=True, help="folder that `triplane dev` watches")
    parser.add_argument("--bucket", type=Path, required=True, help="directory that serves as bucket")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="where `triplane dev` serves")
    parser.add_argument("--once", action="store_true", help="leave out what to try next")
    arguments = parser.parse_args()

    model = arguments.manifests / "model.yaml"
    if not model.exists():
        training_set = wait_for(arguments.state, "TrainingSet", "flight-delays")
        print("\ntraining a model on the training set:", flush=True)
        train(arguments.bucket / training_set["status"]["path"], Bucket(arguments.bucket), model)
    wait_for(arguments.state, "InferenceService", "delay")
    ask(arguments.bucket, arguments.url)
    if not arguments.once:
        print(next_steps(arguments.manifests, arguments.url), flush=True)


def wait_for(state: Path, kind: str, name: str) -> dict:
    """The object once it is Ready; a long wait ends with what is not Ready and why."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for item in objects(state):
            if (item["kind"], item["metadata"]["name"]) == (kind, name) and ready(item)["status"] == "True":
                return item
        time.sleep(POLL_S)
    waiting = [item for item in objects(state) if ready(item)["status"] != "True"]
    why = [f"{item['kind']}/{item['metadata']['name']}: {ready(item)['reason']}" for item in waiting]
    raise SystemExit(f"{kind}/{name} is not Ready after {PATIENCE_S} s; not Ready: {', '.join(why) or 'no object'}")


def objects(state: Path) -> list[dict]:
    """The objects as `triplane dev` wrote them last, with their status; none while it starts."""
    try:
        return json.loads((state / "objects.json").read_text())["items"]
    except FileNotFoundError:
        return []


def ready(item: dict) -> dict:
    """The Ready condition of an object."""
    conditions = item.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "Ready"), {"status": "Unknown", "reason": "NotJudged"})


def next_steps(manifests: Path, url: str) -> str:
    """What to try while it runs."""
    return f"""
Still running: Ctrl-C ends it, `make demo` resumes where it was. Meanwhile, in another terminal:
  the model's inputs           curl -s {url}/v2/models/delay
  an unknown airport           the curl above with "origin": "ZZZ": see what is imputed
  a mistake                    curl -s {url}/v1/models/delay:predict -d '{{"instances":[{{"origin":1}}]}}'
  another default              edit a default in {manifests}/views.yaml, and ask again
  counters and latencies       curl -s {url}/metrics"""


if __name__ == "__main__":
    main()
