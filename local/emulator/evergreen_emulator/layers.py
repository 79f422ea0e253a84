"""A function's layers, merged into one folder as AWS merges them into /opt."""

import os
import shutil
import tempfile
import threading
from hashlib import sha256
from pathlib import Path

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

_merging = threading.Lock()


def merged(version: FunctionVersion) -> Path:
    """The /opt of a function: its layers over one another, the last on top.

    Made once for each combination of layers, and of hard links: a layer of 200 MB costs no copy.
    """
    layers = [layer.code for layer in version.config.layers]
    name = sha256("\n".join(code.id for code in layers).encode()).hexdigest()[:16]
    opt = Path(tempfile.gettempdir(), "lambda", "opt", name)
    with _merging:
        if not opt.exists():
            part = opt.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for code in layers:
                code.prepare_for_execution()
                shutil.copytree(
                    code.get_unzipped_code_location(),
                    part,
                    symlinks=True,
                    copy_function=_link,
                    dirs_exist_ok=True,
                )
            part.rename(opt)
    return opt


def _link(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    os.link(source, target)
