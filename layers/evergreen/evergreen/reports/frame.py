"""What every page shares: its head, its look, and figures with a table beside the picture."""

from collections.abc import Iterable, Sequence

from evergreen.reports.html import Child, Html, element, join
from evergreen.reports.words import short

LIGHT = {
    "paper": "#ffffff",
    "card": "#f6f7f5",
    "ink": "#18211d",
    "quiet": "#56615b",
    "line": "#dde2de",
    "now": "#0d6b4a",
    "before": "#7c8781",
    "alarm": "#a2361a",
    "wash": "#fbeee9",
    "calm": "#e9f4ee",
}
DARK = {
    "paper": "#101512",
    "card": "#181f1b",
    "ink": "#e9edea",
    "quiet": "#a5b0aa",
    "line": "#2c3630",
    "now": "#5fcb9e",
    "before": "#7e8a83",
    "alarm": "#f29a7a",
    "wash": "#2d1a14",
    "calm": "#12271d",
}

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Open Sans",sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
main,header,footer{max-width:62rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:3rem}
footer{padding:2rem 1.5rem 4rem;color:var(--quiet);font-size:.8125rem}
h1,h2,h3{line-height:1.25;text-wrap:balance;font-weight:650;letter-spacing:-.012em}
h1{font-size:clamp(1.5rem,1.2rem + 1.4vw,2rem);margin:.75rem 0 1rem}
h2{font-size:1.3125rem;margin:0 0 .375rem}
h3{font-size:1rem;margin:0}
p{margin:0 0 .75rem;max-width:44rem}
section{padding:2rem 0;border-top:1px solid var(--line)}
header+main>section:first-child{border-top:0}
ul{margin:0 0 .75rem;padding-left:1.2rem;max-width:44rem}li{margin:.25rem 0}
.eyebrow{color:var(--quiet);font-size:.875rem;margin:0}
.quiet,.lead{color:var(--quiet)}.lead{margin-bottom:1.25rem}
.verdict{display:inline-flex;gap:.5rem;align-items:center;border-radius:99px;
padding:.25rem .875rem .25rem .625rem;font-size:.875rem;font-weight:600;margin:1.25rem 0 0;
background:var(--calm);color:var(--now)}
.verdict.alarm{background:var(--wash);color:var(--alarm)}
.verdict.unknown{background:var(--card);color:var(--quiet)}
.figures{display:flex;flex-wrap:wrap;gap:1px;
background:var(--line);border:1px solid var(--line);border-radius:.5rem;overflow:hidden;margin:0}
.figures>div{flex:1 1 8.75rem;background:var(--paper);padding:.875rem 1rem}
.figures dt{color:var(--quiet);font-size:.8125rem;line-height:1.35}
.figures dd{margin:.125rem 0 0;font-size:1.375rem;font-weight:600;letter-spacing:-.01em}
.figures small{display:block;font-size:.8125rem;font-weight:400;letter-spacing:0;
color:var(--quiet);line-height:1.35}
.grid{columns:2 22rem;column-gap:1rem}
.card{background:var(--card);border-radius:.5rem;padding:1.125rem 1.25rem;margin:0 0 1rem;
break-inside:avoid}
.card header{all:unset;display:flex;justify-content:space-between;gap:1rem;align-items:baseline;
margin-bottom:.375rem}
.card p{font-size:.875rem;margin:.25rem 0 .75rem}
.tag{font-size:.8125rem;font-weight:600;white-space:nowrap;color:var(--quiet)}
.tag.alarm{color:var(--alarm)}
figure{margin:0;min-width:0}.narrow{max-width:40rem}
svg{display:block;overflow:visible}
svg text{font-size:13px;fill:var(--ink);unicode-bidi:isolate}
svg .axis,p.axis{font-size:12px;fill:var(--quiet);color:var(--quiet);margin:.25rem 0}
svg .end{text-anchor:end}p.end{text-align:right}
.now{fill:var(--now);stroke:var(--now)}.weak,.before{fill:var(--before);stroke:var(--before)}
.alarmed{fill:var(--alarm);stroke:var(--alarm)}
rect{stroke:none!important}.track{fill:var(--line)}
svg .grid{stroke:var(--line)}.limit{stroke:var(--quiet);stroke-dasharray:4 4}
.step{stroke:var(--now);stroke-width:2;stroke-linecap:square}
.span{stroke-width:3;stroke-linecap:round;opacity:.55}
.ring{fill:var(--paper);stroke-width:2}.tick{fill:none;stroke-width:2.5}
.mark{overflow:visible}.square{max-width:26rem}
.key{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.8125rem;color:var(--quiet);
margin:0 0 .75rem}
.below{margin-top:1.5rem}.key span{display:inline-flex;gap:.4rem;align-items:center}
details{margin-top:.75rem}
summary{cursor:pointer;font-size:.875rem;color:var(--quiet);padding:.25rem 0}
summary:focus-visible{outline:2px solid var(--now);outline-offset:2px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.875rem;margin:.5rem 0}
th,td{padding:.375rem .75rem .375rem 0;text-align:left;vertical-align:top;
border-bottom:1px solid var(--line)}
th{font-weight:600}thead th{color:var(--quiet);font-weight:500}
.n{text-align:right;white-space:nowrap}tbody th{min-width:7rem}small{font-weight:400}
th:last-child,td:last-child{padding-right:0}
code{font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media(max-width:30rem){main,header,footer{padding-left:1rem;padding-right:1rem}
header{padding-top:1.5rem}.figures dd{font-size:1.1875rem}
.card{padding:1rem}}
@media print{body{font-size:11pt}section{padding:1rem 0}.card,figure,.figures{break-inside:avoid}
.card{border:1px solid var(--line)}h2,h3{break-after:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
@page{margin:15mm}
"""


def _variables(palette: dict[str, str]) -> str:
    return ":root{" + "".join(f"--{name}:{colour};" for name, colour in palette.items()) + "}"


STYLE = Html(  # our own text, so it is markup
    f"{_variables(LIGHT)}@media screen and (prefers-color-scheme:dark){{{_variables(DARK)}}}"
    + _STYLE.replace("\n", "")
)


def framed(title: str, top: Child, sections: Child, foot: Child) -> str:
    """Return a whole page.

    Args:
        title: the window's.
        top: what stands above everything, the only h1 in it.
        sections: see `section`.
        foot: where the page comes from.

    """
    head = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="referrer", content="no-referrer"),
        element("title", short(title, 120)),
        element("style", STYLE),
    )
    body = (element("header", top), element("main", sections), element("footer", foot))
    whole = element("html", element("head", head), element("body", body), lang="en", dir="ltr")
    return f"<!doctype html>\n{whole}\n"


def section(heading: str, lead: Child, *content: Child) -> Html:
    """Return a part of a page: its heading, a sentence, and what it is about."""
    said = element("p", lead, class_="lead") if lead else None
    return element("section", element("h2", heading), said, content)


def verdict(class_: str, sign: str, words: str) -> Html:
    """Return the verdict as a sign with its words."""
    return element(
        "p", element("span", sign, aria_hidden="true"), words, class_=f"verdict {class_}"
    )


def figures(*entries: tuple[str, str, str]) -> Html:
    """Return numbers with their names: each name, number, and what to know of it."""
    return element(
        "dl",
        (
            element(
                "div",
                element("dt", name),
                element("dd", number, element("small", more) if more else None),
            )
            for name, number, more in entries
        ),
        class_="figures",
    )


def figure(
    picture: Child, names: Sequence[str], rows: Iterable[Sequence[Child]], *more: Child
) -> Html:
    """Return a picture with a table of the same numbers, which opens without a script."""
    summary = element("summary", "The same as a table")
    return element("figure", picture, element("details", summary, table(names, rows), more))


def table(names: Sequence[str], rows: Iterable[Sequence[Child]]) -> Html:
    """Return a table; its first column names the rows, the others are numbers or short words."""
    first, *others = names
    head = (
        element("th", first, scope="col"),
        (element("th", name, scope="col", class_="n") for name in others),
    )
    body = (
        element(
            "tr",
            element("th", name(row[0]), scope="row"),
            (element("td", cell, class_="n") for cell in row[1:]),
        )
        for row in rows
    )
    whole = element("table", element("thead", element("tr", head)), element("tbody", body))
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=first)


def name(words: Child) -> Child:
    """Return a name that somebody chose: cut, and kept apart from the text around it."""
    if isinstance(words, str) and not isinstance(words, Html):
        return element("bdi", short(words))
    return words


def items(sentences: Iterable[Child]) -> Html | None:
    """Return a list; None where it is empty."""
    entries = join(element("li", sentence) for sentence in sentences)
    return element("ul", entries) if entries else None
