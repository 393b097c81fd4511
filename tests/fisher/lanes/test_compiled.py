"""A cache of compiled functions that is damaged, full or read-only costs a compilation and a warning, and no run."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from fbench.fisher.lanes.compiled import ForgivingCache, compiled

KEPT = """
import gc, sys, weakref
import numpy as np
from fbench.fisher.lanes.compiled import compiled
sys.path.insert(0, ".")
from copying import first
gc.disable()
numbers = np.arange(30.0)
alive = weakref.ref(numbers)
value = compiled(first)(np.zeros(4), numbers)
del numbers
print(value, alive())
"""
FULL = """
import resource, signal, sys
from fbench.fisher.lanes.compiled import compiled
sys.path.insert(0, ".")
from adding import add
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
print(compiled(add)(1, 2))
"""


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Compiles a function whose cache is in ``cache``, and calls it; gives the sum, and whether it was kept there."""
    (tmp_path / "adding.py").write_text("def add(a, b):\n    return a + b\n")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "adding", raising=False)

    def call():
        add = compiled(importlib.import_module("adding").add)
        return add(1, 2), bool(add.stats.cache_hits)

    yield call
    sys.modules.pop("adding", None)


@pytest.mark.parametrize("end", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"words", lambda data: data[:-20]])
def test_a_damaged_cache_is_written_anew(added, tmp_path, end, damage):
    assert [added(), added()] == [(3, False), (3, True)]
    [path] = Path(tmp_path, "cache").rglob(f"*.{end}")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="what was damaged in it is compiled and written anew"):
        assert added() == (3, False)
    assert added() == (3, True)


def test_a_place_that_is_no_folder(added, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder was meant")
    add = compiled(importlib.import_module("adding").add)
    assert add(1, 2) == 3


def test_a_full_disk(tmp_path):
    (tmp_path / "adding.py").write_text("def add(a, b):\n    return a + b\n")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", FULL], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr
    assert "functions are compiled anew in every process" in done.stderr


def test_a_compilation_keeps_no_argument_alive(tmp_path):
    """numba's own caught errors hold the frames that called it, and with them a selection's largest tensors."""
    (tmp_path / "copying.py").write_text("def first(a, b):\n    a[:2] = b[1:3]\n    return a[0]\n")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", KEPT], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "1.0 None\n", done.stderr


def test_a_cache_that_can_be_neither_read_nor_emptied_is_left(recwarn):
    class Broken:
        cache_path, enabled = "somewhere", True

        def refuse(self, *_):
            raise PermissionError(13, "Permission denied")

        load_overload = save_overload = flush = refuse

        def disable(self):
            self.enabled = False

    broken = Broken()
    assert ForgivingCache(broken).load_overload("sig", None) is None
    assert not broken.enabled
    ForgivingCache(broken).save_overload("sig", None)
    [warning] = recwarn
    assert "numba's cache in somewhere could not be used (PermissionError: [Errno 13]" in str(warning.message)
