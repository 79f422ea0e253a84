"""`make compose`: API containers and LocalStack from one file."""

from collections.abc import Callable

import httpx2 as httpx

from local.containers.engine import Engine, EngineError
from local.containers.localstack import Compose
from local.demo.source import find
from tests.ports import free_port

from .answers import ask
from .conftest import Make, require_docker


def test_two_api_containers_answer_alike_and_ctrl_c_leaves_nothing(
    engine: Engine, make: Make, nothing_left: Callable[[], None]
) -> None:
    try:
        Compose.find(engine, 4566)
    except EngineError as lacking:
        require_docker(str(lacking))
    ports = (first := free_port(2)), first + 1
    command = make("compose", f"PORT={free_port()}", API_PORTS=f"{ports[0]}-{ports[1]}")
    urls = [f"http://127.0.0.1:{port}" for port in ports]

    def ready(url: str) -> bool:
        try:
            return httpx.get(f"{url}/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    command.until(lambda: all(map(ready, urls)), 400)
    customer = find(None, None).schema.example()
    (one,), (other,) = (ask(url, [customer]) for url in urls)
    assert one.pop("prediction_id") != other.pop("prediction_id")
    assert one == other

    command.interrupt()
    nothing_left()
    assert not command.family()
