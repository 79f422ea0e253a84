"""The calls of every function where nothing goes wrong.

A call is a service's operation on a bucket and a folder of it: one that is new is told here.
Whether a role allows them is held where things go wrong as well, in `test_faults.py`.
"""

import pytest

from .scenarios import SCENARIOS, World
from .test_faults import begin

CALLS = {
    "predict": """
        firehose PutRecordBatch
        s3 GetObject logs:drift/ logs:performance/ models:models/
        s3 PutObject logs:outcomes/
    """,
    "score": """
        events PutEvents
        s3 CompleteMultipartUpload data:scored/
        s3 CreateMultipartUpload data:scored/
        s3 DeleteObject data:rejected/ data:scored/ data:waiting/
        s3 GetObject data:incoming/ data:scored/ data:scoring/ data:waiting/ models:models/
        s3 HeadObject data:incoming/ data:rejected/ data:scored/ data:scoring/
        s3 ListObjectsV2 data:waiting/
        s3 PutObject data:rejected/ data:scored/ data:scoring/ logs:campaigns/ logs:inference/
        s3 UploadPart data:scored/
        s3 UploadPartCopy data:scored/
        stepfunctions StartExecution
    """,
    "drift": """
        events PutEvents
        s3 GetObject logs:drift/ logs:inference/ logs:performance/ models:models/
        s3 ListObjectsV2 logs:inference/
        s3 PutObject logs:drift/
        stepfunctions StartExecution
    """,
    "measure": """
        events PutEvents
        s3 DeleteObject logs:outcomes/
        s3 GetObject data:outcomes/ data:received/ data:training/ logs:campaigns/ logs:index/ logs:inference/ logs:outcomes/ logs:performance/ models:models/
        s3 HeadObject data:outcomes/ data:received/ data:rejected/
        s3 ListObjectsV2 logs:campaigns/ logs:index/ logs:inference/ logs:outcomes/
        s3 PutObject data:received/ data:rejected/ data:training/ logs:index/ logs:outcomes/ logs:performance/
    """,  # noqa: E501
    "retrain": """
        events PutEvents
        s3 GetObject data:training/ models:locks/ models:models/ models:waiting/
        s3 ListObjectsV2 data:rejected/ data:training/ models:models/ models:promotions/ models:set-aside/
        s3 PutObject models:locks/ models:models/ models:promotions/
    """,  # noqa: E501
    "a person": """
        s3 GetObject models:models/ models:promotions/ models:set-aside/
        s3 ListObjectsV2 logs:inference/ models:promotions/ models:set-aside/
        s3 PutObject logs:inference/ models:models/ models:promotions/ models:set-aside/
    """,
}
"""Who → its calls: service, operation, bucket:folder."""


@pytest.mark.parametrize("who", CALLS)
def test_what_is_called_is_told(world: World, who: str) -> None:
    called: dict[str, set[str]] = {}
    for scenario in SCENARIOS.values():
        if scenario.by == who:
            world.faults.memory = world.memory.empty()
            world.functions.begin()
            scenario.prepare(world)
            begin(world, scenario, world.memory)
            world.faults.plan(None)
            scenario.act(world)
            for call in world.faults.calls:
                bucket, folder = call.bucket.removeprefix("evergreen-"), call.key.split("/")[0]
                places = called.setdefault(f"{call.service} {call.operation}", set())
                places |= {f"{bucket}:{folder}/"} if bucket else set()
    lines = [" ".join([call, *sorted(places)]) for call, places in sorted(called.items())]
    assert lines == [line.strip() for line in CALLS[who].strip().splitlines()]
