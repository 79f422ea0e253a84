"""The pages in a real browser: light, dark, on a phone, printed; and that nothing is asked for."""

import json
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from evergreen.models.artifact import METRICS, SCHEMA, Artifact
from evergreen.reports import drift, model
from local.demo.stack import TOOLS
from tests.unit.pages import hostile, performance, report, stored, too_few

from .browser import Browser, started
from .conftest import require

LARGEST = 400 * 1_024
PHONE, DESK = 360, 1_280
NAMES = ("drifted", "calm", "too-few", "hostile", "card")

OVERFLOWING = """
[...document.querySelectorAll("body *")].filter(one => {
  const scrolls = one.closest(".scroll");
  const box = one.getBoundingClientRect();
  return box.width && !scrolls && box.right > WIDTH + 0.5;
}).map(one => one.outerHTML.slice(0, 200))
"""
OVERLAPPING = """
[...document.querySelectorAll("svg[role=img]")].flatMap(svg => {
  const boxes = [...svg.querySelectorAll("text")].map(text => [text, text.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([, b]) =>
    a.left + 1 < b.right && b.left + 1 < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom
  ).map(([other]) => `${one.textContent} | ${other.textContent}`));
})
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    here = f"{platform.system()} {platform.machine()}"
    require(here == "Linux x86_64", f"npm's package has no browser for {here}")
    folder = TOOLS / "browser"
    require(
        (folder / "chromium").exists(),
        f"{folder} is missing: make .tools/browser/.ready unpacks a browser there, where npm is",
    )
    profile = tmp_path_factory.mktemp("browser") / "profile"
    profile.mkdir()
    with started(folder, profile) as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, version: Artifact) -> dict[str, Path]:
    """The pages as files, by what they tell of."""
    manifest = json.loads(version.manifest.to_bytes())
    metrics, schema = (json.loads(version.files[name]) for name in (METRICS, SCHEMA))
    made = {
        "drifted": drift.page(report(), performance()),
        "calm": drift.page(report(20, 0)),
        "too-few": drift.page(too_few()),
        "hostile": drift.page(stored(hostile(report())), performance()),
        "card": model.card(manifest, metrics, schema),
    }
    assert set(made) == set(NAMES)
    folder = tmp_path_factory.mktemp("pages")
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_shown(
    browser: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    path = pages[name]
    assert path.stat().st_size <= LARGEST
    browser.open(path, width=width, dark=dark)
    assert browser.requested == [path.as_uri()]
    assert browser.complaints == []
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(16, 21, 18)" if dark else "rgb(255, 255, 255)")
    browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(OVERFLOWING.replace("WIDTH", str(width))) == []
    assert browser.evaluate(OVERLAPPING) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_can_be_printed(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], width=DESK, dark=True)
    assert browser.pdf().startswith(b"%PDF-")
    browser.prefer(dark=True, media="print")
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"  # paper is white


def test_whoever_does_not_see_a_picture_hears_what_it_is(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages["drifted"], width=DESK)
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    pictures = [node for node in tree if node.get("role", {}).get("value") == "image"]
    assert len(pictures) > 10
    assert all(node["name"]["value"] for node in pictures)
    assert all(node.get("description", {}).get("value") for node in pictures)


def test_a_table_opens_by_the_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["drifted"], width=DESK)
    browser.evaluate("document.querySelector('summary').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r")
    assert browser.evaluate("document.querySelector('details').open") is True


def test_the_policy_holds(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    """A picture of somebody else's, if one ever got in, would not be asked for."""
    content = pages["drifted"].read_text(encoding="utf-8")
    path = tmp_path / "with.html"
    foreign = '<img src="http://127.0.0.1:9/x.png"><script>document.title = "run"</script></body>'
    path.write_text(content.replace("</body>", foreign), encoding="utf-8")
    browser.open(path, width=DESK)
    assert browser.complaints
    assert browser.evaluate("document.title") != "run"
