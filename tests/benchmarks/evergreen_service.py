"""Our predictor as Lambda runs it, its model read from a folder instead of a bucket."""

import sys
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, "functions/predict")

from api import create_app
from mangum import Mangum

from evergreen.jobs.champion import Champion
from evergreen.models.artifact import CHAMPION, FASTER, Artifact, Manifest, sha256
from evergreen.store import inference_log, s3
from evergreen.store.registry import Move, Pointer, Registry
from evergreen.store.s3 import Bucket
from tests.benchmarks.event import answered_probability, predict_event


class FolderRegistry(Registry):
    """A registry of one version, in a folder."""

    def pointer(self) -> Pointer:
        return Pointer(Move("bench", None, "", ""), "")

    def fetch(self, version: str, names: object, optional: object = ()) -> Artifact:
        names = (*CHAMPION, *FASTER)
        files = {name: Path(self.bucket.name, name).read_bytes() for name in names}
        hashes = {name: sha256(content) for name, content in files.items()}
        return Artifact(Manifest(version, "", None, "", "", {}, {}, {}, hashes), files)


def main() -> None:
    """Start, answer one request, and print the probability."""
    registry = FolderRegistry(Bucket(s3.client(), sys.argv[1]))
    inference_log.client()
    champion = Champion(registry, timedelta(minutes=1), time.time)
    app = create_app(champion, lambda records: None)
    answer = Mangum(app, lifespan="off")(predict_event(Path(sys.argv[1])), None)  # type: ignore[arg-type]
    print(answered_probability(answer), flush=True)


if __name__ == "__main__":
    main()
