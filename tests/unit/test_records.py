"""Records of delimited files, against what Python's csv module makes of them."""

import csv
import io
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers import careful, records
from evergreen.customers.careful import LIMIT, LONGEST, Rejected, SeamError
from evergreen.customers.records import Block, blocks
from evergreen.errors import TableError

Grid = list[list[str]]


class Read(NamedTuple):
    rows: Grid
    lines: list[int]
    rejected: list[Rejected]
    blank: int


def read(
    content: bytes | list[bytes],
    width: int,
    delimiter: str = ",",
    *,
    needed: int | None = None,
    beyond: bytes = b"",
) -> Read:
    chunks = [content] if isinstance(content, bytes) else content
    found = list(blocks(chunks, delimiter, width, needed=needed, beyond=beyond))
    check(found)
    return Read(
        [block.row(row) for block in found for row in range(len(block))],
        [int(line) for block in found for line in block.lines],
        [each for block in found for each in block.rejected],
        sum(block.blank for block in found),
    )


def check(found: list[Block]) -> None:
    """Hold what a block promises of its arrays."""
    for block in found:
        assert len(block) or block.rejected or block.blank
        assert block.starts.shape == block.ends.shape == block.raw.shape
        assert len(block.records) == len(block)
        assert len(block.data) >= block.ends.max(initial=0) + 32
        for column in range(block.starts.shape[1]):
            assert block.column(column) == [block.row(row)[column] for row in range(len(block))]
        plain = block.raw[:, 0] >= 0
        assert (block.raw[~plain] == -1).all()
        assert (block.raw[plain] >= block.ends[plain]).all()
        assert (block.records[plain] <= block.starts[plain, 0]).all()


def cut(content: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[a:b] for a, b in pairwise(edges)]


def by_csv(content: bytes, delimiter: str) -> tuple[Grid, list[int]]:
    reader = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter, strict=True)
    rows = [(row, reader.line_num) for row in reader if any(row)]
    return [row for row, _ in rows], [line for _, line in rows]


texts = st.text(
    st.one_of(st.sampled_from("\",;|\t\n ab'1-"), st.characters(exclude_categories=["Cs"])),
    max_size=6,
).map(lambda text: text.replace("\0", ""))
tables = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), max_size=12)
)
QUOTINGS = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_STRINGS]


@given(
    table=tables,
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from(QUOTINGS),
    block=st.integers(1, 64),
    places=st.lists(st.integers(0, 2_000), max_size=8),
    end=st.booleans(),
    gaps=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_what_python_writes_comes_back_however_it_is_cut(
    table: Grid,
    delimiter: str,
    newline: str,
    quoting: int,
    block: int,
    places: list[int],
    end: bool,
    gaps: list[bool],
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=quoting)  # type: ignore[arg-type]
    for row, gap in zip(table, gaps, strict=False):
        writer.writerow(row)
        out.write(newline if gap else "")
    text = out.getvalue() if end else out.getvalue().removesuffix(newline)
    content = text.encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(records, "BLOCK", block)
        found = read(cut(content, places), len(table[0]) if table else 2, delimiter)
    rows, lines = by_csv(content, delimiter)
    assert (found.rows, found.rejected) == (rows, [])
    assert found.rows == [row for row in table if any(row)]
    if "\r" not in "".join(map("".join, table)):
        assert found.lines == lines
    cut_off = not end and bool(table) and gaps[len(table) - 1]
    assert found.blank + len(rows) == len(table) + sum(gaps[: len(table)]) - cut_off


@given(
    pieces=st.lists(
        st.sampled_from([b'"', b",", b"\n", b"\r\n", b"\r", b"a", b'"a,b"', b'""', b"\xff", b"\0"]),
        max_size=60,
    ),
    block=st.integers(1, 40),
    places=st.lists(st.integers(0, 200), max_size=6),
    width=st.integers(1, 3),
)
def test_spoilt_files_read_the_same_however_they_are_cut(
    pieces: list[bytes], block: int, places: list[int], width: int
) -> None:
    content = b"".join(pieces)
    whole = read(content, width)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(records, "BLOCK", block)
        assert read(cut(content, places), width) == whole
    told = {*whole.lines, *(each.line for each in whole.rejected)}
    assert len(told) == len(whole.lines) + len(whole.rejected)
    assert max(told, default=0) <= content.count(b"\n") + 1


@given(cells=st.lists(texts.map(lambda text: text.strip("\n")), max_size=12), end=st.booleans())
def test_one_column_loses_no_row(cells: list[str], end: bool) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([cell] for cell in cells)
    text = out.getvalue() if end else out.getvalue().removesuffix("\n")
    assert read(text.encode(), 1).rows == [[cell] for cell in cells]


@pytest.mark.parametrize("block", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_an_empty_line_of_one_column_is_a_missing_value_but_not_at_the_end(
    block: int, newline: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BLOCK", block)
    content = newline.join([b"", b"a", b"", b"", b'"b', b'c"', b"", b'"d', b"", b'""', b"", b""])
    found = read(cut(content, [*range(len(content))]), 1)
    assert found.rows[:-1] == [[""], ["a"], [""], [""], [f"b{newline.decode()}c"], [""], [""]]
    assert found.rows[-1] == [""]
    assert [(each.line, each.text) for each in found.rejected] == [(8, '"d')]
    assert found.lines == [1, 2, 3, 4, 6, 7, 9, 10]


def test_an_empty_line_at_the_end_of_a_part_is_within_the_file() -> None:
    assert read(b"a\n\n", 1, beyond=b"b\n").rows == [["a"], [""]]
    assert read(b"a\n\n", 1, beyond=b"\n\n").rows == [["a"]]


def rows_with(bad: bytes, count: int = 1_000, place: int = 2) -> bytes:
    lines = [b"%d,some words,3.5" % number for number in range(1, count + 1)]
    lines[place - 1] = bad
    return b"\n".join(lines) + b"\n"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'2,"some words,3.5', "has a quote that does not end"),
        (b'2,"some" words,3.5', "is badly quoted: ',' expected after '\"'"),
        (b"2,some\0words,3.5", "holds a NUL character"),
        (b'2,"some\0words",3.5', "holds a NUL character"),
        (b"2,some \xff words,3.5", "is not text in the encoding of the file"),
        (b"2,so\rme,3.5", "holds a carriage return outside quotes"),
        (b"2,some words", "has 2 cells, the header 3"),
        (b"2,some words,3.5,4", "has 4 cells, the header 3"),
        (b"2,%b,3.5" % (b"x" * 200_000), "has a cell of more than 131,072 characters"),
        (b'2,"%b",3.5' % (b"x" * 200_000), "has a cell of more than 131,072 characters"),
        (b"2,%b,3.5" % (b"x" * (LONGEST + 1)), "is longer than 1,048,576 bytes"),
        (b",".join([b"x" * 100_000] * 12), "is longer than 1,048,576 bytes"),
    ],
    ids=lambda value: str(value[:24]),
)
@pytest.mark.parametrize("block", [64, 10_000, 1 << 20])
def test_a_bad_row_spoils_itself_alone(
    bad: bytes, reason: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BLOCK", block)
    content = rows_with(bad)
    found = read([content[i : i + 4_096] for i in range(0, len(content), 4_096)], 3)
    (rejected,) = found.rejected
    assert rejected.line == 2
    assert rejected.reason.startswith(f"the row {reason}")
    assert bad.decode(errors="replace").startswith(rejected.text[:LIMIT])
    assert [row[0] for row in found.rows] == [str(n) for n in range(1, 1_001) if n != 2]
    assert found.lines == [n for n in range(1, 1_001) if n != 2]


def test_an_open_quote_does_not_reach_the_end_of_a_long_file() -> None:
    found = read(rows_with(b'2,"some words,3.5', count=50_000), 3)
    assert [each.line for each in found.rejected] == [2]
    assert found.rejected[0].reason.endswith("or a quote that does not end")
    assert len(found.rows) == 49_999


@pytest.mark.parametrize("end", [b"", b"\n", b"\n4,d,5\n"])
@pytest.mark.parametrize("cells", [b"x", b"x,", b"x" * 1_000 + b","])
def test_a_line_too_long_to_be_kept_is_passed_over(cells: bytes, end: bytes) -> None:
    long = cells * (3 * LONGEST // len(cells))
    content = b"1,a,2\n" + long + end
    found = read([content[i : i + 65_536] for i in range(0, len(content), 65_536)], 3)
    assert found.rows == [["1", "a", "2"], *([["4", "d", "5"]] if end[1:] else [])]
    (rejected,) = found.rejected
    assert (rejected.line, rejected.reason) == (2, "the row is longer than 1,048,576 bytes")
    assert found.lines == [1, *([3] if end[1:] else [])]


class Counting:
    """Chunks of one line without end, as many as are asked for and no more."""

    def __init__(self, first: bytes, count: int) -> None:
        self.first, self.count = first, count

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        for _ in range(self.count):
            yield b"x" * 100_000
        yield b"\n2,b\n"


def test_a_line_too_long_to_be_kept_is_not_kept_behind_an_open_quote_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    spoilt = records._Found.spoilt

    def watched(self: records._Found, data: bytes) -> records.Places:
        seen.append(len(data))
        return spoilt(self, data)

    monkeypatch.setattr(records._Found, "spoilt", watched)
    found = list(blocks(Counting(b'1,"a\n', 100), ",", 2))
    assert [row for block in found for row in map(block.row, range(len(block)))] == [["2", "b"]]
    assert [each.line for block in found for each in block.rejected] == [1, 2]
    assert max(seen) < 3 * LONGEST


def test_a_record_of_many_short_quoted_cells_goes_on_no_further_than_a_long_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(careful, "LIMIT", 100)
    content = b'a","b\n' * 60  # each line ends one quoted cell and begins another
    found = read(content + b"c,d\n", 2)
    assert found.rows == [["c", "d"]]
    assert [each.line for each in found.rejected] == [*range(1, 61)]
    assert found.rejected[0].reason.endswith("or a quote that does not end")


def test_a_file_of_open_quotes_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(careful, "_AHEAD", 20 * LIMIT)
    found = read(b'a","b\n' + rows_with(b'2,"some words,3.5', 60_000).replace(b",3.5", b""), 2)
    assert [each.line for each in found.rejected] == [1, 3]
    with pytest.raises(TableError, match="quotes begin in many lines and end in none"):
        read(b'a","b\n' * 30_000, 2)


@pytest.mark.parametrize("spoilt", [b"\0", b"\xff"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_spoilt_record_of_several_lines_is_rejected_as_one(spoilt: bytes, place: int) -> None:
    words = [b"one", b"two"]
    words[place] += spoilt
    found = read(b'1,"' + b"\n".join(words) + b'",2\n3,c,4\n', 3)
    assert found.rows == [["3", "c", "4"]]
    assert [each.line for each in found.rejected] == [2]
    assert found.rejected[0].text.count("\n") == 1


@pytest.mark.parametrize(
    ("row", "needed", "expected"),
    [
        (b"a,b,,", 2, [["a", "b"]]),
        (b"a,b,,", None, [["a", "b"]]),
        (b"a,b, ", None, []),
        (b"a", 1, [["a", ""]]),
        (b"a", None, []),
    ],
)
def test_empty_cells_at_the_end_of_a_row_are_no_cells(
    row: bytes, needed: int | None, expected: Grid
) -> None:
    found = read(row + b"\n", 2, needed=needed)
    assert found.rows == expected
    assert len(found.rejected) == 1 - len(expected)


@pytest.mark.parametrize(
    "blank", [b"", b",,", b",", b",,,,", b'"",,""', b'"","",""', b"   ", b'""']
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_rows_of_nothing_are_no_customers(blank: bytes, newline: bytes) -> None:
    content = newline.join([blank, b"a,b,c", blank, blank, b'd,"e""",f', blank, b""])
    found = read(content, 3)
    assert found.rows == [["a", "b", "c"], ["d", 'e"', "f"]]
    assert (found.lines, found.rejected, found.blank) == ([2, 5], [], 4)


def test_lines_that_end_in_two_carriage_returns_are_read() -> None:
    found = read(b"a,b\r\r\nc,d\r\r\n\r\r\n", 2)
    assert (found.rows, found.rejected, found.blank) == ([["a", "b"], ["c", "d"]], [], 1)
    assert read(b"a\r\r\n\r\r\nc\r\r\n", 1).rows == [["a"], [""], ["c"]]


def test_nothing_is_read_from_nothing() -> None:
    assert read(b"", 3) == read([], 3) == read([b"", b""], 3) == Read([], [], [], 0)


@pytest.mark.parametrize("width", [1, 2])
def test_a_part_that_ends_within_a_record_is_noticed(width: int) -> None:
    content = b'1,"one\ntwo"\n3,"four"\n' if width == 2 else b'1\n"one\ntwo"\n3\n'
    whole = read(content, width)
    for end in range(1, len(content)):
        before, beyond = content[:end], content[end:]
        try:
            first = read(before, width, beyond=beyond).rows
        except SeamError:
            assert not before.endswith(b"\n") or before.count(b'"') % 2
        else:
            assert first + read(beyond, width).rows == whole.rows
            assert before.endswith(b"\n")
            assert before.count(b'"') % 2 == 0


def test_a_bad_quote_near_the_end_of_a_part_is_no_seam() -> None:
    good = b"".join(b"%d,b\n" % number for number in range(40_000))
    found = read(b'1,"a\n2,b\n', 2, beyond=good[: 4 * LIMIT])
    assert found.rows == [["2", "b"]]
    assert [each.line for each in found.rejected] == [1]


def test_the_longest_record_is_seen_beyond_a_part_and_a_longer_one_nowhere() -> None:
    lines = "é" * 100 + "\n"
    fits = f'1,"a\n{lines * (LIMIT // len(lines))}",b\n'.encode()
    longer = f'1,"a\n{lines * (LIMIT // len(lines) + 1)}",b\n'.encode()
    assert len(read(fits + b"2,b,c\n", 3).rows) == 2
    assert read(longer, 3).rejected[0].line == 1
    with pytest.raises(SeamError):
        read(fits[:5], 3, beyond=fits[5 : 5 + 4 * LIMIT])
    assert len(read(longer[:5], 3, beyond=longer[5 : 5 + 4 * LIMIT]).rejected) == 1


def test_reasons_that_concern_a_record_as_a_whole_begin_alike() -> None:
    assert all(f"{what}x".startswith(careful.ROWS) for what in ("the row ", "the line "))
