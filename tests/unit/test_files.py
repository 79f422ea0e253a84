import io

from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers import files


@given(st.lists(st.binary(max_size=20)))
def test_what_is_packed_is_unpacked_and_always_the_same(lines: list[bytes]) -> None:
    packed = files.packed(lines)
    kind = files.kind("a.jsonl.gz")
    assert kind
    assert files.read(files.unpacked(io.BytesIO(packed), kind)) == b"".join(lines)
    assert packed[4:8] == bytes(4)  # no time in it
    assert files.packed(iter(lines)) == packed
