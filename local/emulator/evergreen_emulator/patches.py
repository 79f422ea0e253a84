"""Corrections to LocalStack 4.14.0."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial, wraps
from typing import Any
from urllib.parse import unquote


def install() -> None:
    """Apply them; before LocalStack starts."""
    _listen_on_loopback_only()
    _update_aliases_in_place()
    _tell_the_event_bus_raw_keys()
    _delete_on_condition()
    _count_rates_from_the_rule()
    _hold_functions_to_their_roles()


def _listen_on_loopback_only() -> None:
    """LocalStack's server ignores the host in GATEWAY_LISTEN and listens on every interface."""
    from twisted.internet import endpoints

    endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")


def _update_aliases_in_place() -> None:
    """LocalStack can't update an alias; it replaces it, which is refused for the name is taken.

    Its CloudFormation replaces a resource whose create-only property refers to anything that has
    changed, such as the function, so those properties are told apart here, by their values.
    """
    from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
    from localstack.services.lambda_.resource_providers.lambda_alias import LambdaAliasProvider

    def update(self: Any, request: Any) -> Any:
        before, after = request.previous_state, request.desired_state
        aliases = request.aws_client_factory.lambda_
        identity = ("FunctionName", "Name")
        content = ("FunctionVersion", "Description", "RoutingConfig")
        arguments = {name: after[name] for name in (*identity, *content) if name in after}
        if all(before[name] == after[name] for name in identity):
            alias = aliases.update_alias(**arguments)
        else:
            alias = aliases.create_alias(**arguments)
            aliases.delete_alias(**{name: before[name] for name in identity})
        return ProgressEvent(
            status=OperationStatus.SUCCESS, resource_model={**after, "Id": alias["AliasArn"]}
        )

    LambdaAliasProvider.SCHEMA["createOnlyProperties"] = []
    LambdaAliasProvider.update = update


def _tell_the_event_bus_raw_keys() -> None:
    """LocalStack encodes an object's key for all receivers; S3 tells EventBridge the key itself."""
    from localstack.services.s3.notifications import EventBridgeNotifier

    payload = EventBridgeNotifier._get_event_payload

    @wraps(payload)
    def raw(context: Any, *rest: Any) -> Any:
        return payload(replace(context, key_name=unquote(context.key_name)), *rest)

    EventBridgeNotifier._get_event_payload = staticmethod(raw)


def _delete_on_condition() -> None:
    """LocalStack refuses DeleteObject with If-Match, which S3 knows since September 2025."""
    from localstack.services.s3 import provider

    delete = provider.S3Provider.delete_object

    @wraps(delete)
    def delete_object(
        self: Any, context: Any, bucket: str, key: str, *rest: Any, **more: Any
    ) -> Any:
        etag = more.pop("if_match", None)
        if etag:
            _, found = self._get_cross_account_bucket(context, bucket)
            provider.verify_object_equality_precondition_write(found, key, etag)
        return delete(self, context, bucket, key, *rest, **more)

    provider.S3Provider.delete_object = delete_object


def _count_rates_from_the_rule() -> None:
    """LocalStack runs `rate(1 hour)` on the hour; EventBridge counts from when the rule was made.

    Who deploys at 10:58 would see the first check in the midst of what they try out.
    """
    from localstack.services.events import rule

    convert = rule.convert_schedule_to_cron

    @wraps(convert)
    def counted(schedule: str) -> str:
        cron: str = convert(schedule)
        if not (schedule.strip().startswith("rate") and cron.startswith("0 ")):
            return cron  # at times of its own, or every few minutes
        now = datetime.now(UTC)
        _, hour, rest = cron.split(maxsplit=2)
        if hour.startswith("*/"):
            hours = int(hour.removeprefix("*/"))
            return f"{now.minute} {now.hour % hours}-23/{hours} {rest}"
        return f"{now.minute} {now.hour} {rest}"

    rule.convert_schedule_to_cron = counted


def _hold_functions_to_their_roles() -> None:
    """LocalStack lets everybody do everything."""
    from evergreen_emulator import permissions

    permissions.install()
