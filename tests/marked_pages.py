"""Pages whose tables and sentences are put in place between marks, by the scripts that count or draw them."""

from __future__ import annotations

import re


def fill_mark(page: str, mark: str, text: str) -> str:
    """The page with a text between ``<!-- MARK -->`` and ``<!-- /MARK -->``, each on a line; as it is without them.

    Example:
        >>> fill_mark("<!-- a -->\\nold\\n<!-- /a -->\\n", "a", "new")
        '<!-- a -->\\nnew\\n<!-- /a -->\\n'
    """
    pattern = re.compile(rf"(<!-- {re.escape(mark)} -->\n).*?(<!-- /{re.escape(mark)} -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}{text}\n{match[2]}", page)
