"""Pages are found, and what they link to is there."""

import re
import tomllib
from collections import Counter
from pathlib import Path

from markdown.extensions.toc import slugify

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +\{ *#([\w-]+) *\})?$", re.MULTILINE)
DIRECTIVE = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)


def _anchors(page) -> set[str]:
    """Give the anchors that a page has: of its headings, and of the names that it documents."""
    found: Counter[str] = Counter()
    anchors = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", page.text))
    for title, own in HEADING.findall(page.prose):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
        anchor = own or slugify(re.sub(r"[*]", "", plain), "-")
        found[anchor] += 1
        anchors.add(anchor if found[anchor] == 1 else f"{anchor}_{found[anchor] - 1}")
    return anchors | set(DIRECTIVE.findall(page.prose))


def test_every_link_of_a_page_leads_to_something_that_is_there(pages) -> None:
    anchors = {page.path: _anchors(page) for page in pages}
    broken, n_links = [], 0
    for page in pages:
        for target in LINK.findall(re.sub(r"`[^`\n]+`", "", page.prose)):
            if re.match(r"[a-z]+:", target):
                continue
            n_links += 1
            name, _, anchor = target.partition("#")
            file = (page.path.parent / name).resolve() if name else page.path
            if not file.exists():
                broken.append(f"{page.name}: {target}")
            elif anchor and anchor not in anchors.get(file, set()):
                broken.append(f"{page.name}: {target}: no such heading")
    assert broken == []
    assert n_links > 100


def _listed(entries: list) -> list[str]:
    return [
        name
        for entry in entries
        for value in (entry.values() if isinstance(entry, dict) else [entry])
        for name in (_listed(value) if isinstance(value, list) else [value])
    ]


def test_every_page_is_in_the_table_of_contents_once(pages, root) -> None:
    settings = tomllib.loads((root / "zensical.toml").read_text(encoding="utf-8"))
    listed = _listed(settings["project"]["nav"])
    docs = root / "docs"
    there = [page.path.relative_to(docs).as_posix() for page in pages if docs in page.path.parents]
    assert sorted(listed) == sorted(there)


def test_every_page_begins_with_its_one_title(pages) -> None:
    titles = {page.name: re.findall(r"^# .+", page.prose, re.MULTILINE) for page in pages}
    assert {name: found for name, found in titles.items() if len(found) != 1} == {}


def test_every_picture_says_what_it_shows(pages) -> None:
    bare = [
        f"{page.name}: {found}" for page in pages for found in re.findall(r"!\[\]\S*", page.prose)
    ]
    assert bare == []


def test_every_picture_of_the_pages_is_shown(pages, root) -> None:
    shown = {
        (page.path.parent / target).resolve()
        for page in pages
        for target in LINK.findall(page.prose)
    }
    pictures = [Path(file) for file in (root / "docs").rglob("*.png")]
    assert [file.name for file in pictures if file.resolve() not in shown] == []
