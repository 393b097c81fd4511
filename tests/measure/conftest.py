import fake_nvml
import pytest


@pytest.fixture
def no_driver(monkeypatch):
    fake_nvml.remove_driver(monkeypatch)


@pytest.fixture
def cards(monkeypatch):
    return fake_nvml.insert_cards(monkeypatch)
