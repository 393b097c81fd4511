"""What all tests of this folder share: a suite that grows, quick figures, a machine that is looked at once."""

import functools

import pytest
import torch
from faults.lives import FILE

from fbench.harness import registry
from fbench.runs import report, study


@pytest.fixture
def growing(registries, monkeypatch, showwarning):
    """The suite ``growing``, its figures not drawn, and the machine looked at once."""
    registry.load_file(FILE)
    monkeypatch.setattr(study, "environment", functools.cache(study.environment))
    monkeypatch.setattr(
        report, "drawn", lambda figure, files: {f"figures/{figure.name}.{end}": b"x" for end in ("svg", "png")}
    )
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
