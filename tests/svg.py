"""Texts of an SVG figure, in the order drawn: they are text, and no outlines of letters."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: Path, part: str = "") -> list[str]:
    """Every text, or every one in the group of that id; a formula is one."""
    root = ElementTree.parse(svg)
    groups = [g for g in root.iter(f"{SVG}g") if g.get("id") == part] if part else [root]
    return ["".join(text.itertext()).strip() for group in groups for text in group.iter(f"{SVG}text")]
