"""Mistakes in users' files: each is one clear line with its place and its exit code; none is called ours (70)."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from fbench import cli
from fbench.harness import registry
from fbench.learning import arms
from tests.command import Ended, table


def words_of(text: str) -> list[str]:
    return text.split()


FILE = """
import math, random, sys
import numpy as np
import torch
from torch import nn
from fbench.contract import Case, Column, Option, Summary, Unit
from fbench.learning.data import Images, Records
from fbench.learning.strategies import Proposal
from fbench.registry import dataset, model, strategy, suite

n, k = 60, 3
y = torch.arange(n + 20) % k
x = 0.5 * torch.rand(n + 20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
for c in range(k):
    x[y == c, :, c] += 0.5


def images(**changed):
    fields = dict(name="mine", images=x[:n], targets=y[:n], classes=k, test_images=x[n:], test_targets=y[n:])
    return Images(**{**fields, **changed})


@dataset("good", "three classes", in_folder=False)
def good(folder, download):
    return images()


@model("flat", "two linear layers")
def flat(replicas, shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 5), nn.ReLU(), nn.Linear(5, classes))


@strategy("lowest", "the first positions", plan=lambda sizes: None)
def lowest(state, batch_size):
    return Proposal(state.unlabelled()[:batch_size])

"""

TINY = words_of(
    "--rounds 1 --seeds 1 --epochs 1 --batch 3 --start 6 --fisher-samples 8 --threads 1 --jobs 1 --device cpu"
)


@pytest.fixture
def fbench(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], registries: Any, showwarning: Any
) -> Iterator[Callable[..., Ended]]:
    """Run ``fbench`` in this process with a user's file: ``FILE`` and the code of the test."""

    def run(code: str, *words: object) -> Ended:
        (tmp_path / "mine.py").write_text(FILE + textwrap.dedent(code))
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            ended = cli.run([str(word) for word in (*words, "--load", tmp_path / "mine.py", "--out", tmp_path / "run")])
        spoken = capfd.readouterr()
        return Ended(ended, spoken.out, " ".join(spoken.err.split()))

    threads = torch.get_num_threads()
    arms.load_images.cache_clear()
    yield run
    arms.load_images.cache_clear()
    torch.set_num_threads(threads)


def compared(dataset: str = "good", model: str = "flat", strategies: str = "random") -> list[str]:
    return ["compare", "--dataset", dataset, "--model", model, "--strategies", strategies, *TINY]


def a_dataset(body: str) -> str:
    return f"@dataset('mine', '', in_folder=False)\ndef mine(folder, download):\n    return {body}\n"


def a_model(body: str, block: int = 1) -> str:
    return f"@model('mine', '', block={block})\ndef mine(replicas, shape, classes):\n    {body}\n"


def a_network(forward: str, init: str = "") -> str:
    lines = ["class Mine(nn.Module):", "    def __init__(self, d, k):", "        super().__init__()"]
    lines += ["        self.layer = nn.Linear(d, k)", *([f"        {init}"] if init else [])]
    lines += ["    def forward(self, x):", f"        {forward}", ""]
    return "\n".join(lines) + a_model("return Mine(math.prod(shape), classes)")


class Mistake(NamedTuple):
    """What a user wrote, what was typed, and what is said of it."""

    name: str
    code: str
    message: str


IMAGES = [
    Mistake("a tuple", a_dataset("(x, y)"), "data set 'mine' gave a tuple; it must give an Images"),
    Mistake("nothing", a_dataset("None"), "data set 'mine' gave a NoneType; it must give an Images"),
    Mistake("short targets", a_dataset("images(targets=y[:50])"), "targets has 50 entries, images 60; give one target"),
    Mistake("short test", a_dataset("images(test_targets=y[:3])"), "test_targets has 3 entries, test_images 20"),
    Mistake("no test targets", a_dataset("images(test_targets=None)"), "without the other; give both, or neither"),
    Mistake(
        "one axis",
        a_dataset("images(images=torch.rand(n))"),
        r"images have shape \[60\]; give a sample a row, \[n, …\], such as images.reshape\(n, -1\)",
    ),
    Mistake(
        "token ids below 0",
        a_dataset("images(images=torch.full((n, 5), -1))"),
        "images are token ids, and the least is -1; they are numbered from 0",
    ),
    Mistake(
        "short ids",
        a_dataset("images(records=Records(['a']))"),
        "ids has 1 entries, and there are 60 samples; give one a sample",
    ),
    Mistake(
        "names of two classes",
        a_dataset("images(class_names=('a', 'b'))"),
        "class_names has 2 entries, classes is 3; give a name a class",
    ),
    Mistake("bytes", a_dataset("images(images=(x[:n] * 255).byte())"), "images are uint8; give float32, such as"),
    Mistake("none", a_dataset("images(images=x[:0], targets=y[:0])"), r"images have shape \[0, 1, 4, 4\], which holds"),
    Mistake("a list", a_dataset("images(images=x[:n].tolist())"), "images is a list; give a torch.Tensor or a numpy"),
    Mistake("texts", a_dataset("images(targets=np.array(['a'] * n))"), "targets is an array of <U1; give numbers"),
    Mistake("NaN", a_dataset("images(images=x[:n] / 0)"), "images hold NaN or infinity in 60 of 60, first in 0"),
    Mistake(
        "one-hot", a_dataset("images(targets=torch.eye(k)[y[:n]])"), r"targets have shape \[60, 3\]; .*argmax\(1\)"
    ),
    Mistake(
        "float targets", a_dataset("images(targets=y[:n] / 1)"), "targets are float32; give class numbers as int64"
    ),
    Mistake("out of range", a_dataset("images(targets=y[:n] + 1)"), "targets go from 1 to 3; 3 classes are 0 to 2"),
    Mistake("one class", a_dataset("images(classes=1)"), "classes is 1; it must be a whole number of at least 2"),
    Mistake(
        "another test shape",
        a_dataset("images(test_images=torch.rand(20, 1, 5, 5))"),
        r"test_images are \[1, 5, 5\], images \[1, 4, 4\]; give both in one shape",
    ),
    Mistake("raises", a_dataset("images()['a']"), "mine.py:39: load of data set 'mine' raised TypeError: 'Images'"),
    Mistake("exits", a_dataset("sys.exit(0)"), "mine.py:39: load of data set 'mine' raised SystemExit: 0"),
    Mistake(
        "recurses",
        "def again():\n    return again()\n\n" + a_dataset("again()"),
        "mine.py:38: load of data set 'mine' raised RecursionError",
    ),
    Mistake(
        "takes nothing",
        "@dataset('mine', '')\ndef mine():\n    return images()\n",
        r"load of data set 'mine' takes \(\); it is called with \(folder, download\)",
    ),
]


@pytest.mark.parametrize("mistake", IMAGES, ids=[mistake.name for mistake in IMAGES])
def test_a_data_set_is_refused_before_a_run(mistake: Mistake, fbench: Callable[..., Ended], tmp_path: Path) -> None:
    refused(fbench(mistake.code, *compared(dataset="mine")), mistake, tmp_path)


def refused(ended: Ended, mistake: Mistake, tmp_path: Path) -> None:
    assert (ended.code, ended.out) == (2, "")
    assert re.search(mistake.message, ended.err), ended.err
    assert re.match(r"fbench: (--load .*)?mine\.py:\d+: ", ended.err), ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "run").exists()


LAYER = "nn.Linear(math.prod(shape), classes)"
NETWORKS = [
    Mistake("not a module", a_model("return len"), "model 'mine' gave a builtin_function_or_method; it must give"),
    Mistake("no weights", a_model("return nn.Flatten()"), "has no parameters; there is nothing to train"),
    Mistake("lazy", a_model("return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))"), "has lazy layers"),
    Mistake(
        "data parallel",
        a_model(f"return nn.DataParallel(nn.Sequential(nn.Flatten(), {LAYER}))"),
        r"gave a DataParallel; give the module itself \(.module\)",
    ),
    Mistake(
        "too wide",
        a_model("return nn.Sequential(nn.Flatten(), nn.Linear(16, 7))"),
        r"gives shape \[4, 7\] for 4 images; 3 classes need \[4, 3\]",
    ),
    Mistake(
        "another size",
        a_model("return nn.Sequential(nn.Flatten(), nn.Linear(99, classes))"),
        r"mine.py:37: model 'mine' on images \[4, 1, 4, 4\] raised RuntimeError: mat1 and mat2",
    ),
    Mistake("an empty tuple", a_network("return ()"), "gives a tuple; its forward must give the logits"),
    Mistake("a dict", a_network("return {'out': self.layer(x.flatten(1))}"), "gives a dict of out; its forward must"),
    Mistake(
        "raises",
        a_network("return 1 / 0"),
        r"mine.py:42: model 'mine' on images \[4, 1, 4, 4\] raised ZeroDivisionError: ",
    ),
    Mistake(
        "not one image alone",
        a_network(
            "return self.norm(self.layer(x.flatten(1)))", "self.norm = nn.BatchNorm1d(k, track_running_stats=False)"
        ),
        r"mine.py:\d+: model 'mine' on images \[1, 1, 4, 4\] raised ValueError: Expected more than 1 value",
    ),
    Mistake("NaN", a_network("return self.layer(x.flatten(1)) * float('nan')"), "gives NaN or infinity at its initial"),
    Mistake("whole numbers", a_network("return self.layer(x.flatten(1)).long()"), "gives int64; logits are floating"),
    Mistake("writes", a_network("x.mul_(2); return self.layer(x.flatten(1))"), "writes into the images that it is"),
    Mistake(
        "the same again",
        "ONE = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))\n" + a_model("return ONE"),
        "gave the same weights to two networks; build a new module at every call",
    ),
    Mistake(
        "other weights",
        "g = torch.Generator().manual_seed(0)\n"
        + a_model(f"m = nn.Sequential(nn.Flatten(), {LAYER}); nn.init.normal_(m[1].weight, generator=g); return m"),
        "draws other weights for the same seed; draw them by torch's default generator",
    ),
    Mistake(
        "no replicas",
        a_model(f"return nn.Sequential(nn.Flatten(), {LAYER})", block=4),
        r"has block=4, and its build\(4, …\) has no weights of 4 networks side by side; leave block out",
    ),
    Mistake("no linear layer", a_model("return nn.Sequential(nn.Conv2d(1, 3, 4), nn.Flatten())"), "no nn.Linear layer"),
    Mistake(
        "takes two",
        "@model('mine', '')\ndef mine(channels, classes):\n    ...\n",
        r"build of model 'mine' takes \(channels, classes\); it is called with \(replicas, shape, classes\)",
    ),
]


@pytest.mark.parametrize("mistake", NETWORKS, ids=[mistake.name for mistake in NETWORKS])
def test_a_model_is_refused_before_a_run(mistake: Mistake, fbench: Callable[..., Ended], tmp_path: Path) -> None:
    refused(fbench(mistake.code, *compared(model="mine")), mistake, tmp_path)


def a_strategy(body: str, plan: str = "lambda sizes: None") -> str:
    return f"@strategy('mine', '', plan={plan})\ndef mine(state, batch_size):\n    {body}\n"


FIRST = "free = state.unlabelled()[:batch_size]; "
PROPOSALS = [
    Mistake("a tensor", a_strategy(FIRST + "return free"), "strategy 'mine' returned a Tensor; it must return a Prop"),
    Mistake("nothing", a_strategy("pass"), "strategy 'mine' returned a NoneType; it must return a Proposal"),
    Mistake("too few", a_strategy(FIRST + "return Proposal(free[:1])"), "proposed 1 positions, 0 of them repeated"),
    Mistake("a bool mask", a_strategy("return Proposal(torch.ones(n) > 0)"), r"positions of shape \[60\] in bool"),
    Mistake("floats", a_strategy(FIRST + "return Proposal(free / 1)"), r"positions of shape \[3\] in float32; give an"),
    Mistake("a column", a_strategy(FIRST + "return Proposal(free[:, None])"), r"positions of shape \[3, 1\] in int64"),
    Mistake("texts", a_strategy("return Proposal(['a', 'b', 'c'])"), "gave positions that are no numbers"),
    Mistake("a set", a_strategy("return Proposal({1, 2, 3})"), "gave positions as a set; give an int64 tensor"),
    Mistake(
        "a measured fact",
        a_strategy(FIRST + "return Proposal(free, {'accuracy': 1.0})"),
        "gave the fact 'accuracy', which is measured; give it another name",
    ),
    Mistake("facts as a list", a_strategy(FIRST + "return Proposal(free, [1])"), "gave facts as a list; give a dict"),
    Mistake(
        "a fact of another type",
        a_strategy(FIRST + "return Proposal(free, {'dim': 2.5})"),
        r"gave 2.5 \(float\) for dim of results.csv, which is declared int; give a whole number",
    ),
    Mistake("an unknown fact", a_strategy(FIRST + "return Proposal(free, {'mood': 1})"), "no column mood; declare it"),
    Mistake("raises", a_strategy("return {}['a']"), "mine.py:39: propose of strategy 'mine' raised KeyError: 'a'"),
    Mistake("exits", a_strategy("sys.exit('done')"), "mine.py:39: propose of strategy 'mine' raised SystemExit: done"),
    Mistake("gives up", a_strategy("raise GeneratorExit"), "mine.py:39: propose of strategy 'mine' raised Generator"),
    Mistake(
        "recurses",
        "def again():\n    return again()\n\n" + a_strategy("return again()"),
        "mine.py:38: propose of strategy 'mine' raised RecursionError",
    ),
]


@pytest.mark.parametrize("mistake", PROPOSALS, ids=[mistake.name for mistake in PROPOSALS])
def test_a_strategys_mistake_is_a_row_and_the_run_goes_on(
    mistake: Mistake, fbench: Callable[..., Ended], tmp_path: Path
) -> None:
    ended = fbench(mistake.code, *compared(strategies="random,mine,lowest"))
    assert ended.code == 1
    assert "Traceback" not in ended.err
    rows = table(tmp_path / "run")
    failed = [row for row in rows if row["status"] != "ok"]
    assert {(row["strategy"], row["round"], row["status"]) for row in failed} == {("mine", "1", "failed")}
    assert all(re.search(mistake.message, row["reason"]) for row in failed), failed[0]["reason"]
    assert {row["strategy"] for row in rows if row["round"] == "1" and row["status"] == "ok"} == {"random", "lowest"}


PLANS = [
    Mistake(
        "plan of a number", a_strategy("...", "lambda sizes: 3"), "plan of strategy 'mine' gave a int; it must give"
    ),
    Mistake("plan raises", a_strategy("...", "lambda sizes: 1 / 0"), "plan of strategy 'mine' raised ZeroDivision"),
    Mistake(
        "takes one",
        "@strategy('mine', '')\ndef mine(state):\n    ...\n",
        r"propose of strategy 'mine' takes \(state\); it is called with \(state, batch_size\)",
    ),
    Mistake("no function", "strategy('mine', '')(3)\n", "propose of strategy 'mine' is a int; it must be a function"),
]


@pytest.mark.parametrize("mistake", PLANS, ids=[mistake.name for mistake in PLANS])
def test_a_strategy_is_refused_before_a_run(mistake: Mistake, fbench: Callable[..., Ended], tmp_path: Path) -> None:
    ended = fbench(mistake.code, *compared(strategies="random,mine"), "--dry-run")
    assert ended.code == 2
    assert re.search(mistake.message, ended.err), ended.err
    assert not (tmp_path / "run").exists()


def a_suite(body: str, more: str = "", summarise: str = "Summary(findings=['done'])", parse: str = "None") -> str:
    return f"""
from dataclasses import dataclass
from typing import Annotated

@dataclass(frozen=True)
class Options:
    size: Annotated[int, Option("any", parse={parse})] = 3

columns = (
    *(Column(name, type, "", "") for name, type in (("step", "int"), ("count", "int"), ("share", "float"))),
    *(Column(name, type, "", "") for name, type in (("kind", "str"), ("good", "bool"))),
)

@suite("mine", "", columns=columns, unit="step", summarise=lambda tables, options: {summarise}, {more})
def mine(case: Case, options: Options, context):
    yield Unit(0, [{{"count": 1}}])
    {body}
"""


def a_unit(row: str) -> str:
    return f"yield Unit(1, [{row}])"


UNITS = [
    Mistake("a dict", a_suite("yield {'count': 1}"), "suite 'mine' yielded a dict; it must yield Unit"),
    Mistake("another index", a_suite("yield Unit(2, [{}])"), "yielded unit 2 where 1 is next; number them 0, 1, 2"),
    Mistake("the same index", a_suite("yield Unit(0, [{}])"), "yielded unit 0 where 1 is next"),
    Mistake("no rows", a_suite("yield Unit(1, [])"), "yielded unit 1 without a row of results"),
    Mistake("a row that is none", a_suite(a_unit("3")), "yielded a int as a row of results.csv; a row is a dict"),
    Mistake("no such column", a_suite(a_unit("{'x': 3}")), "results.csv has no column x; declare it, or leave it out"),
    Mistake("no such table", a_suite("yield Unit(1, [{}], {'side': [{}]})"), "rows for side.csv; the tables declared"),
    Mistake(
        "text for int", a_suite(a_unit("{'count': '3'}")), r"gave '3' \(str\) for count .* int; give a whole number"
    ),
    Mistake("float for int", a_suite(a_unit("{'count': 3.5}")), r"gave 3.5 \(float\) for count .* declared int"),
    Mistake("infinity for int", a_suite(a_unit("{'count': np.inf}")), r"gave inf \(float\) for count .* declared int"),
    Mistake("text for float", a_suite(a_unit("{'share': 'much'}")), r"gave 'much' \(str\) for share .*; give a number"),
    Mistake("too large", a_suite(a_unit("{'share': 10**400}")), r"gave 1000+…? \(int\) for share .* declared float"),
    Mistake("list for text", a_suite(a_unit("{'kind': [1]}")), r"gave \[1\] \(list\) for kind .* str; give a text"),
    Mistake(
        "a lone surrogate", a_suite(a_unit(r"{'kind': '\ud800'}")), r"for kind of results.csv, .* str; give a text"
    ),
    Mistake("text for bool", a_suite(a_unit("{'good': 'yes'}")), r"gave 'yes' \(str\) for good .*; give True or False"),
    Mistake("status", a_suite(a_unit("{'status': 'fine'}")), "gave the status 'fine'; it must be one of ok, oom, fail"),
    Mistake("case", a_suite(a_unit("{'case': 'x'}")), "sets case to 'x' in results.csv; leave it out: it is filled in"),
    Mistake("unit", a_suite(a_unit("{'step': 7}")), "sets step to 7 in results.csv; leave it out: it is filled in"),
    Mistake("raises", a_suite("raise ValueError('two\\nlines')"), "mine.py:53: ValueError: two$"),
    Mistake("exits", a_suite("sys.exit(3)"), "mine.py:53: SystemExit: 3"),
]


@pytest.mark.parametrize("mistake", UNITS, ids=[mistake.name for mistake in UNITS])
def test_a_suites_mistake_is_a_row(mistake: Mistake, fbench: Callable[..., Ended], tmp_path: Path) -> None:
    ended = fbench(mistake.code, "mine", "--threads", 1, "--jobs", 1)
    assert ended.code == 1
    assert "Traceback" not in ended.err
    good, failed = table(tmp_path / "run")
    assert (good["count"], good["status"], failed["status"]) == ("1", "ok", "failed")
    assert re.search(mistake.message, failed["reason"]), failed["reason"]


SUITES = [
    Mistake("options", a_suite("", "resolve=lambda options, context: {}"), "resolved its options to a dict; resolve"),
    Mistake("no points", a_suite("", "points=lambda options: [(1,)]"), "has points that are no Point; points must"),
    Mistake("resolve", a_suite("", "resolve=lambda options, context: 1 / 0"), "resolve of suite 'mine' raised ZeroDiv"),
    Mistake("points", a_suite("", "points=lambda options: 3"), "points of suite 'mine' gave a int; it must give Sequ"),
    Mistake("units", a_suite("", "units=lambda options: 'many'"), "units of suite 'mine' gave a str; it must give int"),
    Mistake("takes one", a_suite("", "cost=lambda case: 1"), r"cost of suite 'mine' takes \(case\); it is called with"),
    Mistake(
        "the parser",
        a_suite("", parse="int").replace("] = 3", "] = typed('many')").replace("import dat", "import typed, dat"),
        "the parser of --size raised ValueError: invalid literal for int",
    ),
]


@pytest.mark.parametrize("mistake", SUITES, ids=[mistake.name for mistake in SUITES])
def test_a_suite_is_refused_before_a_run(mistake: Mistake, fbench: Callable[..., Ended], tmp_path: Path) -> None:
    code = mistake.code.replace("import typed, dat", "import dat")
    ended = fbench("from fbench.contract import typed\n" + code, "mine", "--threads", 1, "--jobs", 1)
    assert (ended.code, ended.out) == (2, "")
    assert re.search(mistake.message, ended.err), ended.err
    assert not (tmp_path / "run").exists()


def test_a_summary_that_raises_leaves_the_rows(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    ended = fbench(a_suite("", summarise="tables['nothing']"), "mine", "--threads", 1, "--jobs", 1)
    assert ended.code == 2
    assert re.search(r"mine.py:50: summarise of suite 'mine' raised KeyError: 'nothing'", ended.err), ended.err
    assert [row["status"] for row in table(tmp_path / "run")] == ["ok"]


# What is doubtful is warned of, once


DOUBTS = [
    Mistake(
        "batch norm",
        a_network(
            "return self.layer(self.norm(x).flatten(1))", "self.norm = nn.BatchNorm2d(1, track_running_stats=False)"
        ),
        r"mine.py:44: model 'mine' mixes the images of a batch: the logits of one differ by \S+ alone and among 4\.",
    ),
    Mistake(
        "attention over the batch",
        a_network("x = x.flatten(1); return self.layer((x @ x.T).softmax(1) @ x)"),
        "model 'mine' mixes the images of a batch",
    ),
    Mistake(
        "dropout always",
        a_network("return self.layer(nn.functional.dropout(x.flatten(1), 0.5, training=True))"),
        "gives other logits for the same images in evaluation mode",
    ),
    Mistake(
        "another last layer",
        a_network("return self.layer(x.flatten(1))", "self.head = nn.Linear(d, k)"),
        "does not end in its last nn.Linear",
    ),
]


@pytest.mark.parametrize("doubt", DOUBTS, ids=[doubt.name for doubt in DOUBTS])
def test_a_doubtful_model_is_warned_of(doubt: Mistake, fbench: Callable[..., Ended]) -> None:
    ended = fbench(doubt.code, *compared(model="mine"), "--dry-run")
    assert ended.code == 0
    assert len(re.findall(doubt.message, ended.err)) == ended.err.count("warning: mine.py") == 1, ended.err


def test_a_good_model_is_not_warned_of(fbench: Callable[..., Ended]) -> None:
    norm = a_network("return self.layer(self.norm(x).flatten(1)).log_softmax(1)", "self.norm = nn.BatchNorm2d(1)")
    ended = fbench(norm, *compared(model="mine"), "--dry-run")
    assert (ended.code, ended.err) == (0, "")


def test_an_empty_class_is_warned_of(fbench: Callable[..., Ended]) -> None:
    ended = fbench(a_dataset("images(classes=5)"), *compared(dataset="mine"), "--dry-run")
    assert ended.code == 0
    assert "data set 'mine': no sample is of class 3, 4; are there 5 classes?" in ended.err


def test_arrays_are_converted(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    arrays = "images(images=x[:n].double().numpy(), targets=y[:n].int().numpy(), classes=np.int64(3))"
    code = a_dataset(arrays) + a_strategy(
        "return Proposal(np.flatnonzero(state.pool.targets.numpy() < 0)[:batch_size])"
    )
    ended = fbench(code, *compared(dataset="mine", strategies="mine,lowest"))
    assert ended.code == 0, ended.err
    picks = [(row["strategy"], row["index"]) for row in table(tmp_path / "run", "selections") if row["round"] == "1"]
    assert [index for name, index in picks if name == "mine"] == [index for name, index in picks if name == "lowest"]


# A traceback for who asks


@pytest.mark.parametrize(
    ("code", "more", "frame"),
    [
        (a_dataset("images()['a']"), {"dataset": "mine"}, "return images()['a']"),
        (a_strategy("return {}['a']"), {"strategies": "random,mine"}, "return {}['a']"),
    ],
)
def test_a_traceback_shows_the_users_frames(
    code: str, more: dict[str, str], frame: str, fbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert frame not in fbench(code, *compared(**more)).err
    monkeypatch.setenv("FBENCH_TRACEBACK", "1")
    forget()
    ended = fbench(code, *compared(**more), "--overwrite")
    assert frame in ended.err
    assert "Traceback (most recent call last)" in ended.err


# What a strategy can see and do


UNRULY = """
@strategy("unruly", "changes all it can reach", plan=lambda sizes: None)
def unruly(state, batch_size):
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    np.seterr(all="raise")
    free = state.unlabelled()
    order = free[torch.randperm(len(free))]
    chosen = order[:1].tolist() + [int(i) for i in np.random.permutation(order[1:].numpy())[:1]]
    chosen += random.sample([int(i) for i in free if int(i) not in chosen], batch_size - 2)
    state.pool.images.zero_()
    state.pool.targets.fill_(0)
    state.pool.ids.zero_()
    state.labelled.fill_(0)
    for parameter in state.network.parameters():
        parameter.data.zero_()
    return Proposal(torch.tensor(chosen))
"""

SIZES = words_of(
    "--rounds 2 --seeds 2 --epochs 2 --batch 3 --start 6 --fisher-samples 8 --threads 1 --device cpu --dataset good "
    "--model flat"
)


def measured(path: Path, *arms: str) -> list[dict[str, str]]:
    """The rows of these arms, without the times."""
    rows = [row for row in table(path) if row["strategy"] in arms]
    return [{name: value for name, value in row.items() if not name.endswith("_s")} for row in rows]


def test_neither_jobs_nor_neighbours_matter(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    """A strategy that changes the whole process is alone with it."""
    words = ["compare", *SIZES, "--overwrite", "--fresh"]
    runs: dict[str, tuple[list[dict[str, str]], list[dict[str, str]]]] = {}
    for name, more in {
        "one": ["--jobs", 1, "--strategies", "unruly,random,bait"],
        "two": ["--jobs", 2, "--strategies", "unruly,random,bait"],
        "last": ["--jobs", 1, "--strategies", "random,bait,unruly"],
        "without": ["--jobs", 1, "--strategies", "random,bait"],
    }.items():
        forget()
        ended = fbench(UNRULY, *words, *more)
        assert ended.code == 0, ended.err
        runs[name] = measured(tmp_path / "run", "unruly"), measured(tmp_path / "run", "random", "bait")
    assert runs["one"] == runs["two"] == runs["last"]
    assert len(runs["one"][0]) == 6
    assert runs["without"][1] == runs["one"][1]
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    assert not torch.are_deterministic_algorithms_enabled()


def forget() -> None:
    """Let the same file be loaded once more."""
    for values in registry.REGISTRIES.values():
        for name in ("mine", "good", "flat", "lowest", "unruly"):
            values._values.pop(name, None)
    arms.load_images.cache_clear()


CURIOUS = """
@strategy("curious", "what it sees", plan=lambda sizes: None)
def curious(state, batch_size):
    bought = torch.zeros(len(state.pool.targets), dtype=torch.bool)
    bought[state.labelled] = True
    assert torch.equal(state.pool.targets[bought], y[:n][state.pool.ids][bought])
    assert state.pool.targets[~bought].unique().tolist() == [-1]
    assert len(state.pool.test_images) == len(state.pool.test_targets) == 0
    return Proposal(state.unlabelled()[:batch_size])
"""


def test_a_strategy_sees_the_targets_that_it_bought(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    ended = fbench(CURIOUS, "compare", *SIZES, "--jobs", 1, "--strategies", "curious,random")
    assert ended.code == 0, ended.err
    assert len(measured(tmp_path / "run", "curious")) == 6


def test_names_that_clash_tell_both_files(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "from fbench.registry import strategy\n@strategy('mine', '')\ndef f(s, b): ...\n"
    )
    ended = fbench(a_strategy("..."), *compared(), "--load", tmp_path / "other.py")
    assert ended.code == 2
    assert "strategy 'mine' is registered twice (other.py:2 and mine.py:37); rename one of them" in ended.err
    forget()
    ended = fbench(a_strategy("...").replace("'mine'", "'bait'"), *compared())
    assert "strategy 'bait' is registered twice (fbench.learning.strategies.bait and mine.py:37)" in ended.err


def test_a_command_that_a_broken_plug_in_may_have(
    fbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.SUITES, "broken", {"theirs": "ImportError: no module"})
    ended = fbench("", "theirs")
    assert ended.code == 2
    assert "No such command 'theirs'" in ended.err
    assert "warning: suites of theirs could not be loaded: ImportError: no module" in ended.err
    monkeypatch.setattr(registry.STRATEGIES, "broken", {"theirs": "SystemExit: 3"})
    forget()
    ended = fbench("", *compared(strategies="theirs"))
    assert "theirs could not be loaded: SystemExit: 3" in ended.err
    forget()
    assert "could not be loaded" not in fbench("", *compared(), "--dry-run").err
