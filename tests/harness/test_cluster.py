"""Which cluster of Ray is meant, what it has room for, and what is said where there is none."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from concurrent import futures
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from fbench import cli
from fbench.errors import UsageError
from fbench.harness import cluster as clusters
from fbench.harness import ray_address, ray_executor, registry
from fbench.harness.cluster import Cluster, Node, differing, joined, versions
from fbench.harness.ray_executor import Needs, needs_of, room_for

FOUR = Cluster("auto", (Node(4, 0), Node(8, 2)))


@contextmanager
def listening(answer):
    """A port where something that is not Ray listens, and answers so; with nothing, it keeps silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            peer, _ = server.accept()
            with peer:
                if answer:
                    peer.sendall(answer)
                peer.recv(1000)
                done.wait(10)

        done = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        done.set()
        thread.join()


def refused(capsys, *words):
    """What a command says that ends with 2."""
    assert cli.run(["compare", "--dry-run", "--device", "cpu", *words]) == 2
    return capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--address", "auto"], "--address auto: is of a cluster of Ray; give --executor ray beside it"),
        (["--executor", "rey"], "unknown --executor 'rey'; did you mean 'ray'? Known: local, ray"),
    ],
)
def test_options_that_cannot_be(capsys, words, line):
    assert refused(capsys, *words) == f"fbench: {line}"


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "http://head:6379", "head:65536", "ray://", "a b:1"])
def test_what_is_no_address(capsys, address):
    line = f"fbench: --address {address}: must be auto, HOST:PORT, or ray://HOST:PORT"
    assert refused(capsys, "--executor", "ray", "--address", address) == line


def test_ray_is_not_installed(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    line = refused(capsys, "--executor", "ray")
    assert line.startswith("fbench: --executor ray needs Ray (")
    assert line.endswith("); install it: pip install 'fbench[ray]'")


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_nothing_listens(capsys, tmp_path, prefix):
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{prefix}127.0.0.1:{server.getsockname()[1]}"
    words = ["compare", "--executor", "ray", "--address", address, "--out", str(tmp_path / "run")]
    assert cli.run(words) == 2
    reason = "Ray does not answer: Connection refused; give the address of a cluster that runs (ray start --head)"
    assert capsys.readouterr().err == f"fbench: --address {address}: {reason}\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(b"", "timed out"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "something else listens there")],
)
def test_something_else_listens(capsys, monkeypatch, answer, reason):
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_address, "_ANSWER_S", 0.3)
    with listening(answer) as address:
        assert f"Ray does not answer: {reason}; give" in refused(capsys, "--executor", "ray", "--address", address)


@pytest.fixture
def guarded():
    """The address of a cluster that lets nobody in without a token; its own words."""
    grpc = pytest.importorskip("grpc")

    def refuse(request, context):
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "Authentication token is missing or incorrect")

    server = grpc.server(futures.ThreadPoolExecutor(1))
    questions = {"GetClusterId": grpc.unary_unary_rpc_method_handler(refuse)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("ray.rpc.NodeInfoGcsService", questions)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def no_token(monkeypatch, tmp_path):
    """A home without one."""
    monkeypatch.setattr(ray_address.Path, "home", lambda: tmp_path)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path / ".ray" / "auth_token"


def test_a_token_is_shown_where_the_cluster_asks(guarded, no_token, monkeypatch):
    no_token.parent.mkdir()
    no_token.write_text("secret")
    ray_address.take_token(guarded)
    assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.delenv("RAY_AUTH_MODE")
    with listening(b"") as open_to_all:  # and where none is asked for, none is shown: workers there would not begin
        monkeypatch.setattr(ray_address, "_ANSWER_S", 0.3)
        ray_address.take_token(open_to_all)
    assert "RAY_AUTH_MODE" not in os.environ


@pytest.mark.parametrize("mode", ["", "disabled"])
def test_a_cluster_asks_for_a_token_that_is_not_there(capsys, guarded, no_token, monkeypatch, mode):
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    line = (
        f"fbench: --address {guarded}: the cluster asks for a token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to "
        "what `ray get-auth-token` prints on its head"
    )
    assert refused(capsys, "--executor", "ray", "--address", guarded) == line


def pretended(error):
    """A Ray that cannot be begun or joined."""

    def init(*_, **__):
        raise error

    return SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: None)


@pytest.mark.parametrize(
    ("address", "error", "line"),
    [
        (
            "auto",
            RuntimeError(
                "Version mismatch: The cluster was started with:\n    Ray: 2.40.0\n    Python: 3.12.1\nThis one"
            ),
            "--address auto: the cluster has other versions (Version mismatch: The cluster was started with: Ray: "
            "2.40.0 Python: 3.12.1 This one); install the same here and there",
        ),
        (
            "auto",
            ConnectionError("Could not find any running Ray instance. Please"),
            "--address auto: Ray does not answer: Could not find any running Ray instance. Please; give the address of "
            "a cluster that runs (ray start --head)",
        ),
        (
            "",
            RuntimeError(),
            "--executor ray: Ray does not answer: RuntimeError; see /tmp/ray for its logs",
        ),
    ],
)
def test_ray_says_no(monkeypatch, address, error, line):
    monkeypatch.setattr(clusters, "require_ray", lambda: pretended(error))
    with pytest.raises(UsageError) as caught, joined(address):
        pass
    assert str(caught.value) == line


def test_signals_stay_the_programs(monkeypatch):
    """Ray takes SIGTERM, by which a command ends like by Ctrl-C."""
    before = signal.getsignal(signal.SIGTERM)
    ray = pretended(None)
    ray.init = lambda *_, **__: signal.signal(signal.SIGTERM, signal.SIG_IGN)
    monkeypatch.setattr(clusters, "require_ray", lambda: ray)
    with joined("auto"):
        assert signal.getsignal(signal.SIGTERM) is before


def test_a_program_that_began_ray_keeps_it(monkeypatch):
    nodes = [{"Alive": True, "Resources": {"CPU": 3.0}}, {"Alive": False, "Resources": {}}]
    ray = SimpleNamespace(is_initialized=lambda: True, nodes=lambda: nodes)  # to begin or to leave would raise
    monkeypatch.setattr(clusters, "require_ray", lambda: ray)
    assert clusters.cluster_at("", Node(1, 0)).nodes == (Node(3.0, 0.0),)


def test_what_a_worker_takes(toy):
    learns, timed = registry.SUITES.get("toy"), registry.SUITES.get("toyworker")
    assert needs_of(learns, ("cpu",), 2, FOUR.nodes) == Needs(2, 0)
    assert needs_of(timed, ("cpu",), 2, FOUR.nodes) == Needs(8, 0)  # all of a node: nobody is beside it
    assert needs_of(learns, ("cuda:0", "cuda:1"), 2, FOUR.nodes) == Needs(2, 2)
    shared = SimpleNamespace(executor="inline", gpu_share=0.25)
    assert needs_of(shared, ("cuda:0",), 1, FOUR.nodes) == Needs(1, 0.25)
    assert needs_of(shared, ("cuda:0", "cuda:1"), 1, FOUR.nodes) == Needs(1, 2)
    held = SimpleNamespace(executor="fresh", gpu_share=0.25)
    assert needs_of(held, ("cuda:0",), 1, FOUR.nodes) == Needs(1, 1)


def test_room(toy):
    learns, timed = registry.SUITES.get("toy"), registry.SUITES.get("toyworker")
    assert room_for(learns, ("cpu",), 3, FOUR) == 3
    assert room_for(learns, ("cuda:0",), 2, FOUR) == 2
    assert room_for(timed, ("cpu",), 3, FOUR) == 1
    with pytest.raises(UsageError, match=r"no node has 9 CPUs; give fewer --threads, or a larger cluster's --address$"):
        room_for(learns, ("cpu",), 9, FOUR)
    with pytest.raises(
        UsageError, match=r"^Ray at auto: 2 nodes, 12 CPUs, 2 GPUs: no node has 1 CPUs and 3 GPUs; give"
    ):
        room_for(learns, ("cuda:0", "cuda:1", "cuda:2"), 1, FOUR)


def test_versions_that_differ():
    assert set(versions()) == {"fbench", "torch", "Python"}
    assert differing(versions(), versions(), "node-7") == ""


def test_loaded_files_reach_another_machine(tmp_path):
    """Where the same is at hand it is taken; else what the driver has, with what lies beside it under its name."""
    mine = tmp_path / "mine.py"
    mine.write_text("a = 1\n")
    (tmp_path / "mine.pickle").write_bytes(b"1")
    files = ray_executor._beside(mine)
    assert ray_executor._at_hand(str(mine), files) == mine
    mine.write_text("a = 2\n")
    there = ray_executor._at_hand(str(mine), files)
    assert there != mine
    assert (there.name, there.read_text()) == ("mine.py", "a = 1\n")
    assert there.with_suffix(".pickle").read_bytes() == b"1"
