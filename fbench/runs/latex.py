r"""A summary's table in LaTeX, for a paper: booktabs, every letter safe, and where it was measured in the caption."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from fbench.harness.contract import Table

_SPECIAL = {
    **{letter: "\\" + letter for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", "[": "{[}", "]": "{]}", '"': "''"},
}
_MATHS = {
    **{"±": r"\pm", "×": r"\times", "·": r"\cdot", "−": "-", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "→": r"\to"},
    **{"≈": r"\approx", "∞": r"\infty", "∈": r"\in", "‖": r"\|", "°": r"^\circ", "√": r"\sqrt{}", "∑": r"\sum"},
    **{"⁻": "^{-}", "⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil"},
    **{"α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\epsilon", "ζ": r"\zeta", "η": r"\eta"},
    **{"θ": r"\theta", "ι": r"\iota", "κ": r"\kappa", "λ": r"\lambda", "μ": r"\mu", "ν": r"\nu", "ξ": r"\xi"},
    **{"π": r"\pi", "ρ": r"\rho", "σ": r"\sigma", "τ": r"\tau", "υ": r"\upsilon", "φ": r"\phi", "χ": r"\chi"},
    **{"ψ": r"\psi", "ω": r"\omega", "Γ": r"\Gamma", "Δ": r"\Delta", "Θ": r"\Theta", "Λ": r"\Lambda", "Ξ": r"\Xi"},
    **{"Π": r"\Pi", "Σ": r"\Sigma", "Φ": r"\Phi", "Ψ": r"\Psi", "Ω": r"\Omega"},
}
_TEXT = {"–": "--", "—": "---", "…": r"\ldots{}", "’": "'", "‘": "`", "“": "``", "”": "''", "•": r"\textbullet{}"}


def latex_table(table: Table, where: str = "") -> str:
    r"""The table as a float that needs ``\usepackage{booktabs}``; ``where`` ends its caption.

    Example:
        >>> print(latex_table(Table("Times", ["size", "time"], [["16", "1 ± 0.5 ms"]]), "On a CPU."))
        % needs \usepackage{booktabs}
        \begin{table}
          \centering
          \caption{Times. On a CPU.}
          \begin{tabular}{lr}
            \toprule
            size & time \\
            \midrule
            16 & 1 $\pm$ 0.5 ms \\
            \bottomrule
          \end{tabular}
        \end{table}
        <BLANKLINE>
    """
    title = table.title if table.title[-1:] in ".?!" else f"{table.title}."
    caption = escape_latex(" ".join(filter(None, [title, table.note, where])))
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"    \toprule",
        _line(table.columns),
        r"    \midrule",
        *map(_line, table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "    " + " & ".join(map(escape_latex, cells)) + r" \\"


def escape_latex(text: str) -> str:
    r"""Text as LaTeX prints it, with any engine; a letter that none of its fonts has is a question mark.

    Example:
        >>> escape_latex("50 % of Δ_max [λ⁻¹], été")
        '50 \\% of $\\Delta$\\_max {[}$\\lambda$$^{-}$$^{1}${]}, été'
    """
    return "".join(map(_letter, " ".join(text.split())))


def _letter(letter: str) -> str:
    if letter in _SPECIAL or letter in _TEXT:
        return _SPECIAL.get(letter) or _TEXT[letter]
    if letter in _MATHS:
        return f"${_MATHS[letter]}$"
    kind, _, plain = unicodedata.decomposition(letter).partition(" ")
    if kind in ("<super>", "<sub>") and plain:
        return f"${'^' if kind == '<super>' else '_'}{{{chr(int(plain.split()[0], 16))}}}$"
    known = " " <= letter <= "~" or (letter.isalpha() and letter <= "ɏ")
    return letter if known else "?"
