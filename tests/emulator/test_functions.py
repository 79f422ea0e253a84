"""A function runs as it does on AWS: results, errors, limits, layers and logs."""

from pathlib import Path

from .conftest import Deploy, Emulator, Function, archive, eventually

PID = "import os\ndef handler(event, context):\n    return os.getpid()\n"


def cloudwatch(emulator: Emulator, function: Function) -> str:
    """All that a function has logged so far."""
    logs, group = emulator.client("logs"), f"/aws/lambda/{function.name}"
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    try:
        return "".join(event["message"] for page in pages for event in page["events"])
    except logs.exceptions.ResourceNotFoundException:
        return ""  # made with its first event, which may still be under way


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_a_result_comes_back_with_the_context_and_environment_of_the_function(
    emulator: Emulator, deploy: Deploy
) -> None:
    function = deploy(
        """
        import os
        def handler(event, context):
            names = "AWS_ENDPOINT_URL", "AWS_LAMBDA_FUNCTION_NAME", "COLOUR", "EVERGREEN_SECRET"
            return {
                "event": event,
                "arn": context.invoked_function_arn,
                "memory": context.memory_limit_in_mb,
                "left": context.get_remaining_time_in_millis(),
                "environ": [os.environ.get(name) for name in names],
                "internal": [name for name in os.environ if name.startswith("LOCALSTACK")],
            }
        """,
        Environment={"Variables": {"COLOUR": "green"}},
        MemorySize=256,
    )

    result = function(number=1)

    assert result.error is None
    left = result.payload.pop("left")
    assert 19_000 < left <= 20_000
    assert result.payload == {
        "event": {"number": 1},
        "arn": f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}",
        "memory": "256",
        "environ": [f"http://127.0.0.1:{emulator.port}", function.name, "green", None],
        "internal": [],
    }


def test_boto3_of_a_function_reaches_the_emulator(deploy: Deploy) -> None:
    function = deploy(
        """
        import boto3
        def handler(event, context):
            return boto3.client("sts").get_caller_identity()["Account"]
        """
    )

    assert function().payload == "000000000000"


def test_an_exception_is_reported_with_its_trace_and_the_process_lives_on(deploy: Deploy) -> None:
    function = deploy(
        """
        import os
        def handler(event, context):
            if event:
                raise ValueError("no")
            return os.getpid()
        """
    )
    pid = function().payload

    result = function(fail=True)

    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "ValueError"
    assert result.payload["errorMessage"] == "no"
    assert 'raise ValueError("no")' in "".join(result.payload["stackTrace"])
    assert "[ERROR] ValueError: no" in result.log
    assert function().payload == pid


def test_a_handler_that_does_not_load_fails_the_call_and_its_log_is_kept(
    emulator: Emulator, deploy: Deploy
) -> None:
    function = deploy("import not_in_any_layer")

    result = function()

    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'not_in_any_layer'" in result.payload["errorMessage"]
    assert eventually(lambda: "not_in_any_layer" in cloudwatch(emulator, function))


def test_a_call_that_takes_too_long_is_ended_and_the_next_one_is_answered(deploy: Deploy) -> None:
    function = deploy(
        """
        import os, time
        def handler(event, context):
            if event:
                time.sleep(30)
            return os.getpid()
        """,
        Timeout=1,
    )
    pid = function().payload

    result = function(sleep=True)

    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "Sandbox.Timedout"
    assert result.payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "Status: timeout" in result.log
    assert not Path(f"/proc/{pid}").exists()
    assert function().payload != pid


def test_a_crash_is_reported_and_the_next_call_gets_a_new_process(
    emulator: Emulator, deploy: Deploy
) -> None:
    function = deploy(
        """
        import os, signal, sys
        def handler(event, context):
            match event.get("end"):
                case "exit": sys.exit(3)
                case "signal": os.kill(os.getpid(), signal.SIGSEGV)
            return os.getpid()
        """
    )
    pid = function().payload

    exited, killed = function(end="exit"), function(end="signal")

    assert exited.payload["errorType"] == killed.payload["errorType"] == "Runtime.ExitError"
    assert exited.payload["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert killed.payload["errorMessage"].endswith("with error: signal: segmentation fault")
    assert function().payload not in (pid, None)


def test_crashes_leave_no_threads_behind(emulator: Emulator, deploy: Deploy) -> None:
    function = deploy("import os\ndef handler(event, context):\n    os._exit(1)\n")
    for _ in range(4):
        function()
    before = threads(emulator.pid)

    for _ in range(12):
        function()

    assert eventually(lambda: threads(emulator.pid) < before + 6)


def test_more_memory_than_granted_is_killed_as_on_aws(deploy: Deploy) -> None:
    function = deploy(
        """
        import subprocess, sys, time
        def handler(event, context):
            if event:
                eat = "import time; hoard = bytearray(300 << 20); time.sleep(20)"
                subprocess.run([sys.executable, "-c", eat])
            return "ate little"
        """,
        MemorySize=128,
    )

    result = function(eat=True)

    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "Runtime.OutOfMemory"
    assert result.payload["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "Memory Size: 128 MB\tMax Memory Used: " in result.log
    assert function().payload == "ate little"


def test_code_comes_before_layers_and_the_last_layer_before_the_others(
    emulator: Emulator, deploy: Deploy
) -> None:
    client = emulator.client("lambda")
    layers = [
        client.publish_layer_version(LayerName=f"layer-{i}", Content={"ZipFile": content})
        for i, content in enumerate(
            [
                archive(python__a="A = 'first'", python__b="B = 'first'", python__app="x"),
                archive(python__a="A = 'last'"),
            ]
        )
    ]
    function = deploy(
        """
        import a, b
        def handler(event, context):
            return [a.A, b.B]
        """,
        Layers=[layer["LayerVersionArn"] for layer in layers],
    )

    assert function().payload == ["last", "first"]


def test_a_flood_of_output_keeps_its_beginning_and_end_and_its_own_invocation(
    emulator: Emulator, deploy: Deploy
) -> None:
    function = deploy(
        """
        def handler(event, context):
            for number in range(event.get("lines", 0)):
                print(f"line {number}", "x" * 2000)
            print("over")
        """
    )

    flood, quiet = function(lines=5000), function()

    assert "line 4999 " in flood.log
    assert "line" not in quiet.log
    log = eventually(lambda: (text := cloudwatch(emulator, function)).count("REPORT") > 1 and text)
    assert "line 0 " in log
    assert "line 2500 " not in log
    assert "bytes of output dropped]" in log
    assert len(log) < 1_100_000


def test_a_deleted_function_leaves_neither_process_nor_files(
    emulator: Emulator, deploy: Deploy
) -> None:
    function = deploy(
        """
        import os, pathlib, tempfile
        def handler(event, context):
            folder = tempfile.gettempdir()
            pathlib.Path(folder, "left").write_text("over")
            return [os.getpid(), folder]
        """
    )
    pid, scratch = function().payload
    assert Path(scratch).is_relative_to(emulator.state)

    function.client.delete_function(FunctionName=function.name)

    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert eventually(lambda: not Path(scratch).exists())
