"""Cuts of a table: each between two records, whatever its cells hold."""

import csv
import io
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.careful import SeamError
from evergreen.customers.dialect import Dialect
from evergreen.customers.records import Block, blocks
from evergreen.jobs.files import splitting
from evergreen.jobs.files.splitting import cuts, manifest

Ranges = list[tuple[int, int]]
PLAIN_CSV = Dialect()

# what upsets a splitter, and little else
text = st.text(st.sampled_from('"",;\t\nab1 é'), max_size=8)
rows = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(text, min_size=width, max_size=width).filter(any), min_size=1, max_size=30
    )
)


def written(table: list[list[str]], dialect: Dialect, quoting: int) -> bytes:
    file = io.StringIO()
    writer = csv.writer(
        file,
        delimiter=dialect.delimiter,
        lineterminator=dialect.newline,
        quoting=quoting,  # type: ignore[arg-type]
    )
    writer.writerows(table)
    return file.getvalue().encode(dialect.encoding)


def reader(content: bytes) -> Callable[[int, int], bytes]:
    def read(start: int, end: int) -> bytes:
        assert 0 <= start < end <= len(content)
        return content[start:end]

    return read


def split(
    content: bytes, width: int, part_bytes: int, dialect: Dialect = PLAIN_CSV, start: int = 0
) -> Ranges:
    return cuts(reader(content), len(content), part_bytes, dialect, width, start)


@pytest.fixture
def short_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_WINDOWS", (8, 64, 1 << 20))


dialects = st.builds(
    Dialect,
    encoding=st.sampled_from(["utf-8", "cp1252"]),
    delimiter=st.sampled_from(",;\t"),
    newline=st.sampled_from(["\n", "\r\n"]),
)


@given(
    rows,
    dialects,
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.integers(1, 60),
)
def test_every_cut_is_where_a_record_starts(
    table: list[list[str]], dialect: Dialect, quoting: int, part_bytes: int
) -> None:
    records = [written([row], dialect, quoting) for row in table]
    starts = {0}
    for record in records:
        starts.add(max(starts) + len(record))
    content = b"".join(records)
    ranges = split(content, len(table[0]), part_bytes, dialect)
    assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    assert ranges[-1][1] == len(content)
    assert {start for start, _ in ranges} <= starts


def records(content: bytes, width: int, beyond: bytes = b"") -> Iterator[tuple[object, ...]]:
    """Read rows and rejected rows, in their order."""

    def of(block: Block) -> Iterator[tuple[int, object]]:
        for row, line in enumerate(block.lines):
            yield int(line), tuple(block.row(row))
        for rejected in block.rejected:
            yield rejected.line, rejected.text

    for block in blocks([content], ",", width, beyond=beyond):
        yield from sorted(of(block), key=lambda item: item[0])


@given(
    st.lists(st.sampled_from([b'"', b",", b"\n", b"a", b'"a,b"', b'""']), max_size=80),
    st.integers(2, 3),
    st.integers(1, 40),
)
def test_a_spoilt_file_reads_in_parts_as_it_does_whole_or_a_seam_is_noticed(
    pieces: list[bytes], width: int, part_bytes: int
) -> None:
    content = b"".join(pieces) + b"\n"
    whole = [record for _, record in records(content, width)]
    try:
        parts = [
            record
            for start, end in split(content, width, part_bytes)
            for _, record in records(content[start:end], width, content[end:])
        ]
    except SeamError:
        return
    assert parts == whole


def test_a_seam_within_a_record_is_noticed() -> None:
    content = b'1,"one\ntwo"\n3,four\n'
    middle = content.index(b"two")
    with pytest.raises(SeamError):
        list(records(content[:middle], 2, content[middle:]))


PLAIN = "".join(f"{i},some words,3.5\n" for i in range(10_000)).encode()
TEXTS = "".join(f'{i},"first line\nsecond, ""line""\n",3.5\n' for i in range(10_000)).encode()
PASTED = (b'1,"' + b"1,2,3\n" * 2_000 + b'",3\n') * 20


@pytest.mark.parametrize("content", [PLAIN, TEXTS], ids=["plain", "texts"])
@pytest.mark.parametrize("number", [1, 2, 50, 999])
def test_ordinary_files_get_as_many_parts_as_wished_of_about_the_same_size(
    content: bytes, number: int
) -> None:
    wished = -(-len(content) // number)
    ranges = split(content, 3, wished)
    assert 0.99 * number <= len(ranges) <= number
    assert max(end - start for start, end in ranges) < wished + 100


@pytest.mark.usefixtures("short_sight")
def test_where_a_few_bytes_do_not_tell_more_are_read() -> None:
    content = b'1,"' + b"a\n" * 1_000 + b'",x\n' + PLAIN[:1_000]
    ranges = split(content, 3, 900)
    assert len(ranges) > 1
    assert ranges[0][1] > 2_000


def test_rows_within_a_cell_are_not_taken_for_records() -> None:
    ranges = split(PASTED, 3, 10_000)
    row = len(PASTED) // 20
    assert [start for start, _ in ranges] == [row * i for i in range(20)]


def test_where_nothing_is_certain_nothing_is_cut() -> None:
    content = b'1,", a"\n' * 1_000
    assert split(content, 3, 100) == [(0, len(content))]


def test_the_first_range_starts_after_the_header() -> None:
    content = b"a,b\n" + b"1,2\n" * 100
    ranges = split(content, 2, 100, start=4)
    assert ranges[0][0] == 4
    assert all(end == start for (_, end), (start, _) in pairwise(ranges))


def test_a_file_without_rows_is_one_empty_range() -> None:
    assert split(b"a,b\n", 2, 100, start=4) == [(4, 4)]


def test_a_last_row_without_a_line_end_belongs_to_the_last_range() -> None:
    assert split(b"1,2\n3,4", 2, 4) == [(0, 4), (4, 7)]


def test_there_are_never_too_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MOST", 10)
    assert len(split(PLAIN, 3, 1)) == 10


def test_lines_that_end_in_cr_are_lines() -> None:
    content = b"1,2\r3,4\r5,6\r"
    assert split(content, 2, 4, Dialect(newline="\r")) == [(0, 4), (4, 8), (8, 12)]


def test_the_manifest_names_every_range() -> None:
    assert manifest([(4, 10), (10, 12)]) == b"part,start,end\n0,4,10\n1,10,12\n"
