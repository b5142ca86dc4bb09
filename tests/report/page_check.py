"""What must hold of every page: it asks nothing of a network, and can be read without seeing it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "input"}
LOADS = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"}


class Page(HTMLParser):
    """Reads a page and notes its headings, what it refers to, its text, and what breaks the rules."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text, self.headings, self.refers, self.faults = "", [0], set[str](), list[str]()
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._titled: list[bool] = []
        self.ids: set[str] = set()
        self.feed(source)
        self.close()
        self.faults += [f"left open: {tag}" for tag, _ in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.refers |= {value or "" for name, value in attrs if name in LOADS}
        self.ids |= {value for name, value in attrs if name == "id" and value}
        if tag in {"h1", "h2", "h3", "h4"}:
            level = int(tag[1])
            if level > self.headings[-1] + 1 or (level == 1) != (self.headings == [0]):
                self.faults.append(f"heading out of order: {tag}")
            self.headings.append(level)
        if tag == "th" and found.get("scope") not in {"col", "row", "colgroup"}:
            self.faults.append("a header cell without scope")
        if tag == "img" and not found.get("alt"):
            self.faults.append("a picture without words")
        if tag == "script" or any(name.startswith("on") for name in found):
            self.faults.append("a script")
        if tag == "svg" and found.get("role") == "img":
            self._titled.append(False)
        if tag == "title" and self._open[-1][0] == "svg":
            self._titled[-1] = True
        if tag not in VOID:
            self._open.append((tag, found))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            self.faults.append(f"closed out of order: {tag}")
            return
        _, found = self._open.pop()
        if tag == "svg" and found.get("role") == "img" and not self._titled.pop():
            self.faults.append("a chart without words")
        if tag == "table" and not any("scroll" in (a.get("class") or "") for _, a in self._open):
            self.faults.append("a table outside a box of its own")

    def handle_data(self, data: str) -> None:
        if not any(tag == "style" for tag, _ in self._open):
            self.text += data

    @property
    def words(self) -> str:
        """The text, with each run of white space as one space."""
        return " ".join(self.text.split())


def check_page(source: str) -> Page:
    """Read a page, and see that it refers to itself only and breaks no rule."""
    page = Page(source)
    assert not page.faults
    assert all(one.startswith(("data:", "#")) for one in page.refers)
    assert {one[1:] for one in page.refers if one.startswith("#")} <= page.ids
    assert "default-src 'none'" in source
    assert "url(" not in source
    assert "@import" not in source
    return page
