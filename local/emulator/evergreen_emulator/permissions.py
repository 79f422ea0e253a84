"""Functions may do what their roles' policies allow, which LocalStack does not look at.

A call is checked by the role whose credentials it was signed with. Whoever has others is not: the
command line, CloudFormation, and LocalStack's own services in the name of a role.

Not as on AWS: policies of resources, of organizations and of sessions are not looked at, nor are
presigned addresses; a permissions boundary refuses everything.
"""

import json
import logging
import os
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.handlers.service import ServiceRequestRouter
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header

from evergreen_emulator.needs import Call
from evergreen_emulator.policies import Need, Rule, UnknownError, decisive, rules
from evergreen_emulator.settings import PERMISSIONS

_LOG = logging.getLogger(__name__)
_OF_ROLES = ("LSIA", "ASIA")
_MISSING = {"NoSuchKey", "NoSuchVersion", "404"}


class _Record:
    """A file of JSON lines: every rule that allowed something, and what was refused; each once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: set[tuple[str, ...]] = set()
        self._writing = threading.Lock()

    def used(self, role: str, rule: Rule) -> None:
        if (entry := (role, rule.action, rule.resource)) not in self._known:
            self._add(entry, role=role, action=rule.action, statement=rule.resource)

    def refused(self, role: str, action: str, resource: str, reason: str) -> None:
        _LOG.warning("%s was refused %s on %s %s", role, action, resource, reason)
        if (entry := (role, action, resource, reason)) not in self._known:
            self._add(entry, role=role, action=action, resource=resource, refused=reason)

    def _add(self, entry: tuple[str, ...], **line: str) -> None:
        with self._writing:
            if entry not in self._known:
                with self._file.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                self._known.add(entry)


class _Check:
    """One call of a function, and what its role allows."""

    def __init__(self, context: RequestContext, role: str, record: _Record) -> None:
        self._context, self._role, self._record = context, role, record
        self._call = Call(
            service=context.service.service_name,
            operation=context.operation.name,
            parameters={
                name: value
                for name, value in (context.service_request or {}).items()
                if value is not None  # as S3's are that were not sent
            },
            partition=context.partition,
            region=context.region,
            account=context.account_id,
        )

    def before(self) -> None:
        """Refuse the call unless all that it takes is allowed."""
        try:
            for need in self._call.needs:
                self._decide(need)
        except UnknownError as error:
            name = f"{self._call.service}:{self._call.operation}"
            self._refuse(Need(name, "?"), f"because the emulator does not know {error}")

    def after(self) -> None:
        """Refuse to tell that an object is not there, as S3 does to those who may not list."""
        failed = self._context.service_exception
        if failed is not None and failed.code in _MISSING:
            for need in self._call.tells_what_is_missing:
                self._decide(need)

    def _decide(self, need: Need) -> None:
        rule = decisive(rules(_policies(self._context, self._role)), need)
        if rule is None:
            self._refuse(need, f"because no identity-based policy allows the {need.action} action")
        elif not rule.allows:
            self._refuse(need, "with an explicit deny in an identity-based policy")
        else:
            self._record.used(self._role, rule)

    def _refuse(self, need: Need, reason: str) -> NoReturn:
        self._record.refused(self._role, need.action, need.resource, reason)
        message = (
            f"User: {self._role} is not authorized to perform: {need.action} "
            f"on resource: {need.resource} {reason}"
        )
        if "json" in self._context.protocol:
            raise CommonServiceException("AccessDeniedException", message, 400, sender_fault=True)
        raise CommonServiceException("AccessDenied", message, 403, sender_fault=True)


def install() -> None:
    """Check every call before LocalStack's services get it."""
    route: Callable[..., None] = ServiceRequestRouter.__call__
    record = _Record(Path(os.environ[PERMISSIONS]))

    @wraps(route)
    def checked(self: Any, chain: Any, context: RequestContext, response: Any) -> None:
        role = _role(context)
        if role is None:
            return route(self, chain, context, response)
        check = _Check(context, role, record)
        check.before()
        route(self, chain, context, response)
        check.after()

    ServiceRequestRouter.__call__ = checked


def _role(context: RequestContext) -> str | None:
    """The role that a function's call was signed for; None: it is nobody's whom we check."""
    key = extract_access_key_id_from_auth_header(context.request.headers) or ""
    if context.is_internal_call or not context.operation or not key.startswith(_OF_ROLES):
        return None
    from moto.iam.models import iam_backends  # that LocalStack has loaded and mended by now

    found = iam_backends[context.account_id][context.partition].access_keys.get(key)
    return found.role_arn if found else None


def _policies(context: RequestContext, arn: str) -> tuple[str, ...]:
    """The policies of a role as they are now."""
    from moto.iam.exceptions import NotFoundException
    from moto.iam.models import iam_backends

    try:
        role = iam_backends[context.account_id][context.partition].get_role_by_arn(arn)
    except NotFoundException:
        raise UnknownError(f"the role {arn}") from None
    if role.permissions_boundary_arn:
        raise UnknownError(f"permissions boundaries, and {arn} has one")
    managed = (
        version.document
        for policy in tuple(role.managed_policies.values())
        for version in policy.versions
        if version.version_id == policy.default_version_id
    )
    return (*tuple(role.policies.values()), *managed)
