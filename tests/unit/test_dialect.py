"""How a file is written is found out from its first bytes."""

import codecs
import csv
import io
import itertools
import json
import random
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers import header
from evergreen.customers.dialect import DELIMITERS, Dialect, detect
from evergreen.customers.schema import Schema
from evergreen.errors import TableError
from local.demo.stack import ROOT

SCHEMA = json.loads((ROOT / "local/schemas/customers.json").read_bytes())
FIELDS = tuple(field["name"] for field in SCHEMA["fields"])
HEAD = ",".join(FIELDS)
ROW = ",".join(str(field.get("example", "no")) for field in SCHEMA["fields"])
BOMS = {
    "utf-8": (b"", codecs.BOM_UTF8),
    "utf-16-le": (b"", codecs.BOM_UTF16_LE),
    "utf-16-be": (b"", codecs.BOM_UTF16_BE),
    "cp1252": (b"",),
}
WRITTEN = [
    *itertools.product(BOMS["utf-8"], ["utf-8"]),
    *itertools.product(BOMS["utf-16-le"], ["utf-16-le"]),
    *itertools.product(BOMS["utf-16-be"], ["utf-16-be"]),
    (b"", "cp1252"),
]


def of(text: str, fields: tuple[str, ...] = (), encoding: str = "utf-8") -> Dialect:
    return detect(text.encode(encoding), complete=True, fields=fields)


@pytest.mark.parametrize("fields", [FIELDS, ()], ids=["with fields", "without"])
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_the_delimiter_is_found(delimiter: str, fields: tuple[str, ...]) -> None:
    row = ROW.replace(",", delimiter)
    if delimiter != ",":
        row = row.replace("74.9", "74,90")
    text = f"{HEAD.replace(',', delimiter)}\n{row}\n{row}\n"
    assert of(text, fields) == Dialect(delimiter=delimiter)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("id;fee\n1;74,90\n2;10,50\n", ";"),  # decimal commas
        ("id;fee, EUR;plan\n1;74,90;a\n2;10,50;b\n", ";"),
        ('"id";"fee, EUR";"plan"\n"1";"74,90";"a"\n', ";"),
        ("a;b;c;d;e;lat,lon\n1;2;3;4;5;52.5,13.4\n", ";"),
        ('id,"a;b;c",plan\n1,"x;y;z",p\n', ","),
        ('id,note\n1,"a|b\nc|d"\n2,"a;b\n;\n"\n', ","),
        ("id\tnote\n1\ta, b; c\n2\td\n", "\t"),
        ("id|note|fee\n1|a, b|1,5\n", "|"),
        ("id;plan;fee\n1;a;2;\n2;b;3;\n", ";"),  # each row has a cell more
        ("id;plan;fee\n1;a;2;\n2;b\n", ";"),
        ('id;plan;fee\n1;"a;2\n' + "2;b;3\n" * 5, ";"),  # a quote without end
        ("comment\nwell, yes\nno, thanks; really\n", ","),  # a single column
        ("comment, if any\nwell\nno\n", ","),
        ("comment; if any\nwell\nno\n", ","),
        ("id;fee, EUR;plan\n" + "1;74,90;a\n" * 9 + "2;10,50;b;c\n", ";"),
        ("id\n", ","),
        ("id", ","),
        ("a;b;c", ";"),
        ("a;b;c\n" + "\n;;\n" * 300 + "1,2;2,3;3,4", ";"),
    ],
)
def test_rows_tell_the_delimiter_where_nothing_is_known_of_the_header(
    text: str, delimiter: str
) -> None:
    assert of(text).delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "fields", "delimiter"),
    [
        ("id;plan\n1,2;3,4\n", ("id", "plan"), ";"),
        ("a,b;c\n1,2;3\n", ("a", "b;c"), ","),
        ("a,b;c\n1,2;3\n", ("a,b", "c"), ";"),
        ('"a,b"\t"c"\n', ("a,b", "c"), "\t"),
        ("ID ;\xa0Plan\n1;2\n", ("id", "plan"), ";"),
        ("x;y;z,id\n1;2;3,4\n", ("id",), ","),
        ("note,x|id|y\n1|2|3\n", ("id",), "|"),
        ("id\n1,5\n2,5\n", ("id",), ","),
        ("a,x;y;b\n1,2;3;4\n", ("a", "b"), ","),  # which leaves fewer others
        ("these;are;others\n1;2;3\n", ("id", "plan"), ";"),
        ("id;plan|note\n", ("id",), ";"),
    ],
)
def test_known_fields_tell_the_delimiter(
    text: str, fields: tuple[str, ...], delimiter: str
) -> None:
    assert of(text, fields).delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("a;b,c\n1;2,3\n4;5,6\n", ["comma ('a;b', 'c')", "semicolon ('a', 'b,c')"]),
        ("a,b;c,d\n1,2;3,4\n", ["comma ('a', 'b;c', 'd')", "semicolon ('a,b', 'c,d')"]),
        ("a|b,c,d|e|f,g\n", ["comma ('a|b', 'c', 'd|e|f', …)", "pipe ('a', 'b,c,d', 'e', …)"]),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_both_named(
    text: str, readings: list[str]
) -> None:
    with pytest.raises(TableError) as raised:
        of(text)
    for reading in readings:
        assert reading in str(raised.value)
    assert "write `sep=` and the right one" in str(raised.value)
    for delimiter in DELIMITERS:
        assert of(f"sep={delimiter}\n{text}").delimiter == delimiter


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        *(("sep=;", ";"), ("SEP=,", ","), ("Sep=\t", "\t"), ("sep=|", "|"), ('"sep=;"', ";")),
        *(
            ('sep=";"', ";"),
            ("sep=';'", ";"),
            ("sep=;;;;", ";"),
            ("sep=,,,", ","),
            (" sep=; ", ";"),
        ),
    ],
)
@pytest.mark.parametrize("bom", BOMS["utf-8"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_line_of_excel_states_the_delimiter(
    line: str, delimiter: str, bom: bytes, newline: str
) -> None:
    cells = "a;b|c\td,e"  # which leaves all possible
    found = detect(bom + f"{line}{newline}{cells}{newline}".encode(), complete=True)
    assert found == Dialect("utf-8", bom, delimiter, newline, above=1, separator=True)


@pytest.mark.parametrize("line", ["sep=", "sep=:", "SEP=x"])
def test_a_line_of_excel_that_states_no_known_delimiter_is_refused(line: str) -> None:
    with pytest.raises(TableError, match=f"'{line}' states no delimiter out of comma, semicolon"):
        of(f"{line}\na:b\n")


@pytest.mark.parametrize(
    ("start", "above"),
    [
        *(("", 0), ("\n", 1), ("\n\n\n", 3), ("\r\n \r\n", 2), (",,,\n", 1), (";;\n\n", 2)),
        *(('"",""\n', 1), ("\t\t\n", 1), ("sep=,\n", 1), ("\n,,\nsep=,\n\n", 4), ("\xa0\n", 1)),
        *(("\u200b\n", 1), ("sep=,\r\r\n", 1)),
    ],
)
def test_lines_above_the_header_are_counted(start: str, above: int) -> None:
    assert of(f"{start}{HEAD}\n{ROW}\n", FIELDS).above == above
    assert of(f"{start}{HEAD}\n{ROW}\n").above == above


@pytest.mark.parametrize(
    ("text", "newline"),
    [
        ("a,b\n1,2\r\n", "\n"),
        ("a,b\r\n1,2\n", "\r\n"),
        ("a,b\r1,2\r", "\r"),
        ('a,"b\nc"\r\n1,2\r\n', "\r\n"),
        ('"b\r\nc",a\n1,2\n', "\n"),
        ('"b ""\n"" c",a\r1,2\r', "\r"),
        ('5" disk,a\n1,"x"\r\n', "\n"),  # no cell is quoted here
        ('a,"b\n1,2\n', "\n"),  # nor here
        ("a,b\r\r\n1,2\r\r\n", "\r\n"),  # written to a file in text mode, on Windows
        ("a,b", "\n"),
    ],
)
def test_the_first_line_end_outside_quotes_is_the_files(text: str, newline: str) -> None:
    assert of(text).newline == newline


NAMES = "id,name,plan\n1,Müller,a\n2,Strauß “Café”…,b\n3,25 €,c\n"


@pytest.mark.parametrize(("bom", "encoding"), WRITTEN)
@pytest.mark.parametrize("fields", [("id", "name", "plan"), ()])
def test_the_encoding_is_found(bom: bytes, encoding: str, fields: tuple[str, ...]) -> None:
    found = detect(bom + NAMES.encode(encoding), complete=True, fields=fields)
    assert found == Dialect(encoding, bom)


@pytest.mark.parametrize(("bom", "encoding"), WRITTEN)
def test_a_head_may_be_cut_anywhere(bom: bytes, encoding: str) -> None:
    content = bom + NAMES.replace("id", "Íd").encode(encoding)
    for size in range(20, len(content)):
        assert detect(content[:size], complete=False) == Dialect(encoding, bom)


def test_a_character_that_the_end_of_the_file_cuts_is_no_reason_for_another_encoding() -> None:
    content = "id,name\n1,Müller\n2,Jürgen\n3,Mü".encode()[:-1]
    assert detect(content, complete=True).encoding == "utf-8"
    assert detect(content[:10] + "ü".encode()[:1], complete=False).encoding == "utf-8"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("rows", [1, 2, 50])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_nul_in_a_cell_makes_no_other_encoding_of_it(encoding: str, rows: int, end: str) -> None:
    text = f"id,n{end}" + f"1,\0{end}" + f"2,ü{end}" * rows
    assert of(text, encoding=encoding).encoding == encoding


def test_one_broken_row_does_not_make_an_encoding() -> None:
    row = "1,Müller,ä\n".encode()
    content = b"id,name,x\n" + row * 20 + b"2,M\xfcller,x\n" + row * 20
    assert detect(content, complete=True).encoding == "utf-8"
    content = content.replace("ü".encode(), b"\xfc").replace("ä".encode(), b"\xe4")
    assert detect(content, complete=True).encoding == "cp1252"
    assert detect(codecs.BOM_UTF8 + content, complete=True).encoding == "utf-8"  # it says so


@pytest.mark.parametrize("word", ["é", "äöüß", "À", "Ça va", "50 €", "½", "naïve", "\xa0", "ÆØÅ"])
def test_accented_words_are_windows_1252(word: str) -> None:
    assert of(f"id,name\n1,{word}\n", encoding="cp1252").encoding == "cp1252"


RUSSIAN = "id,имя,город\n1,Иван,Москва\n2,Ольга,Казань\n3,Пётр,Тверь\n"
JAPANESE = "id,名前,都市\n1,田中さくら,東京\n2,佐藤,京都\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(RUSSIAN.encode("cp1251"), 1, id="cp1251"),
        pytest.param(RUSSIAN.encode("koi8-r"), 1, id="koi8-r"),
        pytest.param(JAPANESE.encode("shift-jis"), 3, id="shift-jis"),
        pytest.param(b"id,pr\xe9nom\n1,x\n2,\x8d\xe9\n", 3, id="undefined"),
    ],
)
def test_another_encoding_is_refused_with_the_line_that_shows_it(content: bytes, line: int) -> None:
    with pytest.raises(TableError, match=rf"neither UTF-8 nor .*\(see line {line}\): save the"):
        detect(content, complete=True)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "an Excel workbook or another zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "an old Excel workbook"),
        (zlib.compress(HEAD.encode(), wbits=31), r"a gzip file.*: give it a name .* \.csv\.gz$"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
        (b"PAR1\x15\x04\x15\x10", "a Parquet file"),
        (random.Random(1).randbytes(5_000), "binary data"),
        (random.Random(2).randbytes(200), "binary data"),
        (bytes(100), "binary data"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x03\xe8", "a picture"),
    ],
)
def test_what_is_no_text_is_called_what_it_looks_like(content: bytes, kind: str) -> None:
    with pytest.raises(TableError, match=f"the file looks like {kind}"):
        detect(content, complete=True)


@pytest.mark.parametrize("first", ["PK,name", "PAR1,PAR2", "%,x", "sep,x", "sep=,x"])
def test_a_header_may_begin_like_something_else(first: str) -> None:
    assert of(f"{first}\n1,2\n").above == 0


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-be"])
def test_utf_32_is_refused_by_its_name(encoding: str) -> None:
    bom = codecs.BOM_UTF32_BE if encoding == "utf-32-be" else b""
    with pytest.raises(TableError, match="in UTF-32, which is not read: save"):
        detect(bom + HEAD.encode(encoding), complete=True)


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\r\n\r\n", "\ufeff", "\ufeff\n", ",,\n", "sep=;\n"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_an_empty_file_is_called_so(text: str, encoding: str) -> None:
    with pytest.raises(TableError, match=r"^the file is empty: it has no header$"):
        of(text, FIELDS, encoding)


def test_a_head_without_a_header_is_refused() -> None:
    with pytest.raises(TableError, match=r"^the first lines are empty: it has no header$"):
        detect(b"\n" * 1_000, complete=False)


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (Dialect(), {"encoding": "UTF-8", "delimiter": "comma"}),
        (
            Dialect("utf-8", codecs.BOM_UTF8, ";", above=1),
            {"encoding": "UTF-8 with BOM", "delimiter": "semicolon", "above_header": "1 line"},
        ),
        (
            Dialect("utf-16-be", codecs.BOM_UTF16_BE, "\t", above=2, separator=True),
            {"encoding": "UTF-16", "delimiter": "tab", "above_header": "2 lines (sep=)"},
        ),
        (Dialect("cp1252", delimiter="|"), {"encoding": "Windows-1252", "delimiter": "pipe"}),
    ],
)
def test_a_dialect_is_described_in_words(dialect: Dialect, words: dict[str, str]) -> None:
    assert dialect.described() == words


def test_no_head_takes_time_that_grows_with_its_square() -> None:
    start = time.process_time()
    for unit in ('"', '""', ',"', '"\n', "a", "\r", ",", "\xe9", '"a","', "sep=", '""\n"'):
        head = (unit * (1 << 17))[: 1 << 17].encode("cp1252")
        for content in (head, b"id,x\n" + head):
            with suppress(TableError):
                detect(content, complete=False)
    assert time.process_time() - start < 5  # a twentieth of it, but for machines that are busy


WORDS = st.text(st.sampled_from("abcdeXYZäöéñß"), min_size=1, max_size=8).filter(
    lambda word: "a" <= word[0].casefold() <= "z"
)
CELLS = st.one_of(
    WORDS, st.sampled_from(['say "no"', "two\nlines", "", "74,90", "1.5", "a;b", " x"])
)
DIALECTS = st.sampled_from(
    [
        Dialect(encoding, bom, delimiter, newline, above, separator)
        for (bom, encoding), delimiter, newline, (above, separator) in itertools.product(
            WRITTEN, DELIMITERS, ["\n", "\r\n", "\r"], [(0, False), (1, False), (1, True)]
        )
    ]
)


def write(rows: list[list[str]], dialect: Dialect) -> bytes:
    file = io.StringIO()
    if dialect.above:
        file.write(f"sep={dialect.delimiter}" if dialect.separator else "")
        file.write(dialect.newline)
    csv.writer(file, delimiter=dialect.delimiter, lineterminator=dialect.newline).writerows(rows)
    return dialect.bom + file.getvalue().encode(dialect.encoding)


EXPORT = HEAD.replace("tenure_months", " Tenure_Months\xa0").replace("contract", "CONTRACT")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((HEAD + "\n" + ROW).replace(",", ";"), {"delimiter": "semicolon"}),
        ((HEAD + "\n" + ROW).replace(",", "\t"), {"delimiter": "tab"}),
        ((HEAD + "\n" + ROW).replace(",", "|"), {"delimiter": "pipe"}),
        (f"name,{HEAD}\nMüller,{ROW}".encode("cp1252"), {"encoding": "Windows-1252"}),
        (
            f"name,{HEAD}\nMüller,{ROW}".replace(",", "\t").encode("utf-16"),
            {"encoding": "UTF-16", "delimiter": "tab"},
        ),
        ("sep=;\r\n" + HEAD.replace(",", ";"), {"delimiter": "semicolon"}),
        (f"{HEAD},,\n{ROW},,\n", {}),
        (f"{EXPORT}\n{ROW}\n", {}),
        (f"{EXPORT}\n{ROW}\n".encode("cp1252"), {"encoding": "Windows-1252"}),
        (f"\n{HEAD}\n{ROW}\n", {"above_header": "1 line"}),
    ],
)
def test_an_export_of_any_kind_has_its_fields(
    content: str | bytes, words: dict[str, str], schema: Schema
) -> None:
    content = content.encode() if isinstance(content, str) else content
    dialect = detect(content, complete=True, fields=schema.fields)
    assert dialect.described().items() >= words.items()
    lines = content.removeprefix(dialect.bom).decode(dialect.encoding).split(dialect.newline)
    (cells,) = csv.reader([lines[dialect.above]], delimiter=dialect.delimiter)
    names = header.match(cells, schema, schema.target, *schema.primary_key).names
    assert [name for name in names if name not in ("", "name")] == list(schema.fields)


@given(st.data(), DIALECTS)
def test_a_table_of_known_fields_is_read_as_it_was_written(
    data: st.DataObject, dialect: Dialect
) -> None:
    names = data.draw(st.lists(st.one_of(WORDS, CELLS), min_size=2, max_size=6, unique=True))
    names.append("Größe")
    fields = [name for name in names if name.strip()]
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names))))
    content = write([names, *rows], dialect)
    assert detect(content, complete=True, fields=fields) == dialect


@given(st.data(), DIALECTS)
def test_a_table_of_words_is_read_as_it_was_written(data: st.DataObject, dialect: Dialect) -> None:
    names = [*data.draw(st.lists(WORDS, min_size=2, max_size=6)), "Größe"]
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names))))
    content = write([names, *rows], dialect)
    assert detect(content, complete=True) == dialect
