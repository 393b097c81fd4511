"""Generated values for every option of every command: the user's mistakes are answered with 2 and one line, never 70.

The options are those that the registry and the command line have, so that a new one is tried by itself. An ordinary
run of the tests tries a few values an option; 200 an option, in half an hour, by

    python -m pytest tests/faults/test_fuzz.py --full

and with ``-m slow`` small runs of what a plan takes, some for every option of three suites.
"""

import contextlib
import functools
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fbench import cli
from fbench.cli import program
from fbench.cli.commands import FIXED
from fbench.cli.parameters import PICK_OPTIONS, RUN_OPTIONS
from fbench.harness import registry
from fbench.harness.suite import flag_of
from fbench.learning import durations

pytestmark = pytest.mark.filterwarnings("always")  # of what is odd but can be, a user is warned

VALUES = 200 if "--full" in sys.argv else int(os.environ.get("FBENCH_FUZZ", "4"))
FUZZ = settings(
    max_examples=VALUES,
    deadline=None,
    derandomize=VALUES < 100,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NUMBERS = (
    *("", "0", "-0", "+1", "1", "2", "3", "-1", "007", " 5 ", "1_000", "5.0", "0.5", "1.", ".5", "1e3", "0x10", "1,5"),
    *("nan", "inf", "-inf", "1e400", "-1e400", "1e308", "1e-320", "1e15", "1e16", "٣", "１", "½", "²"),
    *("2147483647", "2147483648", "9007199254740993", "9223372036854775807", "9223372036854775808"),
    *("99999999999999999999", "1" * 310, "9" * 900, "9" * 5000, "1000000000", "1000000001", "100000000000"),
)
WORDS = (
    *("auto", "all", "none", "None", "true", "cpu", "cuda", "cuda:0", "cpu,cpu", "cuda:99999999999999999999", "0..3"),
    *("3..1", "1..9:x1", "1..9:+0", "2^3", "2^99", "2**62", "8Ki", "9007199254740993Mi", "1..1000000000:+1", ",", "1,"),
    *(
        "top0",
        "top1",
        "top99999999999",
        "pca:0",
        "pca:1",
        "pca:",
        "pca:999999999",
        "subsample:0",
        "subsample:999999999",
    ),
    *("rel:1e400", "rel:0", "rel:", "rel:nan", "rel:1e-320", "rel:rel:1", "1e-40", "random", "random,random", "bait"),
    *("deff:0", "deff:", "deff:nan"),
    *("digits", "small", "float32", "float64,float32", "a > b", "random > random", "8GiB", "0B", "1e9GiB", "0x0x0"),
    *(
        "9999x9999",
        "1x1",
        "kept",
        "free",
        "fused:no-inner",
        ":mask",
        "published:mask",
        "/",
        ".",
        "~",
        "-",
        "--",
        "=",
        "'",
    ),
    *(
        "bait+fish@328",
        "random,bait+fish@160",
        "bait+sketch@1",
        "bait+fish@0",
        "bait+fish@",
        "bait+fish@1e9",
        "random@5",
    ),
    *("bait+random-mask@99999999999", "bait+fish@2@3", "skactiveml:Badge", "skactiveml:FourDs", "skactiveml:"),
    *("a\nb", "a\x00b", "\x1b[31m", "\udcff", "\u202e", "[red]", "[/]", "%s", "{}", "x" * 300, "," * 300, "\t", "💥"),
)
TYPED = (
    st.sampled_from(NUMBERS)
    | st.sampled_from(WORDS)
    | st.lists(st.sampled_from((*NUMBERS, *WORDS)), min_size=2, max_size=3).map(",".join)
    | st.integers().map(str)
    | st.floats().map(repr)
    | st.text(alphabet="0123456789.,:x+-^eKMi =>*_\n", max_size=12)
    | st.text(max_size=20)
)


def near(default):
    """The default with a piece of it replaced."""
    text = str(default)
    ends = st.integers(0, len(text))
    return st.builds(lambda i, j, put: text[: min(i, j)] + put + text[max(i, j) :], ends, ends, TYPED)


def ended(words):
    """The exit code, and what was printed on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(words)
    return code, err.getvalue()


def check(code, err, codes=(0, 2)):
    """The code is one of those, and a refusal is one line, or that of a sweep with its caret below."""
    assert code in codes, err
    lines = [line for line in err.splitlines() if not line.startswith("fbench: warning: ")]
    assert "Traceback" not in err
    if code == 2:
        assert lines[0].startswith("fbench: ")
        assert len(lines) == 1 or (len(lines) == 3 and lines[2].strip() == "^"), err
        assert max(map(len, lines)) < 1000, err


def options_of(suite):
    declared = {p.name: p.default for p in suite.parameters}
    return {**declared, **{name: default for name, (_, default, _) in RUN_OPTIONS.items()}}


COMMANDS = functools.cache(program.build)
SUITES = {suite.name: suite for suite in registry.SUITES}
OF_SUITES = [(suite.name, name) for suite in SUITES.values() for name in options_of(suite) if name != "dry_run"]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path, showwarning):
    """No name that is made up is a file here, no data set lies about; commands are built once, and no plan is timed."""
    monkeypatch.setattr(program, "build", COMMANDS)
    monkeypatch.setattr(durations, "seconds_a_step", lambda train, device: 1e-3)
    monkeypatch.setattr(durations, "product_rate", lambda device, threads: 1e10)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FBENCH_DATA_DIR", raising=False)


QUICKER = {
    "memory": ["--methods", "incremental", "--candidates", "500", "--model", "small", "--image", "1x8x8"],
    "compare": ["--model", "small"],
    "drift": ["--model", "small"],
}
"""Of suites whose plan takes long: it counts what a network's gradients hold, or makes the network for every case."""


@pytest.mark.parametrize(("suite", "name"), OF_SUITES)
def test_options_of_suites(suite, name):
    default = options_of(SUITES[suite])[name]

    @FUZZ
    @given(value=near(default) | TYPED)
    def holds(value):
        check(*ended([suite, *QUICKER.get(suite, ()), f"{flag_of(name)}={value}", "--dry-run"]))

    holds()


@pytest.fixture
def pool(elsewhere):
    """A pool to pick from, and files of labelled positions."""
    g = np.random.default_rng(0)
    np.savez("pool.npz", logits=g.standard_normal((12, 3)), features=g.standard_normal((12, 4)))
    np.save("far.npy", [3, 2**63 - 1])
    np.save("mask.npy", np.arange(12) > 9)
    for name, text in (("far.csv", "9223372036854775807"), ("many.txt", "1" * 310), ("good.txt", "1 2 3")):
        Path(name).write_text(text)
    os.mkfifo("pipe.npy")


FILES = st.sampled_from(
    (
        "pool.npz",
        "far.npy",
        "mask.npy",
        "far.csv",
        "many.txt",
        "good.txt",
        "pipe.npy",
        "/dev/zero",
        "/dev/stdin",
        "none",
    )
)
PICKED = {name: default for name, (_, default, _) in PICK_OPTIONS.items() if name != "dry_run"} | {"features": ""}


@pytest.mark.parametrize("name", PICKED)
def test_options_of_pick(pool, name):
    @FUZZ
    @given(value=near(PICKED[name]) | TYPED | FILES)
    def holds(value):
        words = ["--", value] if name == "features" else [f"{flag_of(name)}={value}", "pool.npz"]
        batch = [] if name == "batch" else ["--batch=2"]
        check(*ended(["pick", *batch, "--dry-run", *words]))

    holds()


@pytest.mark.parametrize("command", FIXED)
def test_words_of_the_other_commands(command, monkeypatch):
    if command == "doctor":  # what it finds is no matter here, and takes seconds
        monkeypatch.setattr("fbench.measure.doctor.checks", lambda *_, **__: [])

    @FUZZ
    @given(words=st.lists(TYPED | FILES, max_size=3))
    def holds(words):
        check(*ended([command, *words]))

    holds()


@pytest.mark.usefixtures("pool")
@FUZZ
@given(words=st.lists(TYPED | FILES, max_size=3), margin=near("0.03"), folder=st.just("") | TYPED | FILES)
def test_words_of_diff(words, margin, folder):
    check(*ended(["diff", f"--margin={margin}", f"--history={folder}", "--", *words]), codes=(2, 4))


@pytest.mark.usefixtures("pool")
@FUZZ
@given(value=TYPED | FILES)
def test_files_to_load(value):
    check(*ended(["list", f"--load={value}"]))


@FUZZ
@given(words=st.lists(TYPED | st.sampled_from(("--help", "--version", "pick", "--load")), min_size=1, max_size=4))
def test_any_words(words):
    check(*ended(words))


TINY = {
    "select": "--methods incremental,random --candidates 40 --classes 3 --dim 6 --batch 2 --labelled 4 --passes 1",
    "chunksize": "--kernels fused --candidates 40 --classes 3 --dim 6 --sizes 8 --max-time 0.01 --threads 1",
    "compare": "--strategies random --seeds 1 --rounds 1 --batch 2 --start 20 --pool 60 --test 20 --epochs 1 --jobs 1",
}
SAFE = ("threads", "jobs", "device", "gpus", "out", "seeds", "rounds", "epochs", "passes", "max_time", "download")
"""Options that only say how much is done, or where: what they cost is what they say."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "name"), [(suite, p.name) for suite in TINY for p in SUITES[suite].parameters if p.name not in SAFE]
)
def test_what_a_plan_takes_can_be_run(suite, name):
    """Whatever --dry-run takes ends with rows, some of which may say why they failed, or with none: never with 70."""

    @settings(FUZZ, max_examples=max(VALUES // 40, 2))
    @given(value=near(options_of(SUITES[suite])[name]) | TYPED)
    def holds(value):
        words = [suite, *TINY[suite].split(), f"{flag_of(name)}={value}"]
        if ended([*words, "--dry-run"])[0] == 0:
            check(*ended([*words, "--fresh"]), codes=(0, 1, 2, 4))

    holds()
