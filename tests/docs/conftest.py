"""What the pages of the documentation hold: blocks of code, prose, headings."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code, and where it stands."""

    where: str
    language: str
    body: str


@dataclass(frozen=True)
class Page:
    """A page of Markdown."""

    path: Path

    @property
    def name(self) -> str:
        """Give its path from the project's root."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """Give all of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """Give it without blocks of code and comments, on the lines where it stands."""
        blanked = FENCE.sub(lambda found: "\n" * found[0].count("\n"), self.text)
        return COMMENT.sub(lambda found: "\n" * found[0].count("\n"), blanked)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Give its blocks of code."""
        return tuple(
            Block(
                f"{self.name}:{self.text.count(chr(10), 0, found.start()) + 1}",
                found["language"],
                re.sub(rf"^{found['indent']}", "", found["body"], flags=re.MULTILINE),
            )
            for found in FENCE.finditer(self.text)
        )


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    """Read every page that people see: the documentation and the files at the project's root."""
    return [Page(path) for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")))]
