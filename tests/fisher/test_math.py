"""fbench/fisher/MATH.md: the files that it names are there, and so are the sections that the sources cite."""

from __future__ import annotations

import re
from pathlib import Path

FISHER = Path(__file__).resolve().parents[2] / "fbench" / "fisher"
TEXT = (FISHER / "MATH.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE)


def test_the_files_it_names_are_there() -> None:
    names = set(re.findall(r"`([\w/]+\.py|[\w/]+/)`", TEXT))
    assert len(names) > 20
    assert {name for name in names if not any(FISHER.rglob(name.rstrip("/")))} == set()


def test_the_sections_that_are_cited_are_there() -> None:
    citing = {path: path.read_text(encoding="utf-8") for path in FISHER.rglob("*.py")}
    cited = {path: text for path, text in citing.items() if "MATH.md" in text}
    assert len(cited) == 13
    for path, text in cited.items():
        sentence = text[text.index("MATH.md") :].split(".\n")[0]
        sections = re.findall(r'"([^"]+)"', sentence)
        assert sections, path
        assert set(sections) <= set(SECTIONS), path
        assert ("../MATH.md" in text) is (path.parent != FISHER), path


def test_every_section_says_which_file_has_it() -> None:
    for section in SECTIONS[1:]:
        first = TEXT.split(f"## {section}\n\n")[1].split("\n\n")[0]
        assert ".py`" in first, section
