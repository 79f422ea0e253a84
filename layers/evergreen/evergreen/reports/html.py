"""HTML and SVG elements, written so that text can't become markup."""

import re
from collections.abc import Iterable
from functools import cache
from html import escape

# What XML can't hold, and what turns the text around it: a name must not rearrange a page.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_VOID = frozenset(["br", "meta"])


class Html(str):
    """Text that is markup already. Only `element` and `join` make it."""

    __slots__ = ()


type Child = str | Iterable[Child] | None
type Attribute = str | float | bool | None


def text(words: str) -> str:
    """Return words without what can't be printed or would turn the direction of others."""
    return words if words.isprintable() and words.isascii() else _UNPRINTABLE.sub(" ", words)


def join(*children: Child) -> Html:
    """Put children one after another: text is escaped, None is nothing."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(escape(text(child), quote=False))
        elif child is not None:
            parts.append(join(*child))
    return Html("".join(parts))


def element(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Return an element.

    Args:
        name: the tag's.
        *children: elements, or text, which is escaped.
        **attributes: `class_` is `class`, `text_anchor` is `text-anchor`. None and False leave one
            out, True has no value.

    """
    written = "".join(
        f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    opened = f"<{name}{written}>"
    return Html(opened if name in _VOID else f"{opened}{join(*children)}</{name}>")


@cache
def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return escape(text(str(value)))
