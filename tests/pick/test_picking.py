"""``fbench pick`` as a user meets it: their arrays in, a CSV out, one line for one mistake and nothing written."""

from __future__ import annotations

import csv
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pick_words import typed_for

import fbench
import fbench.fisher.selection.bait
from fbench import cli
from fbench.acquisition.pool_strategies import POOL_STRATEGIES
from fbench.acquisition.views import PoolView
from fbench.cli import console, parameters
from fbench.cli import progress as cli_progress
from fbench.errors import InputError
from fbench.fisher.planning import fitting
from fbench.fisher.selection.approximations import binary, principal, top_classes
from fbench.pick import picking

N, K, H = 80, 4, 3
RNG = np.random.default_rng(0)
LOGITS, FEATURES = 2 * RNG.normal(size=(N, K)).astype("f4"), RNG.normal(size=(N, H)).astype("f4")
LABELLED = [5, 0, 77, 31]
TENSORS = torch.from_numpy(LOGITS), torch.from_numpy(FEATURES)


@pytest.fixture
def call(capsys, showwarning, monkeypatch, tmp_path):
    """Run ``fbench pick`` in this process and a folder of its own; gives its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console.out, "width", 400)
    np.savez("pool.npz", logits=LOGITS, features=FEATURES, labelled=LABELLED)

    def called(*arguments, pool="pool.npz"):
        code = cli.run(["pick", *([pool] if pool else []), *map(str, arguments)])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err

    return called


def picks(path="picks.csv"):
    with Path(path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["position"] for row in rows] == [str(i) for i in range(len(rows))]
    return [int(row["index"]) for row in rows]


def directly(embedding=None, batch=6, **how):
    embedding = fbench.last_layer_embedding(*TENSORS) if embedding is None else embedding
    return fbench.bait_select(embedding, batch, **{"labelled": LABELLED, **how})


def test_picks_are_those_of_bait_select(call):
    code, out, err = call("--batch", 6)
    chosen = directly()
    assert code == 0
    assert picks() == chosen.indices.tolist()
    with Path("picks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    where = [chosen.forward.tolist().index(index) for index in chosen.indices.tolist()]
    assert [float(row["score"]) for row in rows] == chosen.scores[where].tolist()
    assert [float(row["gap"]) for row in rows] == chosen.gaps[where].tolist()
    sizes = "r = 3, d = 12, of which 9 suffice; k = 4 classes, h = 3 features; float32"
    assert f"pool.npz: n = 80 candidates (4 labelled), {sizes}" in out
    # F is 4·9² bytes, and of so few weights the quadratic forms set the peak
    assert re.search(r"^  F +324 B$", out, re.MULTILINE)
    assert re.search(r"^  P and Q +648 B$", out, re.MULTILINE)
    assert re.search(r"^  a chunk's quadratic forms +14\.1 KiB$", out, re.MULTILINE)
    [total] = re.findall(r"^  in all, in init, its dearest phase +([0-9.]+) KiB$", out, re.MULTILINE)
    [needed] = re.findall(r"^  with 15 % to spare +([0-9.]+) KiB$", out, re.MULTILINE)
    assert float(needed) == pytest.approx(1.15 * float(total), rel=5e-3)
    assert re.search(r"free on cpu +[0-9.]+ [MGT]iB", out)
    assert f"6 picks are in picks.csv: tr(F M⁻¹) is {chosen.objective:.4g} with them, after 12 forward picks had" in out
    assert re.search(r"lowered it by [0-9.]+ \(λ = 1, d_eff = [0-9.]+ of d = 12\)\.", out)
    led = "([0-9]+ of the 12 forward picks led the next|every forward pick led)"
    assert re.search(rf"M⁻¹ drifted by [0-9.e+-]+, refreshes: [0-9]+; {led}", out)
    assert all(re.match(r"[a-z ]+: \d+ of \d+", line) for line in err.splitlines())  # none where it is quick


@pytest.mark.parametrize(
    ("method", "embedding", "how"),
    [
        ("exact", None, {}),
        ("top2", lambda: top_classes(*TENSORS, 2), {}),
        ("top3", lambda: top_classes(*TENSORS, 3), {}),
        ("binary", lambda: binary(*TENSORS), {}),
        ("pca:2", lambda: principal(*TENSORS, 2), {}),
        ("diagonal", None, {"method": "diagonal"}),
    ],
)
def test_methods(call, method, embedding, how):
    code, out, _ = call("--batch", 6, "--method", method)
    assert code == 0
    assert picks() == directly(embedding and embedding(), **how).indices.tolist()
    assert ("of the diagonals" in out) == (method == "diagonal")


@pytest.mark.parametrize(
    ("typed", "how"),
    [
        (["--regularisation", "0.01"], {"regularisation": 0.01}),
        (["--regularisation", "rel:0.5"], {"regularisation": "rel:0.5"}),
        (["--regularisation", "deff:2"], {"regularisation": "deff:2"}),
        (["--oversample", "1"], {"oversample": 1.0}),
        (["--dtype", "float64"], {"dtype": torch.float64}),
        (["--device", "cpu,cpu,cpu"], {"devices": ["cpu"] * 3}),
    ],
)
def test_options_reach_the_selection(call, typed, how):
    assert call("--batch", 6, *typed)[0] == 0
    assert picks() == directly(**how).indices.tolist()


def test_threads_are_set(call, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert call("--batch", 2, "--threads", 3)[0] == 0
    assert call("--batch", 2, "--out", "b.csv")[0] == 0
    assert asked == [3]


def test_an_embedding_of_ones_own(call):
    values = fbench.last_layer_embedding(*TENSORS).dense()
    np.savez("own.npz", embedding=values.numpy())
    code, out, _ = call("--batch", 6, pool="own.npz")
    assert (code, "n = 80 candidates (0 labelled), r = 3, d = 12; float32" in out) == (0, True)
    expected = directly(fbench.dense_embedding(values), labelled=[])
    assert picks() == expected.indices.tolist()
    code, _, err = call("--batch", 6, "--method", "binary", "--out", "b.csv", pool="own.npz")
    message = (
        "fbench: --method binary works on logits and features, and own.npz holds an embedding; take exact or diagonal\n"
    )
    assert (code, err) == (2, message)


def test_labelled_given_wins_and_picks_can_be_given_back(call):
    """A second round: what was bought before is labelled now."""
    assert call("--batch", 6)[0] == 0
    first = picks()
    assert call("--batch", 6, "--labelled", "picks.csv", "--out", "second.csv")[0] == 0
    assert picks("second.csv") == directly(labelled=first).indices.tolist()
    mask = np.zeros(N, dtype=bool)
    mask[first] = True
    np.save("mask.npy", mask)
    assert call("--batch", 6, "--labelled", "mask.npy", "--out", "third.csv")[0] == 0
    assert picks("third.csv") == picks("second.csv")


def test_float16_is_read_as_float32_and_said(call):
    np.savez("half.npz", logits=LOGITS.astype("f2"), features=FEATURES.astype("f2"))
    code, out, err = call("--batch", 3, pool="half.npz")
    assert code == 0
    assert "; float32" in out
    assert "fbench: warning: logits are float16 and were read as float32\n" in err


def test_float64_arrays_are_picked_from_in_float64(call):
    np.savez("double.npz", logits=LOGITS, features=FEATURES.astype("f8"))
    assert "; float64" in call("--batch", 3, pool="double.npz")[1]
    assert "; float32" in call("--batch", 3, "--dtype", "float32", "--out", "b.csv", pool="double.npz")[1]


def test_a_dry_run_says_what_would_be_held_and_writes_nothing(call, tmp_path):
    before = sorted(tmp_path.iterdir())
    code, out, err = call("--batch", 6, "--dry-run")
    assert (code, err) == (0, "")
    assert out.endswith("On cpu it fits.\nNothing was picked.\n")
    assert sorted(tmp_path.iterdir()) == before


def test_a_dry_run_may_name_a_file_that_is_there(call):
    assert call("--batch", 6)[0] == 0
    code, out, _ = call("--batch", 3, "--dry-run")
    assert (code, out.endswith("Nothing was picked.\n")) == (0, True)
    assert "picks.csv: exists" in call("--batch", 3)[2]
    assert "--batch 77: must be" in call("--batch", 77)[2]  # the arrays' faults come first


@pytest.fixture
def little(monkeypatch):
    """A machine with next to nothing free."""

    def free(size):
        for module in (picking, fitting):
            monkeypatch.setattr(module, "free_bytes", lambda device: size)

    return free


def test_a_dry_run_of_what_does_not_fit_says_what_does(call, little):
    np.savez("wide.npz", logits=np.zeros((50, 40), "f4"), features=np.ones((50, 100), "f4"))
    little(150 * 2**20)
    code, out, _ = call("--batch", 6, "--dry-run", "--dtype", "float64", pool="wide.npz")
    assert code == 0
    assert "On cpu it does not fit. What does:\n" in out
    offered = re.findall(r"--method (\S+):", out)
    assert [name.partition(":")[0] for name in offered] == ["pca", "binary", "diagonal"]
    little(1)
    assert "  nothing; take a smaller pool\n" in call("--batch", 6, "--dry-run", pool="wide.npz")[1]
    little(None)
    assert "How much cpu has free is not known here." in call("--batch", 6, "--dry-run")[1]


def test_what_does_not_fit_is_refused_before_it_begins(call, little, tmp_path):
    np.savez("wide.npz", logits=np.zeros((50, 40), "f4"), features=np.ones((50, 100), "f4"))
    little(40 * 2**20)
    code, _, err = call("--batch", 6, pool="wide.npz")
    assert code == 2
    assert err.startswith("fbench: the selection needs ")
    assert "40 classes × 100 features give d = 4,000; in backward, its dearest phase: " in err
    assert "d×d matrices F 61 MiB" in err
    assert "What fits: pca:" in err
    assert err.count("\n") == 1
    offer = re.search(r"pca:[0-9]+", err)
    assert offer
    assert call("--batch", 6, "--method", offer[0], pool="wide.npz")[0] == 0


def test_a_plan_is_held_to_what_is_free_with_the_margin(call, little, monkeypatch):
    """Dry run and selection alike; the plan knows B, the oversampling and what is labelled."""
    asked = asked_for(6)
    [plan] = asked.plans.values()
    assert (plan.sizes.picks, plan.sizes.removals) == (12, 6)
    needed = asked.choice.way.needed
    assert plan.growth < asked.choice.way.held < needed
    little(needed)
    assert "On cpu it fits." in call("--batch", 6, "--dry-run")[1]
    assert call("--batch", 6, "--out", "first.csv")[0] == 0
    little(needed - 1)
    assert "On cpu it does not fit." in call("--batch", 6, "--dry-run")[1]
    code, _, err = call("--batch", 6)
    assert (code, err.count("\n")) == (2, 1)
    assert "with 15 % to spare " in err
    assert not Path("picks.csv").exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("[enforce fail] can't allocate memory: 9 TB")])
def test_memory_that_runs_out_all_the_same(call, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr(fbench.fisher.selection.bait, "bait_select", full)
    code, _, err = call("--batch", 6)
    assert code == 2
    assert err.startswith("fbench: pool.npz: ran out of memory: ")
    assert err.endswith("; --dry-run says what would take less\n")


def test_our_own_fault_is_not_called_memory(call, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(fbench.fisher.selection.bait, "bait_select", broken)
    assert call("--batch", 6)[0] == 70


NAN, INF = LOGITS.copy(), FEATURES.copy()
NAN[7, 2], INF[3, 1] = np.nan, np.inf


@pytest.mark.parametrize(
    ("arrays", "typed", "message"),
    [
        ({}, [], "fbench pick needs --batch N, how many to pick"),
        ({}, ["--batch", "0"], "--batch 0: must be at least 1"),
        ({}, ["--batch", "ten"], "--batch ten: must be a whole number"),
        ({}, ["--batch", "1.5"], "--batch 1.5: must be a whole number"),
        (
            {"labelled": np.arange(80)},
            ["--batch", "1"],
            "pool.npz: all 80 candidates are labelled; nothing is left to pick",
        ),
        ({}, ["--batch", "77"], "pool.npz: --batch 77: must be from 1 to 76, what is left unlabelled"),
        ({}, ["--batch", "2", "--regularisation", "0"], "--regularisation 0: must be a positive number"),
        ({}, ["--batch", "2", "--regularisation", "-1"], "--regularisation -1: must be a positive number"),
        ({}, ["--batch", "2", "--oversample", "0.5"], "--oversample 0.5: must be at least 1"),
        ({}, ["--batch", "2", "--oversample", "inf"], "--oversample inf: must be a finite number"),
        ({}, ["--batch", "2", "--oversample", "x"], "--oversample x: must be a number"),
        ({}, ["--batch", "2", "--threads", "-1"], "--threads -1: must be at least 0"),
        ({}, ["--batch", "2", "--dtype", "float16"], "unknown --dtype 'float16'; did you mean 'float"),
        ({}, ["--batch", "2", "--method", "exat"], "unknown method 'exat'; did you mean 'exact'? Known: "),
        ({}, ["--batch", "2", "--method", "top"], "method top: top needs its classes; write one of "),
        (
            {},
            ["--batch", "2", "--method", "top5"],
            "pool.npz: --method top, 5 classes: must be a whole number from 1 to 4",
        ),
        (
            {},
            ["--batch", "2", "--method", "pca:4"],
            "pool.npz: --method pca, 4 components: must be a whole number from 1 to 3",
        ),
        ({}, ["--batch", "2", "--device", "tpu"], "unknown device 'tpu'"),
        ({}, ["--batch", "2", "--labelled", "none.npy"], "none.npy: no such file"),
        ({}, ["--batch", "2", "--labelled", "short.npy"], "--labelled short.npy: a mask of shape [3]; it must be [80]"),
        ({}, ["--batch", "2", "--labelled", "far.npy"], "labelled index 80 is outside the pool: must be from 0 to 79"),
        ({}, ["--batch", "2", "--labelled", "twice.npy"], "labelled index 3 is given twice"),
        ({}, ["--batch", "2", "--out", "none/a.csv"], "--out none/a.csv: there is no folder none; make it first"),
        ({}, ["--batch", "2", "--out", "pool.npz"], "--out pool.npz: exists; give another name, or --overwrite"),
        ({}, ["--batch", "2", "--out", "."], "--out .: is not a file; give the name of a file"),
        ({}, ["--batch", "2", "more"], "more"),
        ({}, ["--batch", "2", "--no-such-option"], "No such option: --no-such-option"),
        ({"labelled": [True, False]}, ["--batch", "2"], "pool.npz: labelled: a mask of shape [2]; it must be [80]"),
        ({"logits": LOGITS[:79]}, ["--batch", "2"], "logits are of 79 candidates and features of 80; they must be of"),
        ({"logits": LOGITS[:, :1]}, ["--batch", "2"], "pool.npz: logits of one class; BAIT needs at least 2"),
        ({"features": FEATURES[:, :0]}, ["--batch", "2"], "pool.npz: features has shape [80, 0]; no axis may be empty"),
        ({"logits": NAN}, ["--batch", "2"], "pool.npz: logits[7, 2] is nan; every value must be finite"),
        ({"features": INF}, ["--batch", "2"], "pool.npz: features[3, 1] is inf; every value must be finite"),
        ({"features": FEATURES * 1e30}, ["--batch", "2"], "pool.npz: the embedding's squares overflow torch.float32"),
        ({"logits": np.array([{}])}, ["--batch", "2"], "holds Python objects, which are never unpickled"),
        ({"logits": None}, ["--batch", "2"], "pool.npz: has no logits (it holds features, labelled); it must hold"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_nothing_is_written(call, arrays, typed, message, tmp_path):
    held = {"logits": LOGITS, "features": FEATURES, "labelled": LABELLED, **arrays}
    np.savez("pool.npz", **{name: array for name, array in held.items() if array is not None})
    np.save("short.npy", [True, False, True])
    np.save("far.npy", [3, 80])
    np.save("twice.npy", [3, 3])
    before = sorted(tmp_path.iterdir())
    code, _, err = call(*typed)
    assert code == 2
    assert message in err
    assert err.startswith("fbench: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("pool", "message"), [("none.npz", "none.npz: no such file"), ("", "FEATURES.npz")])
def test_no_arrays(call, pool, message):
    code, _, err = call("--batch", 2, pool=pool)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_what_is_there_is_replaced_when_asked(call):
    Path("picks.csv").write_text("old")
    assert call("--batch", 2)[0] == 2
    assert Path("picks.csv").read_text() == "old"
    assert call("--batch", 2, "--overwrite")[0] == 0
    assert len(picks()) == 2


def test_help_names_every_option(call):
    code, out, _ = call("--help", pool="")
    assert code == 0
    flags = ["--" + name.replace("_", "-") for name in parameters.PICK_OPTIONS]
    assert [flag for flag in flags if not re.search(rf"{flag}\b", out)] == []


def test_interrupted_it_leaves_nothing(tmp_path):
    big = np.random.default_rng(1)
    np.savez(tmp_path / "big.npz", logits=big.normal(size=(20_000, 10)), features=big.normal(size=(20_000, 20)))
    command = [sys.executable, "-c", "from fbench.cli import main; main()", "pick", "big.npz", "--batch", "300"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    message = process.stderr.readline()  # it is under way
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert re.match(r"[a-z ]+: \d+ of \d+", message)
    assert process.returncode == 130
    assert rest.endswith("fbench: interrupted: nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["big.npz"]


def test_a_bar_on_a_terminal(call, monkeypatch):
    class Bar:
        shown, task_ids, stopped = [], [0], False

        def add_task(self, description, **_):
            self.shown.append(description)

        def update(self, task, **fields):
            self.shown.append((fields["description"], fields["completed"], fields["total"]))

        def stop(self):
            Bar.stopped = True

    monkeypatch.setattr(cli_progress, "_bar", Bar)
    code, _, err = call("--batch", 2)
    assert (code, err, Bar.stopped) == (0, "", True)
    forward = [("forward", done, 4) for done in (1, 2, 3, 4)]
    picks = [step for step in Bar.shown if step[0] in ("forward", "backward")]
    assert picks == [*forward, ("backward", 1, 2), ("backward", 2, 2)]
    assert {step[0] for step in Bar.shown[1:]} >= {"fisher", "setup", "setup of removals", "objective"}


def test_the_time_left_is_that_of_the_phase(monkeypatch, capsys):
    now = iter([0.0, 1.0, 3.0, 4.0, 6.0])
    monkeypatch.setattr(cli_progress.time, "perf_counter", lambda: next(now))
    with cli_progress.PickProgress() as progress:
        progress.took("setup", 1, 1)
        progress.took("forward", 1, 5)  # one second each
        progress.took("forward", 3, 5)
        progress.took("forward", 5, 5)
        progress.took("backward", 1, 3)  # two
    assert capsys.readouterr().err.splitlines() == [
        "forward: 1 of 5, 4 s left",
        "forward: 3 of 5, 2 s left",
        "forward: 5 of 5, 0 s left",
        "backward: 1 of 3, 4 s left",
    ]


def asked_for(batch):
    return picking.read_pick(Path("pool.npz"), typed_for(batch), ("cpu",))


def test_what_rounding_did_is_said(call):
    asked = asked_for(6)
    chosen = asked.chosen(lambda *_: None)
    assert len(picking.pick_sentences(asked, chosen)) == 2
    close = torch.tensor([*chosen.gaps[:-1], 0.0])
    near = dataclasses.replace(chosen, gaps=close, jitter=1e-12, refreshes=3, drift=2.5e-7)
    sentences = picking.pick_sentences(asked, near)
    count = int((close < 1e-4).sum())
    rounding = f"M⁻¹ drifted by 2.5e-07, refreshes: 3; {count} of the 12 forward picks led the next by less than"
    assert rounding in sentences[1]
    apart = dataclasses.replace(chosen, gaps=torch.ones(len(chosen.gaps)))
    assert "; every forward pick led the next by 1e-04 of its score or more." in picking.pick_sentences(asked, apart)[1]
    assert sentences[2].startswith(
        "M had lost its definiteness to rounding: 1.0e-12 was added to its diagonal; a larger"
    )


def test_a_refusal_keeps_its_kind_and_names_the_file(call):
    pick = asked_for(6)
    pick = dataclasses.replace(pick, asked=dataclasses.replace(pick.asked, batch=79))
    with pytest.raises(InputError, match=r"^pool.npz: batch_size 79: must be from 1 to 76"):
        pick.run(lambda *_: None)


def test_of_two_at_once_one_has_the_name_and_neither_loses_its_picks(call, monkeypatch):
    select = picking.Pick.chosen

    def slower(pick, progress):
        selected = select(pick, progress)
        monkeypatch.setattr(picking.Pick, "chosen", select)
        assert call("--batch", 3)[0] == 0  # the other, begun later and ended sooner
        return selected

    monkeypatch.setattr(picking.Pick, "chosen", slower)
    code, _, err = call("--batch", 2)
    assert (code, err.splitlines()[-1]) == (
        2,
        "fbench: --out picks.csv: a file of that name appeared meanwhile, and stays; these picks are in picks-2.csv",
    )
    assert [len(Path(name).read_text().splitlines()) for name in ("picks.csv", "picks-2.csv")] == [4, 3]
    assert call("--batch", 2, "--overwrite")[0] == 0
    assert len(Path("picks.csv").read_text().splitlines()) == 3


BASELINE_NAMES = sorted(POOL_STRATEGIES)


@pytest.mark.parametrize("name", BASELINE_NAMES)
def test_another_strategy_picks_as_it_does_on_tensors(call, name):
    code, out, err = call("--batch", 6, "--strategy", name, "--seed", 3)
    assert (code, err) == (0, "")
    arrays = {"logits": TENSORS[0], "features": TENSORS[1]}
    generator, labelled = torch.Generator().manual_seed(3), torch.tensor(LABELLED)
    view = PoolView(N, labelled, generator, **{need: arrays[need] for need in POOL_STRATEGIES[name].needs})
    chosen = POOL_STRATEGIES[name].pick(view, 6)
    assert picks() == chosen.positions.tolist()
    first = (*POOL_STRATEGIES[name].needs, "logits")[0]
    assert f"pool.npz: n = 80 candidates (4 labelled); {first} [80, " in out
    assert f"6 picks of {name} are in picks.csv" in out
    with Path("picks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["gap"] for row in rows} == {""}
    assert "The column gap is BAIT's alone, and empty." in out
    if name == "random":
        assert {row["score"] for row in rows} == {""}
        assert "they are drawn, and have no score." in out
    else:
        assert [float(row["score"]) for row in rows] == pytest.approx(chosen.scores.tolist())
        assert f"; their score is {POOL_STRATEGIES[name].score}." in out


def test_a_strategy_needs_only_its_own_arrays(call):
    np.savez("features.npz", features=FEATURES)
    assert call("--batch", 3, "--strategy", "coreset", pool="features.npz")[0] == 0
    code, _, err = call("--batch", 3, "--strategy", "badge", "--out", "b.csv", pool="features.npz")
    assert code == 2
    assert err == (
        "fbench: features.npz: has no logits (it holds features); it must hold logits [n, k] and features [n, h]\n"
    )


def test_a_strategy_in_double_precision_and_from_another_seed(call):
    for number, typed in enumerate([[], ["--dtype", "float64"], ["--seed", "1"]]):
        code, out, _ = call("--batch", 20, "--strategy", "badge", "--out", f"{number}.csv", *typed)
        assert code == 0
        assert ("float64" if "--dtype" in typed else "float32") in out
    assert picks("0.csv") != picks("2.csv")


def test_a_dry_run_of_another_strategy(call, tmp_path):
    before = sorted(tmp_path.iterdir())
    code, out, _ = call("--batch", 6, "--strategy", "margin", "--dry-run")
    assert (code, out.splitlines()[-2:]) == (
        0,
        ["margin holds no d×d matrix: little beside its arrays.", "Nothing was picked."],
    )
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arrays", "typed", "message"),
    [
        ({}, ["--strategy", "margn"], "unknown --strategy 'margn'; did you mean 'margin'? Known: badge, bait, "),
        (
            {},
            ["--strategy", "margin", "--method", "top2"],
            "--method top2 is BAIT's; leave it out with --strategy",
        ),
        ({}, ["--strategy", "margin", "--oversample", "3"], "--oversample 3 is BAIT's; leave it out with"),
        ({}, ["--strategy", "badge", "--seed", "-1"], "--seed -1: must be at least 0"),
        ({}, ["--strategy", "badge", "--dtype", "half"], "unknown --dtype 'half'"),
        ({"logits": NAN}, ["--strategy", "entropy"], "pool.npz: logits[7, 2] is nan; every value must be finite"),
        ({"logits": LOGITS[:79]}, ["--strategy", "badge"], "logits are of 79 candidates and features of 80"),
        ({"features": FEATURES[:, :0]}, ["--strategy", "coreset"], "features has shape [80, 0]; no axis may be empty"),
        ({}, ["--strategy", "margin", "--batch", "77"], "--batch 77: must be from 1 to 76, what is left unlabelled"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_with_another_strategy(call, arrays, typed, message):
    np.savez("pool.npz", **{"logits": LOGITS, "features": FEATURES, "labelled": LABELLED, **arrays})
    typed = typed if "--batch" in typed else [*typed, "--batch", "2"]
    code, _, err = call(*typed)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert not Path("picks.csv").exists()
