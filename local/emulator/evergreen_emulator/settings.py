"""How LocalStack is configured."""

from pathlib import Path

LAMBDA_PYTHON = "EVERGREEN_LAMBDA_PYTHON"
"""Names the interpreter, with awslambdaric installed, that runs the functions."""

PERMISSIONS = "EVERGREEN_PERMISSIONS"
"""Names the file that tells which permissions the functions have used, and what they lacked."""

INIT_TIMEOUT = 60
"""Seconds to load a handler: AWS grants 10, on machines that do nothing else meanwhile."""


FOLDERS = {"FILESYSTEM_ROOT": "root", "TMPDIR": "tmp", "XDG_CACHE_HOME": "cache", "HOME": "home"}
"""Where LocalStack writes, below its data folder."""


def environment(port: int, data: Path, lambda_python: Path) -> dict[str, str]:
    """The whole environment of LocalStack; none of the caller's reaches it or a function."""
    return {
        **{name: str(data / folder) for name, folder in FOLDERS.items()},
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_HOST": f"localhost:{port}",
        "SQS_ENDPOINT_STRATEGY": "path",
        # functions are processes of ours, and there is no Docker to look for
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        LAMBDA_PYTHON: str(lambda_python),
        PERMISSIONS: str(data / "permissions.jsonl"),
        "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": str(INIT_TIMEOUT + 10),
        "DOCKER_HOST": f"unix://{data}/no-docker.sock",
        # asynchronous failures are retried after 1 and 2 seconds, not after 1 and 2 minutes
        "LAMBDA_RETRY_BASE_DELAY": "1",
        # nothing leaves this machine, and nobody else's name service or browser is served
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "DISABLE_CORS_CHECKS": "1",
    }
