"""What IAM policies allow, as far as the emulator knows their language.

Of what it does not know it says so, with an `UnknownError`: never is a call allowed because a
statement was not understood.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}
_OPERATORS = {"StringEquals", "StringLike"}
_KEYS = {"s3:prefix"}
_ARN_PARTS = 6


class UnknownError(Exception):
    """The emulator can't tell what a policy says of a call; the message is fit for people."""


@dataclass(frozen=True, slots=True)
class Need:
    """One permission that a call takes."""

    action: str
    resource: str
    context: Mapping[str, str] = MappingProxyType({})
    """The request's condition keys; those that it does not have fulfil no condition."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a statement says of one of its actions on one of its resources, both as written."""

    allows: bool
    action: str
    resource: str
    conditions: tuple[tuple[str, re.Pattern[str]], ...]
    """Keys, and what their values must match."""
    actions: re.Pattern[str]
    resources: re.Pattern[str]

    def is_about(self, need: Need) -> bool:
        """Whether it decides on this permission."""
        return (
            self.actions.fullmatch(need.action) is not None
            and self.resources.fullmatch(need.resource) is not None
            and all(
                key in need.context and values.fullmatch(need.context[key])
                for key, values in self.conditions
            )
        )


@lru_cache
def rules(documents: tuple[str, ...]) -> tuple[Rule, ...]:
    """Read policies; denials come first. Raises UnknownError."""
    found = (rule for document in documents for rule in _read(json.loads(document)))
    return tuple(sorted(found, key=lambda rule: rule.allows))


def decisive(rules: Iterable[Rule], need: Need) -> Rule | None:
    """Return the rule that allows or denies this; None: nothing allows it, so it is denied."""
    return next((rule for rule in rules if rule.is_about(need)), None)


def _read(policy: Mapping[str, Any]) -> Iterator[Rule]:
    for statement in _list(policy["Statement"]):
        if unknown := statement.keys() - _ELEMENTS:
            raise UnknownError(f"{', '.join(sorted(unknown))} in a policy")
        conditions = tuple(_conditions(statement.get("Condition", {})))
        for action in _list(statement["Action"]):
            for resource in _list(statement["Resource"]):
                yield Rule(
                    allows=statement["Effect"] == "Allow",
                    action=action,
                    resource=resource,
                    conditions=conditions,
                    actions=re.compile(_wild(action, "."), re.IGNORECASE),
                    resources=re.compile(_arns(resource), re.DOTALL),
                )


def _conditions(written: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, re.Pattern[str]]]:
    for operator, keys in written.items():
        if operator not in _OPERATORS:
            raise UnknownError(f"the condition operator {operator}")
        for key, values in keys.items():
            if key not in _KEYS:
                raise UnknownError(f"the condition key {key}")
            like = operator == "StringLike"
            either = (_wild(v, ".") if like else re.escape(_plain(v)) for v in _list(values))
            yield key, re.compile("|".join(either), re.DOTALL)


def _arns(pattern: str) -> str:
    """Write a pattern of ARNs; only in the last part do wildcards reach beyond a colon."""
    if pattern == "*":
        return ".*"
    *parts, resource = pattern.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS - 1:
        raise UnknownError(f"the resource {pattern}")
    return ":".join([*(_wild(part, "[^:]") for part in parts), _wild(resource, ".")])


def _wild(pattern: str, any_character: str) -> str:
    wildcards = {"*": f"{any_character}*", "?": any_character}
    return "".join(wildcards.get(c, re.escape(c)) for c in _plain(pattern))


def _plain(text: str) -> str:
    if "${" in text:
        raise UnknownError(f"the policy variable in {text}")
    return text


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
