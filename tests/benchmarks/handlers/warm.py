"""`python warm.py MODULE.FUNCTION TIMES`: answer the event of the standard input that many times.

Prints the answer and the median of the seconds that it took.
"""

import json
import statistics
import sys
import time
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

CONTEXT = SimpleNamespace(
    function_name="benchmark",
    memory_limit_in_mb=1769,
    invoked_function_arn="arn:aws:lambda:us-east-1:0:function:benchmark",
    aws_request_id="benchmark",
)


def main() -> None:
    """Measure."""
    module, function = sys.argv[1].split(".")
    handler = getattr(import_module(module), function)
    event = json.load(sys.stdin)
    times = []
    with Path("/dev/null").open("w") as log, redirect_stdout(log):
        for _ in range(int(sys.argv[2])):
            started = time.perf_counter()
            answer = handler(event, CONTEXT)
            times.append(time.perf_counter() - started)
    print(json.dumps({"answer": answer, "seconds": statistics.median(times)}))


if __name__ == "__main__":
    main()
