"""Corrections to LocalStack 4.14.0."""

from functools import partial
from typing import Any


def install() -> None:
    """Apply them; before LocalStack starts."""
    _listen_on_loopback_only()
    _update_aliases_in_place()


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
