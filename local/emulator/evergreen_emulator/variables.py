"""The environment variables of a Lambda process."""

from collections.abc import Mapping
from pathlib import Path

RUNTIME = "python3.13"
"""The one runtime there is: the interpreter that the emulator was given."""

_INTERNAL = ("LOCALSTACK_", "EDGE_PORT")


def variables(
    given: Mapping[str, object], declared: Mapping[str, str], code: Path, opt: Path, scratch: Path
) -> dict[str, str]:
    """What AWS sets, with the folders of this machine, and nothing of LocalStack's own environment.

    `given` is what LocalStack would hand to a container, the function's `declared` variables among
    it. What is LocalStack's private affair is left out, so that no function can come to rely on it.
    """
    kept = {
        name: str(value)
        for name, value in given.items()
        if name in declared or not name.startswith(_INTERNAL)
    }
    python = f"{opt}/python/lib/{RUNTIME}/site-packages:{opt}/python"
    return {
        "LANG": "C.UTF-8",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{opt}/bin",
        "LD_LIBRARY_PATH": f"{code}:{code}/lib:{opt}/lib",
        **kept,
        "PYTHONPATH": ":".join(filter(None, [str(code), python, kept.get("PYTHONPATH")])),
        "LAMBDA_TASK_ROOT": str(code),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIME}",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }
