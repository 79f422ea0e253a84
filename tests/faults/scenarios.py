"""What the project does with AWS, each as one process does it, and what must be so afterwards."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

import orjson
import pandas as pd

from evergreen.customers.schema import Schema
from evergreen.errors import InputError
from evergreen.jobs.answering.prediction import predict, records
from evergreen.jobs.files.scoring import Scoring
from evergreen.jobs.files.uploads import Uploads
from evergreen.jobs.learning.history import Sources
from evergreen.jobs.learning.stewardship import Stewardship
from evergreen.jobs.outcomes.accepting import accept
from evergreen.jobs.steering.replaying import replay
from evergreen.models import artifact
from evergreen.models.artifact import Artifact, Manifest, version_name
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.registry import Move, Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from local.demo.source import to_json
from local.demo.stack import ROOT

from .injection import Faults
from .memory import Memory, Stored

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""When the sample events happen."""
LONG_AGO = NOW - timedelta(days=30)
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 1, 5, 16, tzinfo=UTC)
"""When it is measured: of all days that with the fewest before it to look at."""
EARLIER = MONDAY - 6 * HOUR

UPLOAD = "incoming/customers.csv"
OUTCOMES = "outcomes/may.csv"
NEW = "training/new.csv"

A_PERSON = "a person"


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda hands to a function."""

    aws_request_id: str
    function_name: str = "f"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:f"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


class Functions(Protocol):
    """The functions, in one process each."""

    def handler(self, name: str) -> Callable[[Any, Any], Any]: ...

    def begin(self) -> None:
        """Let new processes begin."""


@dataclass(slots=True)
class World:
    """An account, and the functions in it."""

    faults: Faults
    data: Bucket
    registry: Registry
    logs: Bucket
    schema: Schema
    frame: pd.DataFrame
    version: Artifact
    model: Model
    functions: Functions
    undelivered: list[bytes] = field(default_factory=list)
    """The records that are in the function's log."""

    @property
    def memory(self) -> Memory:
        return self.faults.memory

    def invoke(self, name: str, event: Any, request: str = "1") -> Any:
        """Let Lambda call a function; a retry has the id of the first try."""
        return self.functions.handler(name)(event, Context(request))

    def promote(self, name: str, parent: Pointer | None = None, **members: Any) -> Pointer:
        """Publish the version under a name, and let it serve."""
        self.publish(name, **members)
        return self.registry.promote(name, seen=parent, reason="better")

    def publish(self, name: str, **members: Any) -> None:
        manifest = replace(self.version.manifest, version=name, **members)
        self.registry.publish(manifest, self.version.files)

    def label(self, name: str, frame: pd.DataFrame) -> None:
        self.data.put(f"{keys.TRAINING}{name}.csv", frame.to_csv(index=False).encode(), "text/csv")

    def learned(self, name: str | None = None, parent: Pointer | None = None) -> Pointer:
        """Let a version serve that has learned from all labelled files that there are."""
        sources = Sources.find(self.data)
        return self.promote(
            name or version_name(NOW, sources.fingerprint),
            parent,
            created=LONG_AGO.isoformat(),
            trigger="upload",
            fingerprint=sources.fingerprint,
            sources=dict(sources.etags),
        )

    def pointer(self) -> Move:
        return Move.parse(self.memory.contents("evergreen-models")[keys.POINTER])

    def manifests(self) -> dict[str, Manifest]:
        """All complete versions."""
        found = self.memory.contents("evergreen-models", keys.MODELS)
        parsed = [Manifest.parse(c) for k, c in found.items() if k.endswith(f"/{keys.MANIFEST}")]
        return {manifest.version: manifest for manifest in parsed}

    def told(self) -> list[tuple[str, str]]:
        """The events that were sent, each once, for they may be sent twice."""
        return sorted({(each["DetailType"], each["Detail"]) for each in self.memory.events})


def event(name: str) -> Any:
    return json.loads((ROOT / f"local/events/{name}.json").read_bytes())


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, and what must be so afterwards."""

    by: str
    """The function that does it, or `A_PERSON`."""
    prepare: Callable[[World], None]
    """What there is before."""
    act: Callable[[World], Any]
    """What a process does; whoever asked for it asks again where it fails."""
    result: Callable[[World, Any], Any]
    """What comes of it, also of a repetition, given what `act` returned: always the same."""
    normally: Callable[[Any], bool]
    """Whether `act`, where nothing goes wrong, returns what the scenario is about."""
    holds: Callable[[World, Any], None] = lambda world, answer: None
    """What must be so right after a fault, given what `act` returned (None where it failed)."""
    warm: Callable[[World], None] = lambda world: None
    """What the process has done before."""
    final: bool = True
    """Whether nobody asks again where `act` returns: it must have done what it is there for."""

    @property
    def role(self) -> str | None:
        """Whose rights there are; None where it is a person, who may do anything."""
        return None if self.by == A_PERSON else f"{self.by.capitalize()}FunctionRole"


def _is(status: str) -> Callable[[Any], bool]:
    return lambda answer: answer["status"] == status


# ------------------------------------------------------------ predictions


def _customers(world: World, number: int) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], to_json(world.frame.head(number), world.schema))


def _ask(world: World, path: str, body: Any) -> Any:
    asked = event("api-predict") | {"path": path, "resource": path, "body": json.dumps(body)}
    answer = world.invoke("predict", asked)
    return answer["statusCode"], json.loads(answer["body"])


def _predictions(answer: Any) -> list[dict[str, Any]]:
    status, body = answer
    return body.get("predictions", [body]) if status == 200 else []


def _predictions_were_given(answer: Any) -> bool:
    return len(_predictions(answer)) > 0


def _each_is_kept(world: World, answer: Any) -> None:
    """Hold that whatever was answered is in the stream or in the function's log."""
    kept = [orjson.loads(line) for line in [*world.memory.streamed, *world.undelivered]]
    ids = {record["prediction_id"] for record in kept}
    if answer:
        assert answer[0] in (200, 503)
        assert {each["prediction_id"] for each in _predictions(answer)} <= ids


def _answered(world: World, answer: Any) -> Any:
    streamed = [orjson.loads(line)["prediction_id"] for line in world.memory.streamed]
    predictions = _predictions(answer)
    return [
        (each["churn_probability"], each["model_version"], streamed.count(each["prediction_id"]))
        for each in predictions
    ]


def _one_version(world: World) -> None:
    world.promote("20260101T000000Z-00000001")


def _two_versions(world: World) -> None:
    world.promote("20260101T000000Z-00000001")
    world.publish("20260101T000000Z-00000002")


def _predicted_with_the_first(world: World) -> None:
    assert _ask(world, "/predict/batch", _customers(world, 1))[0] == 200
    pointer = world.registry.pointer()
    world.registry.promote("20260101T000000Z-00000002", seen=pointer, reason="better")
    world.memory.streamed.clear()


# ------------------------------------------------------------ outcomes


def _one_report(world: World) -> None:
    _one_version(world)
    world.logs.put(keys.DRIFT_LATEST, b"{}")


def _look_and_send(world: World) -> Any:
    """Ask for a report that is there, and for one that is not, and send outcomes."""
    paths = ("/drift", "/performance")
    asked = (event("api-health") | {"path": path, "resource": path} for path in paths)
    seen = [world.invoke("predict", each)["statusCode"] for each in asked]
    ids = [f"01890a5d-ac96-774b-bcce-b302099a80{number}" for number in range(10, 13)]
    given = [{"prediction_id": each, "churned": True} for each in ids]
    return seen, *_ask(world, "/outcomes", given)


def _all_are_kept(world: World, answer: Any) -> None:
    """Hold that what was accepted is in the log."""
    if answer and answer[1] != 503:
        assert answer[1] == 202
        assert len(_outcomes(world)) == 3


def _outcomes(world: World, _: Any = None) -> list[Any]:
    """What is known of whom, each as often as it is there."""
    objects = world.memory.contents("evergreen-logs", keys.OUTCOMES).values()
    found = [orjson.loads(line) for each in objects for line in gzip.decompress(each).splitlines()]
    return sorted((each["prediction_id"], each["churned"]) for each in found)


def _file_of_outcomes(world: World) -> None:
    """Put a file in, of which one row is spoilt, over one that was taken in."""
    world.promote("20260101T000000Z-00000001")
    world.data.put(OUTCOMES, b"customer_id,churned\n1,yes\n2,yes\n")
    assert _take_in(world)["accepted"] == 2
    rows = "".join(f"{number},{'no' if number else '?'}\n" for number in range(8))
    world.data.put(OUTCOMES, f"customer_id,churned\n{rows}".encode())


def _take_in(world: World) -> Any:
    created = {"detail-type": "Object Created", "detail": {"object": {"key": OUTCOMES}}}
    return world.invoke("measure", event("upload") | created)


def _taken(world: World, _: Any) -> Any:
    told = [world.memory.contents("evergreen-data", f) for f in ("received/", "rejected/")]
    return told, world.memory.contents("evergreen-logs", keys.OUTCOMES)


def _observed(world: World) -> None:
    """Predict by file, with a call list, and by API; let outcomes come, of which most surprise."""
    valued = _valued(world, control=0.3)
    valued.promote("20260101T000000Z-00000001")
    world.data.put(keys.TRAINING_SCHEMA, valued.version.files[artifact.SCHEMA])
    model = world.registry.champion(Model.load)
    table = world.frame.drop(columns="churned").head(60)
    world.data.put(UPLOAD, table.to_csv(index=False).encode())
    scoring = Scoring(world.data, world.logs)
    scored = Uploads(world.data, lambda: model, lambda: EARLIER, scoring, None)
    summary = scored.score(UPLOAD, lambda: 900.0)
    assert summary
    assert summary.call_list
    given = to_json(world.frame.drop(columns="churned")[60:240], model.schema)
    made = records(model.schema, predict(model, given), given)
    for number, record in enumerate(made):
        told_apart = {"prediction_id": f"01890a5d-ac96-774b-bcce-{number:012x}"}
        record |= told_apart | {"predicted_at": EARLIER.isoformat()}
    world.logs.put(f"{keys.inference_hour(EARLIER)}part-0", b"\n".join(map(orjson.dumps, made)))
    usual = sorted(each["churn_probability"] for each in made)[len(made) // 2]
    told: list[dict[str, Any]] = [
        {"prediction_id": each["prediction_id"], "churned": each["churn_probability"] < usual}
        for each in made
    ]
    called = [(str(who), n % 3 > 0) for n, who in enumerate(table["customer_id"])]
    told += [{"key": {"customer_id": who}, "churned": churned} for who, churned in called[9:]]
    accept(world.logs, model.schema, told, MONDAY - HOUR, "request")
    rows = "".join(f"{who},{'yes' if churned else 'no'}\n" for who, churned in called[:9])
    content = f"customer_id,churned\n{rows}".encode()
    put = Stored(content, "text/csv", modified=MONDAY - HOUR)
    world.memory.buckets["evergreen-data"][OUTCOMES] = (put,)
    assert _take_in(world)["accepted"] == 9


def measure(world: World, time: datetime = MONDAY, request: str = "1") -> Any:
    """Measure as the schedule asks for it; nobody is told again of what is noted as told."""
    noted, told = _performance(world).get("announced"), len(world.memory.events)
    answer = world.invoke("measure", event("schedule") | {"time": time.isoformat()}, request)
    if noted:
        assert len(world.memory.events) == told
    return answer


def _performance(world: World) -> dict[str, Any]:
    stored = world.memory.contents("evergreen-logs", keys.PERFORMANCE)
    return cast(dict[str, Any], orjson.loads(stored.get(keys.PERFORMANCE, b"{}")))


def _decay_was_seen(answer: Any) -> bool:
    counts = answer["outcomes"]["matched"], answer["learned"]["written"]
    return bool(answer["decay"]["seen"] and counts == (240, 240))


def _measured(world: World, _: Any) -> Any:
    kept = world.memory.contents("evergreen-logs", "performance/")
    del kept[keys.PERFORMANCE_LOCK]
    files = world.memory.contents("evergreen-data", keys.TRAINING)
    return kept, world.memory.contents("evergreen-logs", keys.INDEX), files, world.told()


def measured_in_effect(world: World, _: Any) -> Any:
    """What is known, whenever that was found; rows that are the same count once in a training."""
    performance = {**_performance(world), "measured_at": None}
    learned = world.memory.contents("evergreen-logs", keys.LEARNED)
    files = world.memory.contents("evergreen-data", f"{keys.TRAINING}outcomes-").values()
    rows = {line for each in files for line in gzip.decompress(each).splitlines()}
    return performance, learned, rows, world.told()


# ------------------------------------------------------------ what Firehose did not take


def _replay(world: World) -> Any:
    """Put ten records of two hours into the log, as a person does who looks at four."""
    given = to_json(world.frame.head(10), world.schema)
    times = [NOW - n % 2 * HOUR for n in range(10)]
    made = [
        {**record, "prediction_id": f"p{n}", "predicted_at": at.isoformat()}
        for n, (at, record) in enumerate(
            zip(times, records(world.schema, predict(world.model, given), given), strict=True)
        )
    ]

    def find(since: datetime, until: datetime) -> Iterator[str]:
        # a line is written down a little after the prediction
        for at, record in zip(times, made, strict=True):
            if since <= at + timedelta(minutes=57) < until:
                yield json.dumps(record)

    return replay(world.logs, find, NOW - 2 * HOUR, NOW + 2 * HOUR)


# ------------------------------------------------------------ uploads


def _upload(world: World, rows: int, *, spoilt: bool = True) -> None:
    """Put a file in, of which one row may be spoilt, over one that was all rejected."""
    world.promote("20260101T000000Z-00000001")
    table = world.frame.drop(columns="churned").head(rows).copy()
    world.data.put(UPLOAD, table.head(2).assign(contract="?").to_csv(index=False).encode())
    world.invoke("score", event("upload") | {"detail": {"object": {"key": UPLOAD}}})
    table.loc[7, "contract"] = "?" if spoilt else "monthly"
    world.data.put(UPLOAD, table.to_csv(index=False).encode())


def _valued(world: World, control: float = 0) -> World:
    """Let the version's schema state what customers are worth, so that there are call lists."""
    document = json.loads(world.version.files[artifact.SCHEMA])
    document["target"] |= {"value": {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}}
    document["target"] |= {"call_list": {"control": control}} if control else {}
    files = {**world.version.files, artifact.SCHEMA: json.dumps(document).encode()}
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    return replace(world, version=Artifact(replace(world.version.manifest, files=hashes), files))


def _all_bad(world: World) -> None:
    """Put a file in of which nothing can be scored, over one that has a call list."""
    _upload(_valued(world), 40)
    assert _score(world)["call_list"]["customers"] > 0
    table = world.frame.drop(columns="churned").head(20)
    world.data.put(UPLOAD, table.assign(contract="?").to_csv(index=False).encode())


def _score(world: World) -> Any:
    return world.invoke("score", event("upload") | {"detail": {"object": {"key": UPLOAD}}})


def _score_in_parts(world: World) -> Any:
    """Score as the state machine does, which calls the function for each part."""
    summary = _score(world)
    if summary["status"] != "in parts":
        return summary
    job = json.loads(next(iter(world.memory.executions.values())))["job"]
    table = world.memory.contents("evergreen-data")[keys.score_job_parts(job)].decode()
    for part in csv.DictReader(io.StringIO(table)):
        world.invoke("score", {"job": job, **part})
    return world.invoke("score", {"job": job, "join": True})


def _scored(world: World, _: Any) -> Any:
    results = {
        folder: world.memory.contents("evergreen-data", folder)
        for folder in ("scored/", "rejected/", "waiting/")
    }
    return results, _records(world)


def _records(world: World) -> list[str]:
    """The records of the log, each as often as it is there, but for the time."""
    objects = world.memory.contents("evergreen-logs", keys.INFERENCE).values()
    lines = [orjson.loads(line) for each in objects for line in gzip.decompress(each).splitlines()]
    return sorted(json.dumps({**line, "predicted_at": ""}, sort_keys=True) for line in lines)


def _waiting(world: World) -> None:
    """Let an upload wait for the first model, which then comes."""
    table = world.frame.drop(columns="churned").head(5)
    world.data.put(UPLOAD, table.to_csv(index=False).encode())
    assert _score(world)["status"] == "waiting"
    world.promote("20260101T000000Z-00000001")


def _wake(world: World) -> Any:
    """Wake what waits, and score it as the event asks."""
    world.invoke("score", event("model-promoted"))
    return [world.invoke("score", {"detail": json.loads(d)}) for _, d in world.told()]


def _waits_or_is_wanted(world: World, _: Any) -> None:
    assert world.told() or world.memory.contents("evergreen-data", keys.WAITING)


# ------------------------------------------------------------ the loop


def _drifted(world: World, *, more: bool = False) -> None:
    """Let the log be full of customers of another kind, as two checks have seen already."""
    pointer = world.promote("20260101T000000Z-00000001")
    early = replace(pointer.move, moved_at=LONG_AGO.isoformat())
    world.registry.bucket.put(keys.POINTER, early.to_bytes())
    given = to_json(customers(250, seed=3, shift=1.0), world.schema)
    made = records(world.schema, predict(world.model, given), given)
    then = (NOW - 2 * HOUR).isoformat()
    lines = [orjson.dumps(each | {"predicted_at": then}) for each in made]
    hour = keys.inference_hour(NOW - 2 * HOUR)
    for part in range(2):
        world.logs.put(f"{hour}part-{part}", b"\n".join(lines[part::2]))
    empty = {"performance_version": 1, "weeks": [], "campaigns": [], "decay": None}
    world.logs.put(keys.PERFORMANCE, json.dumps(empty).encode())
    for hours in (2, 1):
        assert _check(world, NOW - hours * HOUR)["verdict"] == "drift"
    if more:  # than one function reads
        world.logs.put(f"{hour}part-2", b"\n".join(lines))


def _check(world: World, time: datetime = NOW) -> Any:
    return world.invoke("drift", event("schedule") | {"time": time.isoformat()})


def _check_in_parts(world: World) -> Any:
    """Check as the state machine does, which calls the function for each part."""
    answer = _check(world)
    if answer["verdict"] != "counting":
        return answer
    job = json.loads(next(iter(world.memory.executions.values())))["job"]
    parts = world.memory.contents("evergreen-logs", job)[f"{job}0/parts.json"]
    for part in range(json.loads(parts)):
        world.invoke("drift", {"job": job, "round": 0, "part": part})
    return world.invoke("drift", {"job": job, "round": 0, "merge": True})


def _reported(world: World, _: Any) -> Any:
    """Report, page, counts, history, latest: all that a check leaves behind."""
    return world.memory.contents("evergreen-logs", keys.DRIFT), world.told()


def _labelled(world: World) -> None:
    world.data.put(keys.TRAINING_SCHEMA, json.dumps(world.schema.document).encode())
    world.label("history", world.frame)


def _nothing_new(world: World) -> None:
    _labelled(world)
    world.learned()


def _news(world: World) -> None:
    _nothing_new(world)
    world.label("new", customers(900, seed=9, shift=1.0))


def _retrained(world: World, _: Any) -> Any:
    """What serves and why, and what else there is: all but names and times, which are new."""
    assert world.pointer().key in world.memory.contents("evergreen-models", keys.PROMOTIONS)
    manifests = world.manifests()
    serving = manifests[world.pointer().version]
    previous = world.pointer().previous
    others = {_judged(m) for m in manifests.values() if m.version != serving.version}
    return _judged(serving), previous and _judged(manifests[previous]), others


def _retrained_and_told(world: World, answer: Any) -> Any:
    told = {kind for kind, _ in world.told()}
    return _retrained(world, answer), told


def _judged(manifest: Manifest) -> tuple[str, ...]:
    return manifest.fingerprint, str(manifest.parent), json.dumps(manifest.decision)


# ------------------------------------------------------------ a person


def _one_waits(world: World) -> None:
    """Let a version wait whose new file was set aside."""
    _nothing_new(world)
    world.label("new", world.frame.head(10))
    sources = Sources.find(world.data)
    world.publish("20260109T000000Z-00000009", sources=dict(sources.etags))
    _set_new_aside(world)


def _set_new_aside(world: World) -> None:
    Stewardship(world.registry).set_aside.add(
        NEW, Sources.find(world.data).etags[NEW], "suspicious", NOW
    )


def _one_is_wrong(world: World) -> None:
    """Let the newest of two versions know a file that the other does not."""
    _labelled(world)
    first = world.learned("20260101T000000Z-00000001")
    world.label("new", world.frame.head(10))
    world.learned("20260101T000000Z-00000002", first)


def _one_is_aside(world: World) -> None:
    _nothing_new(world)
    world.label("new", world.frame.head(10))
    _set_new_aside(world)


def _unless_done(act: Callable[[], Any]) -> Any:
    """Act as a person who is told on the second try that it was done on the first."""
    try:
        return act()
    except InputError as error:
        return str(error)


def _was_done(answer: Any) -> bool:
    return not isinstance(answer, str)


def _the_newest_is_wrong(world: World) -> None:
    """Let the newest of three versions know a file that the others do not."""
    _one_is_wrong(world)
    world.label("newer", world.frame.head(20))
    world.learned("20260101T000000Z-00000003", world.registry.pointer())


def _roll_back(world: World, to: str | None = None) -> Any:
    return Stewardship(world.registry).roll_back("it was wrong", to)


def _decided(world: World, _: Any) -> Any:
    asides = world.memory.contents("evergreen-models", keys.SET_ASIDE).values()
    entries: list[Mapping[str, Any]] = [json.loads(content) for content in asides]
    held = sorted(e["key"] for e in entries if not e["released_at"])
    released = sorted(e["key"] for e in entries if e["released_at"])
    pointer = world.registry.pointer()
    succession = [*world.registry.succession(pointer)]
    moves = [(each.version, each.kind, each.reason) for each in world.registry.history(pointer)]
    return moves, _noted(world), succession, held, released


def _noted(world: World) -> list[str]:
    """The versions that served, as the history has it."""
    noted = world.memory.contents("evergreen-models", keys.PROMOTIONS).values()
    return [Move.parse(content).version for content in noted]


SCENARIOS = {
    "predict one": Scenario(
        by="predict",
        prepare=_one_version,
        act=lambda world: _ask(world, "/predict", _customers(world, 1)[0]),
        result=_answered,
        normally=_predictions_were_given,
        holds=_each_is_kept,
        final=False,
    ),
    "predict a batch while the champion changes": Scenario(
        by="predict",
        prepare=_two_versions,
        warm=_predicted_with_the_first,
        act=lambda world: _ask(world, "/predict/batch", _customers(world, 3)),
        result=_answered,
        normally=_predictions_were_given,
        holds=_each_is_kept,
        final=False,
    ),
    "look at reports and send outcomes": Scenario(
        by="predict",
        prepare=_one_report,
        act=_look_and_send,
        result=_outcomes,
        normally=lambda answer: answer == ([200, 404], 202, {"accepted": 3, "contradictions": []}),
        holds=_all_are_kept,
        final=False,
    ),
    "take a file of outcomes in": Scenario(
        by="measure",
        prepare=_file_of_outcomes,
        act=_take_in,
        result=_taken,
        normally=lambda answer: (answer["accepted"], answer["rejected"]) == (7, 1),
    ),
    "measure": Scenario(
        by="measure",
        prepare=_observed,
        act=measure,
        result=_measured,
        normally=_decay_was_seen,
    ),
    "score an upload": Scenario(
        by="score",
        prepare=lambda world: _upload(world, 40),
        act=_score,
        result=_scored,
        normally=_is("scored"),
    ),
    "score a mended upload": Scenario(
        by="score",
        prepare=lambda world: _upload(world, 20, spoilt=False),
        act=_score,
        result=_scored,
        normally=_is("scored"),
    ),
    "score an upload in parts": Scenario(
        by="score",
        prepare=lambda world: _upload(world, 60),
        act=_score_in_parts,
        result=_scored,
        normally=_is("scored"),
    ),
    "score an upload with a call list in parts": Scenario(
        by="score",
        prepare=lambda world: _upload(_valued(world), 60),
        act=_score_in_parts,
        result=_scored,
        normally=lambda answer: answer["call_list"]["customers"] > 0,
    ),
    "take a call list back": Scenario(
        by="score",
        prepare=_all_bad,
        act=_score,
        result=_scored,
        normally=lambda answer: answer["scored"] == 0,
    ),
    "wake an upload": Scenario(
        by="score",
        prepare=_waiting,
        act=_wake,
        result=_scored,
        normally=lambda answers: [each["status"] for each in answers] == ["scored"],
        holds=_waits_or_is_wanted,
    ),
    "check for drift": Scenario(
        by="drift",
        prepare=_drifted,
        act=_check,
        result=_reported,
        normally=lambda answer: answer["verdict"] == "drift",
    ),
    "check for drift in parts": Scenario(
        by="drift",
        prepare=lambda world: _drifted(world, more=True),
        act=_check_in_parts,
        result=_reported,
        normally=lambda answer: (answer["verdict"], answer.get("round")) == ("drift", 0),
    ),
    "retrain and promote": Scenario(
        by="retrain",
        prepare=_news,
        act=lambda world: world.invoke("retrain", event("drift-detected")),
        result=_retrained_and_told,
        normally=_is("promoted"),
    ),
    "retrain and keep": Scenario(
        by="retrain",
        prepare=_nothing_new,
        act=lambda world: world.invoke("retrain", {}),
        result=_retrained,
        normally=_is("kept"),
    ),
    "promote by hand": Scenario(
        by=A_PERSON,
        prepare=_one_waits,
        act=lambda world: Stewardship(world.registry).promote(
            "20260109T000000Z-00000009", "it is right"
        ),
        result=_decided,
        normally=lambda move: move.kind == "promotion",
    ),
    "roll back": Scenario(
        by=A_PERSON,
        prepare=_the_newest_is_wrong,
        act=_roll_back,
        result=_decided,
        normally=lambda move: move.kind == "rollback",
    ),
    "roll back to a version": Scenario(
        by=A_PERSON,
        prepare=_the_newest_is_wrong,
        act=lambda world: _roll_back(world, "20260101T000000Z-00000001"),
        result=_decided,
        normally=lambda move: move.kind == "rollback",
    ),
    "release": Scenario(
        by=A_PERSON,
        prepare=_one_is_aside,
        act=lambda world: _unless_done(
            lambda: Stewardship(world.registry).release(NEW, "it is right")
        ),
        result=_decided,
        normally=_was_done,
    ),
    "replay what was not taken": Scenario(
        by=A_PERSON,
        prepare=_one_version,
        act=_replay,
        result=lambda world, _: _records(world),
        normally=lambda told: (told.written, len(told.objects)) == (10, 4),
    ),
}
