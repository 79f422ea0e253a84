"""Model versions as a person looks at them: what one is, how two differ, whether one is sound."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from evergreen.errors import CorruptModelError, InputError, NotFoundError
from evergreen.models import artifact
from evergreen.models.artifact import Artifact, Manifest
from evergreen.store import keys
from evergreen.store.registry import Registry

Differences = dict[str, tuple[Any, Any]]
"""What two versions have under a name; None where one has nothing."""

_SETTINGS = ("learner", "chosen", "threshold", "rows")


def verdict(decision: Mapping[str, Any]) -> str:
    """Say in a word what the gate decided."""
    if decision["promoted"]:
        return "promoted"
    return "waits" if decision.get("waits") else "kept"


def waiting(registry: Registry) -> Iterator[Manifest]:
    """Find the versions that a person has to decide on: judged against the one that serves."""
    serving = registry.pointer().version
    for manifest in registry.manifests():
        if manifest.version == serving:
            return
        if manifest.parent == serving and verdict(manifest.decision) == "waits":
            yield manifest


def describe(registry: Registry, version: str) -> dict[str, Any]:
    """Return a version's manifest, metrics and schema; raises InputError where there is none."""
    found = _fetch(registry, version)
    manifest = found.manifest
    return {
        "version": manifest.version,
        "serves": manifest.version == registry.pointer().version,
        "created": manifest.created,
        "trigger": manifest.trigger,
        "parent": manifest.parent,
        "decision": manifest.decision,
        "warnings": manifest.warnings,
        "sources": manifest.sources,
        "history": manifest.history,
        "libraries": manifest.libraries,
        "metrics": json.loads(found.files[artifact.METRICS]),
        "schema": json.loads(found.files[artifact.SCHEMA]),
    }


def compare(registry: Registry, one: str, other: str) -> dict[str, Any]:
    """Say in what two versions differ; raises InputError where one of them is not there."""
    before, after = (describe(registry, version) for version in (one, other))
    metrics = before["metrics"], after["metrics"]
    parts = {
        "schema": _differences(*map(_fields, (before, after))),
        "metric": _differences(*(each["held_out"] for each in metrics)),
        "importance": _differences(*(each["importance"] for each in metrics)),
        "setting": _differences(*map(_settings, (before, after))),
        "source": _differences(before["sources"], after["sources"]),
    }
    return {"versions": [before["version"], after["version"]], "parts": parts}


def versions(registry: Registry) -> Iterator[str]:
    """Name all versions, newest first, those as well whose manifest is broken."""
    for version in reversed([*registry.bucket.folders(keys.MODELS)]):
        if any(registry.bucket.list(keys.model_file(version, keys.MANIFEST))):
            yield version


def fault(registry: Registry, version: str) -> str | None:
    """Say what is wrong with a version; None where it is what was published, and answers so.

    Every file is hashed, and the golden rows are replayed; nothing is unpickled.

    Raises:
        InputError: there is no such version.

    """
    from evergreen.models.model import Model  # whose runtime takes a while to import

    try:
        manifest = _manifest(registry, version)
        Model.load(registry.fetch(version, manifest.files).verify())
    except (CorruptModelError, NotFoundError) as error:
        return str(error)
    return None


def _fetch(registry: Registry, version: str) -> Artifact:
    _manifest(registry, version)
    return registry.fetch(version, (artifact.METRICS, artifact.SCHEMA))


def _manifest(registry: Registry, version: str) -> Manifest:
    try:
        return registry.manifest(version)
    except NotFoundError:
        raise InputError(
            f"there is no version {version}: `evergreen models list` names them"
        ) from None


def _fields(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schema says of each of its fields, and of itself, as text."""
    schema = described["schema"]
    fields = {field["name"]: _text(field) for field in schema["fields"]}
    return fields | {name: _text(value) for name, value in schema.items() if name != "fields"}


def _settings(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a version was made."""
    libraries: dict[str, Any] = described["libraries"]
    metrics = {name: described["metrics"].get(name) for name in _SETTINGS}
    made = {name: described[name] for name in ("trigger", "parent")}
    return made | metrics | libraries


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{n} {_text(v)}" for n, v in value.items() if n not in _PROSE)
    return " ".join(map(_text, value)) if isinstance(value, list) else str(value)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """Return what differs, in the order of what is new."""
    return {
        name: (before.get(name), after.get(name))
        for name in {**after, **before}
        if before.get(name) != after.get(name)
    }


_PROSE = ("name", "description", "example", "title")
