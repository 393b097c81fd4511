"""``fbench gate`` broken off: what its one line says is left."""

from __future__ import annotations

import pytest

from fbench import cli
from fbench.gate import gating

BUILT = "fbench: interrupted: what was built is removed"


@pytest.mark.usefixtures("showwarning")
@pytest.mark.parametrize(
    ("before", "written", "line"),
    [
        (False, False, f"{BUILT}\n"),
        (True, False, f"{BUILT}\n"),
        (False, True, f"{BUILT}, and the pairs measured so far are in --out\n"),
        (True, True, f"{BUILT}, and the pairs measured so far are in --out\n"),
    ],
)
def test_pairs_are_told_of_where_this_run_wrote_them(capsys, monkeypatch, tmp_path, before, written, line):
    """A file of an earlier run has nothing of this one."""
    out = tmp_path / "pairs.json"
    if before:
        out.write_text("earlier")

    def interrupted(options, folder, out, tell):
        if written:
            (tmp_path / "new").write_text("now")
            (tmp_path / "new").replace(out)
        raise KeyboardInterrupt

    monkeypatch.setattr(gating, "run_gate", interrupted)
    assert cli.run(["gate", "--against", "main", "--out", str(out)]) == 130
    assert capsys.readouterr() == ("", line)


@pytest.mark.usefixtures("showwarning")
def test_before_anything_is_built_there_is_nothing_to_remove(capsys, monkeypatch):
    def interrupted(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("fbench.cli.gate_command.read_gate_options", interrupted)
    assert cli.run(["gate", "--against", "main"]) == 130
    assert capsys.readouterr() == ("", "fbench: interrupted: nothing was measured\n")
