"""The API: from a process's start to its first answer, and from an event to its answer.

Ours is PredictFunction as it is deployed. It is measured against a floor, the least that an API of
FastAPI, Mangum and boto3 can do, which answers what ours has answered but knows no model; and
against a peer, what people would otherwise deploy. Each is a process of AWS's runtime client, and
reads what it needs from one S3 on loopback. Each keeps the record of every prediction as a line of
JSON, which it hands to a Firehose that does nothing.

What is measured in a process of a machine that does other things as well is never too short, so of
many starts, the sides in turns, the shortest counts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evergreen.models.artifact import Manifest, sha256
from evergreen.store import keys
from evergreen.store.registry import Move
from tests.benchmarks.event import answered, event
from tests.benchmarks.lambdas import PREDICTOR, SERVING, TRAINING, Function, environment, link
from tests.benchmarks.objects import Objects

VERSION = "20260101T000000Z-00000000"
STARTS, ROUNDS = 15, 9
BATCH = 1_000

Customers = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Sides:
    """Ours, and what it is measured against."""

    ours: Function
    floor: Function
    peer: Function


def serving(folder: Path, customers: Customers, store: Objects) -> dict[str, float]:
    """Compare the sides on some customers, at least `BATCH`.

    Args:
        folder: the files of a version, and `peer.joblib`.
        customers: as the API is given them.
        store: where all sides find what they read.

    """
    sides = prepare(folder, store)
    one = event("/predict", customers[0])
    first = answered(sides.ours.start(one).answer)
    store.contents["/models/floor.json"] = json.dumps(first).encode()
    return {
        **cold_starts(sides, one),
        **warm_predictions(sides, one),
        **batches(sides, event("/predict/batch", customers[:BATCH])),
        **explanations(sides, customers[0]),
    }


def prepare(folder: Path, store: Objects) -> Sides:
    """Publish a version for all sides, and lay out what each of them can import."""
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    store.contents["/models/peer.joblib"] = files.pop("peer.joblib")
    manifest = Manifest(
        version=VERSION,
        created="2026-01-01T00:00:00+00:00",
        parent=None,
        trigger="benchmark",
        fingerprint="",
        sources={},
        libraries={},
        decision={},
        files={name: sha256(content) for name, content in files.items()},
    )
    move = Move(VERSION, None, manifest.created, "benchmark")
    published = files | {keys.MANIFEST: manifest.to_bytes()}
    store.contents[f"/models/{keys.POINTER}"] = move.to_bytes()
    for name, content in published.items():
        store.contents[f"/models/{keys.model_file(VERSION, name)}"] = content
    environ = environment(store.address)
    layers = link(folder / "serving", SERVING)
    both = link(folder / "both", SERVING, TRAINING)
    return Sides(
        ours=Function("ours.handler", [*PREDICTOR, layers], environ),
        floor=Function("floor.handler", [layers], environ),
        peer=Function("peer.handler", [both], environ),
    )


def cold_starts(sides: Sides, one: dict[str, Any]) -> dict[str, float]:
    """From the start of a process to its first answer, the model's way from S3 included."""
    runs = [[side.start(one) for side in _each(sides)] for _ in range(STARTS)]
    ours, floor, peer = (answered(run.answer) for run in runs[0])
    _same(floor.keys(), ours.keys())
    _close([ours], [peer])
    seconds, processor = (
        [min(getattr(run, what) for run in side) for side in zip(*runs, strict=True)]
        for what in ("seconds", "processor")
    )
    _tell("cold start", seconds, 1e3, "ms")
    _tell("… of which the processor", processor, 1e3, "ms")
    ours, floor, peer = seconds
    return {"cold_start_vs_floor": ours / floor, "cold_start_vs_sklearn": ours / peer}


def warm_predictions(sides: Sides, one: dict[str, Any]) -> dict[str, float]:
    """From an event to its answer, in a process that has answered before."""
    ours, floor = _warm([(sides.ours, one), (sides.floor, one)], times=1_000)
    _same(floor[0].keys(), ours[0].keys())
    _tell("warm prediction", [ours[1], floor[1]], 1e6, "µs")
    return {"warm_predict_vs_floor": ours[1] / floor[1]}


def batches(sides: Sides, many: dict[str, Any]) -> dict[str, float]:
    """A request with a thousand customers."""
    ours, peer = _warm([(sides.ours, many), (sides.peer, many)], times=20)
    own, theirs = ours[0]["predictions"], peer[0]["predictions"]
    _close(own, theirs)
    _same([each["key"] for each in own], [each["key"] for each in theirs])
    _tell(f"batch of {BATCH:,}", [ours[1], peer[1]], 1e3, "ms")
    return {"batch_1000_vs_sklearn": peer[1] / ours[1]}


def explanations(sides: Sides, customer: dict[str, Any]) -> dict[str, float]:
    """A prediction with its reasons, against one without."""
    asked = [event("/predict", customer, explain=explain) for explain in ("true", "false")]
    explained, plain = _warm([(sides.ours, each) for each in asked], times=1_000)
    _close([explained[0]], [plain[0]])
    if not explained[0]["reasons"] or "reasons" in plain[0]:
        raise SystemExit("the reasons are not where they were asked for")
    _tell("prediction with reasons", [explained[1], plain[1]], 1e6, "µs")
    return {"explain_vs_predict": explained[1] / plain[1]}


def _each(sides: Sides) -> tuple[Function, ...]:
    return sides.ours, sides.floor, sides.peer


def _warm(sides: Sequence[tuple[Function, object]], times: int) -> list[tuple[Any, float]]:
    """Return what each function answers to its event, and the shortest median of some rounds."""
    rounds = [[function.warm(asked, times) for function, asked in sides] for _ in range(ROUNDS)]
    return [
        (answered(side[0][0]), min(seconds for _, seconds in side))
        for side in zip(*rounds, strict=True)
    ]


def _same(ours: object, theirs: object) -> None:
    if ours != theirs:
        raise SystemExit(f"the two sides disagree: {ours} and {theirs}")


def _close(ours: Customers, theirs: Customers) -> None:
    pairs = zip(ours, theirs, strict=True)
    worst = max(abs(a["churn_probability"] - b["churn_probability"]) for a, b in pairs)
    if not worst <= 1e-5:
        raise SystemExit(f"the two sides disagree by {worst}")


def _tell(what: str, seconds: list[float], scale: float, unit: str) -> None:
    print(f"{what:28}", *(f"{each * scale:8.1f} {unit}" for each in seconds))
