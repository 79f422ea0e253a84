"""A Lambda process's first code: tie its life to LocalStack's, then become AWS's runtime client.

Run by the interpreter that has awslambdaric, as `python -P bootstrap.py LIFELINE HANDLER`. LIFELINE
is the read end of a pipe whose only write end LocalStack holds and never writes to.
"""

import fcntl
import os
import runpy
import signal
import sys


def die_with_parent(lifeline: int) -> None:
    """Have the kernel kill this process group when the lifeline's write end closes.

    Unlike a parent-death signal this does not follow the thread that forked, and unlike a watching
    thread it neither waits for the interpreter's lock nor shows in the function's process.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    try:
        os.read(lifeline, 1)
    except BlockingIOError:
        return
    os.killpg(0, signal.SIGKILL)  # it had closed before we listened


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    sys.argv = ["awslambdaric", *sys.argv[2:]]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
