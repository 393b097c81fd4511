"""``fbench diff`` as its tests call it."""

import pytest

from fbench import cli


@pytest.fixture
def call(capsys, showwarning, monkeypatch, tmp_path):
    """Run ``fbench diff`` in this process, far from the checkout; gives its exit code, stdout in a line, stderr."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments):
        code = cli.run(["diff", *(str(word) for word in arguments)])
        ended = capsys.readouterr()
        assert "Traceback" not in ended.err
        return code, " ".join(ended.out.split()), ended.err

    return called
