"""The command line as a user meets it: one message for one mistake, an exit code that says how it went."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import NamedTuple

import psutil
import pytest
from command import finished
from outliving import outliving

import fbench
from fbench import cli
from fbench.cli import console, parameters, program, progress
from fbench.cli.progress import Lines
from fbench.harness import forecast, registry, runner
from fbench.measure import doctor

COMMAND = [sys.executable, "-c", "from fbench.cli import main; main()"]


@pytest.fixture
def call(capsys, registries, showwarning, monkeypatch, tmp_path):
    """Run one command in this process, far from the checkout; gives its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def called(*arguments):
        code = cli.run([str(word) for word in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return called


def start(*arguments, **more):
    """A subprocess in a session of its own, as a terminal gives a command a group of its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


@pytest.mark.parametrize("kind", sorted(registry.REGISTRIES))
def test_list_of_a_kind(call, kind):
    code, out, err = call("list", kind)
    assert (code, err) == (0, "")
    names = [*registry.REGISTRIES[kind].names(), *(family.name for family in registry.REGISTRIES[kind].families())]
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [row[:2] for row in rows if row and row[0] == kind] == [[kind, name] for name in names]


def test_list_of_everything(call):
    code, out, _ = call("list")
    assert code == 0
    for found in registry.REGISTRIES.values():
        assert all(re.search(rf"\b{re.escape(name)}\s", out) for name in found.names())


def test_list_of_an_unknown_kind(call):
    code, out, err = call("list", "strategy")
    assert (code, out) == (2, "")
    assert err.startswith("fbench: unknown kind 'strategy'; did you mean 'strategies'? Known: datasets, kernels, ")
    assert err.count("\n") == 1


def test_a_broken_plug_in_is_a_warning(tmp_path):
    (tmp_path / "bad_plug_in.py").write_text("raise ValueError('out of tune')\n")
    (tmp_path / "bad-1.dist-info").mkdir()
    (tmp_path / "bad-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    (tmp_path / "bad-1.dist-info" / "entry_points.txt").write_text("[fbench.models]\nbad = bad_plug_in\n")
    with start("list", "models", env={**os.environ, "PYTHONPATH": str(tmp_path)}) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "resnet18" in out) == (0, True)
    assert err == "fbench: warning: models of bad_plug_in could not be loaded: ValueError: out of tune\n"


def test_columns(call):
    code, out, _ = call("columns", "compare")
    assert code == 0
    suite = registry.SUITES.get("compare")
    for name, columns in suite.all_tables().items():
        assert f"compare: {name}.csv" in out
        assert all(re.search(rf"^ *{column.name} +{column.type}\b", out, re.MULTILINE) for column in columns)
    assert call("columns") == (0, *call("columns", "compare")[1:]) or len(registry.SUITES.names()) > 1


def test_columns_of_an_unknown_suite(call):
    code, out, err = call("columns", "compar")
    assert (code, out) == (2, "")
    assert err.startswith("fbench: unknown suite 'compar'; did you mean 'compare'? Known: ")
    assert err.count("\n") == 1


def test_doctor(call):
    code, out, _ = call("doctor")
    assert code == 0
    assert [name for name in ("python", "torch", "cuda", "memory", "disk", "data") if name not in out] == []


@pytest.mark.parametrize("version", ["2.60.0", None])
def test_doctor_says_which_ray_there_is(call, monkeypatch, version):
    monkeypatch.setattr(doctor, "version_of", lambda name: version)
    monkeypatch.setattr(console.out, "width", 400)
    code, out, _ = call("doctor")
    line = re.search(r"^ (ok|limited) +ray +(.*)$", out, re.MULTILINE)
    assert code == 0
    assert line[1] == ("ok" if version else "limited")
    assert line[2].startswith(version or "not installed: cases run on this machine")
    assert ("pip install 'fbench[ray]'" in line[2]) == (version is None)


def test_doctor_says_what_is_missing(call, monkeypatch):
    found = [
        doctor.Check("torch", "missing", "not there", "pip install 'torch>=2.11'"),
        doctor.Check("disk", "ok", "x"),
    ]
    monkeypatch.setattr(doctor, "checks", lambda: found)
    code, out, _ = call("doctor")
    assert code == 2
    assert re.search(r"missing +torch +not there +pip install 'torch>=2\.11'", out)


def test_doctor_shows_brackets_as_they_are(call, monkeypatch):
    monkeypatch.setattr(
        doctor, "checks", lambda: [doctor.Check("x", "warn", "[Errno 2] gone", "pip install '.[test]'")]
    )
    _, out, _ = call("doctor")
    assert "[Errno 2] gone" in out
    assert "pip install '.[test]'" in out


def test_version(call):
    assert call("--version") == (0, f"fbench {fbench.__version__}\n", "")


def test_help_names_every_command(call):
    code, out, _ = call("--help")
    assert code == 0
    for name in ("list", "doctor", "columns", *registry.SUITES.names()):
        assert re.search(rf"^ +{name} ", out, re.MULTILINE)


def test_help_of_a_suite_names_every_option(call):
    code, out, _ = call("compare", "--help")
    assert code == 0
    own = [p.name for p in registry.SUITES.get("compare").parameters if not p.option.hidden]
    flags = {"--" + name.replace("_", "-") for name in [*own, *parameters.RUN_OPTIONS]}
    assert {flag for flag in flags if not re.search(rf"{flag}\b", out)} == set()


def test_no_arguments_show_the_help(call):
    code, out, err = call()
    assert code == 2
    assert "compare" in out + err
    assert "list" in out + err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["comapre"], "No such command 'comapre'"),
        (["list", "--no-such-option"], "No such option: --no-such-option"),
        (["--no-such-option"], "No such option: --no-such-option"),
        (["columns", "compare", "drift"], "drift"),
        (["compare", "--rounds", "ten"], "--rounds"),
        (["compare", "--rounds"], "requires an argument"),
        (["compare", "--rounds", "0"], "--rounds 0: must be at least 1"),
        (["compare", "--mask-fraction", "nan"], "nan"),
        (["compare", "--margin", "inf"], "--margin inf: must be a finite number"),
        (["compare", "--out", "two\nlines"], r"'two\nlines': control characters and what is no UTF-8 cannot be read"),
        (["list", "\udcff"], r"'\udcff': control characters and what is no UTF-8 cannot be read; leave them out"),
        (["compare", "--out", "x" * 4097], "xxx… (4,097 letters): a word of a command must have at most 4,096 letters"),
        (["compare", "--threads", "-1"], "--threads -1: must be at least 0"),
        (["compare", "--jobs", "-2"], "--jobs -2: must be at least 0"),
        (["compare", "--strategies", "biat"], "unknown strategy 'biat'; did you mean 'bait'"),
        (["compare", "--dataset", "digit"], "unknown data set 'digit'; did you mean 'digits'"),
        (["compare", "--model", "smal"], "unknown model 'smal'; did you mean 'small'"),
        (["compare", "--preset", "fish"], "unknown preset 'fish'"),
        (["compare", "--device", "tpu"], "tpu"),
        (["compare", "--load"], "--load needs a file: --load FILE.py"),
        (["compare", "--load="], "--load needs a file: --load FILE.py"),
        (["compare", "--load", "none.py"], "--load none.py: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_exit_2(call, tmp_path, typed, said):
    code, out, err = call(*typed)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("fbench: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_no_gpus_here(call, monkeypatch):
    from fbench.measure import devices

    monkeypatch.setattr(devices, "visible_gpus", lambda: devices.Gpus(0, lambda ordinal: None))
    code, out, err = call("compare", "--gpus", "0")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_load_is_found_wherever_it_stands():
    rest, loads = program.take_loads(["--load", "a.py", "toy", "--load=b=1.py", "--steps", "3", "--load", "c.py"])
    assert rest == ["toy", "--steps", "3"]
    assert [str(path) for path in loads] == ["a.py", "b=1.py", "c.py"]


def test_a_loaded_suite_is_a_command(call, toy_file):
    code, out, err = call("toy", "--load", toy_file, "--threads", 1, "--jobs", 1)
    assert code == 0
    assert "9 good rows of 3 steps a case." in out
    assert "New run of toy in reports/toy/" in err
    [run] = (toy_file.parent / "reports" / "toy").iterdir()
    assert {"results.csv", "extra.csv", "summary.md", "options.json", "environment.json"} <= {
        p.name for p in run.iterdir()
    }
    assert "9 good rows" in (run / "summary.md").read_text()


def test_a_plan_is_shown_and_nothing_is_written(call, toy_file, tmp_path):
    code, out, _ = call("toy", "--load", toy_file, "--dry-run", "--sizes", "5,6")
    assert code == 0
    assert [line.strip() for line in out.splitlines() if "size=" in line] == ["size=5", "size=6"]
    assert "2 cases of 3 steps on cpu; nothing was run." in out
    assert [path.name for path in tmp_path.iterdir()] == ["toy.py"]


def test_plan_is_another_name_of_dry_run(tmp_path):
    said = []
    for flag in ("--plan", "--dry-run"):
        with start("chunksize", "--device", "cpu", "--sizes", "16,32", flag, cwd=tmp_path) as process:
            said.append((*process.communicate(timeout=60), process.returncode))
    assert said[0] == said[1]
    out, err, code = said[0]
    assert (code, err) == (0, "")
    assert "chunk_size=32" in out
    assert out.endswith("cases on cpu; nothing was run.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [*registry.SUITES.names(), "pick"])
def test_the_help_has_both_names_of_the_plan(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "--dry-run, --plan" in out


PHASES = ("data", "train", "embed", "fisher", "init", "forward", "backward", "peak", "d×d matrices")
WIDE = (*PHASES, "largest chunk", "largest pool", "note")
REASON = "dim 13 is not a multiple of classes 10: d of the last layer is classes × features; choose 10 or 20"


class WidePoint(NamedTuple):
    method: str
    dtype: str
    size: int
    seeds: tuple[int, ...]


def points_of(options):
    methods = ("incremental", "published:no-inner", "fused")
    return [WidePoint(m, "float32", s, (0, 1, 2)) for m in methods for s in options.sizes]


@pytest.fixture
def plan(call, toy_file, monkeypatch):
    """The plan of six cases as a terminal of so many columns shows it; ``predict`` says what one costs."""

    def shown(predict, width, sizes="13,320"):
        monkeypatch.setattr(console.out, "width", width)
        registry.load_file(toy_file)
        suite = replace(registry.SUITES.get("toy"), name="wide", predict=predict, point=WidePoint, points=points_of)
        registry.SUITES.add(suite)
        code, out, err = call("wide", "--plan", "--sizes", sizes)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert max(map(len, lines)) <= width
        assert lines[-1].endswith(" cases of 3 steps on cpu; nothing was run.")
        return lines[: next(at for at, line in enumerate(lines) if line.startswith("Settings typed"))]

    return shown


def wide(case, options, context):
    if case.point.size == 13:
        return {**dict.fromkeys(WIDE, ""), "note": REASON}
    chunk = "" if case.point.method == "incremental" else "1,024"
    sizes = {name: f"{case.point.size * number} MiB" for number, name in enumerate(PHASES)}
    return {**sizes, "largest chunk": chunk, "largest pool": "50,000", "note": ""}


@pytest.mark.parametrize("width", [80, 120])
def test_a_plan_too_wide_for_a_table_is_a_block_a_case(plan, width):
    lines = plan(wide, width)
    assert lines[0] == "In every case: dtype=float32 seeds=0-2"
    cases = [line for line in lines if line.startswith("method=")]
    assert cases == [f"method={m} size={s}" for m in ("incremental", "published:no-inner", "fused") for s in (13, 320)]
    block = lines[lines.index("method=fused size=320") + 1 :]
    said = re.split(r"  +", " ".join(block).strip())
    assert said == [*(f"{n} {320 * i} MiB" for i, n in enumerate(PHASES)), "largest chunk 1,024", "largest pool 50,000"]
    refused = lines[lines.index("method=fused size=13") + 1 : lines.index("method=fused size=320")]
    assert " ".join(line.strip() for line in refused) == f"note: {REASON}"
    assert all(len(line) - len(line.lstrip()) == 2 + 2 * bool(at) for at, line in enumerate(refused))
    assert [line for line in lines if not line.strip()] == []


def test_places_in_blocks_are_equal(plan):
    """Numbers are compared downwards, whatever a case lacks."""

    def predict(case, options, context):
        return {**wide(case, options, context), **({"train": ""} if case.point.method == "fused" else {})}

    lines = plan(predict, 80)
    assert sum("train" in line for line in lines) == 2
    for name in ("embed", "largest pool"):
        assert len({line.index(name) for line in lines if name in line}) == 1


def test_a_plan_that_fits_is_a_table(plan):
    def predict(case, options, context):
        ready = {"empty": "", "a pass": f"{case.point.size} FLOP"}
        return ready if case.point.method == "incremental" else {**ready, "for": "2 s", "note": REASON}

    assert plan(predict, 120, "5") == [
        "In every case: dtype=float32 size=5 seeds=0-2",
        "case                       a pass  for",
        "method=incremental         5 FLOP",
        "method=published:no-inner  5 FLOP  2 s",
        f"  note: {REASON}",
        "method=fused               5 FLOP  2 s",
        f"  note: {REASON}",
    ]


def test_a_case_alone_is_shown_whole(call, toy_file):
    _, out, _ = call("toy", "--load", toy_file, "--plan", "--sizes", "5")
    assert out.startswith("case\nsize=5\n")
    assert out.endswith("\n1 case of 3 steps on cpu; nothing was run.\n")


def test_a_plan_shows_every_setting_and_says_what_it_does_not_know(call, toy_file):
    _, out, _ = call("toy", "--load", toy_file, "--plan", "--sizes", "5,6", "--rate", 0.5, "--threads", 1, "--jobs", 2)
    out, typed = " ".join(out.split()), "--device cpu, --threads 1, --jobs 2, --sizes 5,6, --rate 0.5."
    assert f"Settings typed, or found for this machine and data: {typed}" in out
    assert "At their defaults: --steps 3, --trap none, --pause 0." in out
    assert "Time: not known before the first cases are measured" in out


@pytest.mark.filterwarnings("always")  # that they do not fit is a warning
def test_a_plan_says_how_long_it_takes_and_what_processes_hold_together(call, toy_file, monkeypatch):
    registry.load_file(toy_file)
    costs = {"expect_s": lambda case, options, context: [case.point.size] * 3, "hold_bytes": lambda *_: 10**9}
    costs["once_s"] = lambda options, context: 60.0
    registry.SUITES.add(replace(registry.SUITES.get("toy"), name="toyforeseen", **costs))
    monkeypatch.setattr(forecast, "free_bytes", lambda device: 2 * 10**9)
    words = ["toyforeseen", "--plan", "--sizes", "19,20,21", "--threads", 1]
    _, out, err = call(*words, "--jobs", 2)
    assert "Time: roughly 1 min 20 s to 5 min 10 s on this machine as it is now." in out  # 90 s, and 63
    assert "Memory: 2 processes side by side of up to " in out
    assert "fbench: warning: --jobs 2: 2 processes of up to " in err
    assert "--jobs 1 fits" in err
    _, out, err = call(*words, "--jobs", 1)
    assert "Time: roughly 2 min 00 s to 8 min 10 s" in out
    assert ("Memory" in out, err) == (False, "")
    _, out, _ = call("toyforeseen", "--plan", "--sizes", "90000000,90000001", "--threads", 1)
    assert "Time: more than a year." in out


def test_a_process_a_case_is_one_at_a_time(call, toy_file):
    registry.load_file(toy_file)
    registry.SUITES.add(replace(registry.SUITES.get("toy"), name="toyfresh", executor="fresh"))
    code, _, err = call("toyfresh", "--jobs", 2)
    assert code == 2
    assert err == "fbench: --jobs 2: cases of `fbench toyfresh` on cpu run one at a time; leave it out\n"
    assert call("toyfresh", "--jobs", 1, "--plan")[0] == 0


@pytest.mark.parametrize(("suite", "whole"), [("toy", "9 of 9"), ("toyopen", "9")])
def test_without_a_terminal_lines_say_how_far_it_is(call, toy_file, monkeypatch, suite, whole):
    monkeypatch.setattr(progress, "Lines", functools.partial(Lines, every_s=0))
    code, out, err = call(suite, "--load", toy_file, "--threads", 1, "--jobs", 1)
    lines = [line for line in err.splitlines() if "done" in line]
    assert (code, len(lines), "done" in out) == (0, 9, False)
    assert lines[-1].startswith(f"{whole} units done")
    assert lines[-1].endswith(", about 0 s left")


def test_a_short_run_says_nothing_on_the_way(call, toy_file):
    _, _, err = call("toy", "--load", toy_file, "--threads", 1, "--jobs", 1)
    assert err.count("\n") == 1


def test_nothing_measured_is_exit_4(call, toy_file, tmp_path):
    (tmp_path / "trap").write_text("1:0:memory")
    arguments = ["toy", "--load", toy_file, "--sizes", "1", "--trap", tmp_path / "trap", "--out", "run", "--threads", 1]
    code, out, err = call(*arguments, "--jobs", 1)
    assert (code, out) == (4, "")
    assert re.search(r"fbench: nothing was measured in run: toy\.py:\d+: MemoryError", err)


def test_rendering_again(call, toy_file, registries):
    arguments = ["toy", "--load", toy_file, "--out", "run", "--threads", 1, "--jobs", 1]
    first = call(*arguments)
    for name in [name for name in registries["suites"].names() if name.startswith("toy")]:
        registries["suites"]._values.pop(name)
    again = call(*arguments)
    assert again[0] == 0
    assert "Rendering again the finished run of toy in run" in again[2]
    assert "9 good rows" in first[1]
    assert "9 good rows" in again[1]


def test_an_out_that_cannot_be(call, toy_file, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/below"):
        for name in [name for name in registry.SUITES.names() if name.startswith("toy")]:
            registry.SUITES._values.pop(name)
        code, said, err = call("toy", "--load", toy_file, "--out", out)
        assert (code, said, err.count("\n")) == (2, "", 1)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_out_that_is_too_long(call, toy_file):
    code, _, err = call("toy", "--load", toy_file, "--out", "x" * 300)
    assert (code, err.count("\n")) == (2, 1)


def test_our_own_fault(call, monkeypatch):
    def broken():
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(doctor, "checks", broken)
    code, out, err = call("doctor")
    assert (code, out) == (70, "")
    assert err.splitlines() == [
        "fbench: internal error: ZeroDivisionError: by zero",
        "fbench: this is fbench's own fault; FBENCH_TRACEBACK=1 shows where",
    ]
    monkeypatch.setenv("FBENCH_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.run(["doctor"])


def test_warnings_are_lines(call, monkeypatch):
    import warnings

    def warned():
        warnings.warn("few labels", stacklevel=1)
        return []

    monkeypatch.setattr(doctor, "checks", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        code, _, err = call("doctor")
    assert (code, err) == (0, "fbench: warning: few labels\n")


def test_messages_are_not_markup(call):
    code, _, err = call("compare", "--strategies", "[red]x[/]")
    assert code == 2
    assert "[red]x[/]" in err


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def rows_in(path):
    return path.read_text().count("\n") - 1 if path.exists() else 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_it_says_so_and_goes_on(toy_file, tmp_path, registries, showwarning, jobs):
    """Ctrl-C reaches the whole group; nobody is left behind, and the end is that of a run in one go."""
    arguments = ["toy", "--load", toy_file, "--threads", 1, "--jobs", jobs, "--steps", 4, "--out"]
    with start(*arguments, "run", "--pause", 0.15, cwd=tmp_path) as process:
        wait_for(lambda: rows_in(tmp_path / "run" / "results.csv") >= 2)
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= (2 if jobs == 2 else 0)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert outliving(family, 10) == []
    done = rows_in(tmp_path / "run" / "results.csv")
    assert 2 <= done < 12
    with start(*arguments, "run", "--pause", 0.15, cwd=tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert {f"{n} of 12 units are on disk already" in err for n in (done - 1, done)} == {True, False}  # one may be torn
    finished(tmp_path / "whole", *map(str, arguments[:6]), "1", "--steps", "4")
    for name in ("results.csv", "extra.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_interrupted_while_processes_start(toy_file, tmp_path):
    arguments = ["toyworker", "--load", toy_file, "--threads", 1, "--pause", 0.2, "--out", "run"]
    with start(*arguments, cwd=tmp_path) as process:
        family = wait_for(lambda: psutil.Process(process.pid).children(recursive=True))
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert outliving(family, 10) == []
    assert "Traceback" not in err


def test_interrupted_it_says_what_is_kept(call, monkeypatch, toy_file):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    code, out, err = call("toy", "--load", toy_file, "--out", "run")
    assert (code, out) == (130, "")
    assert "fbench: interrupted: what was measured is on disk, and the same command goes on from there\n" in err


def test_a_reader_who_leaves():
    """``fbench list | head -1``, with the reader gone before a word is written."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run([*COMMAND, "list"], stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")


HEAVY = ["torch", "torchvision", "pandas", "matplotlib", "numpy", "scipy", "sklearn"]


@pytest.mark.parametrize("typed", ["--help", "list", "columns", "--version", "compare --help"])
def test_little_is_imported_to_say_little(typed):
    code = f"import sys\nfrom fbench import cli\ncode = cli.run({typed.split()})\n"
    code += f"print(code, sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []"


@pytest.mark.parametrize(
    "words",
    ["show {}", "runs {}", "merge {} y --out z", "compare --replicate {}", "compare --dataset cifar10 --data-dir {}"],
)
def test_a_name_that_no_file_may_have(call, words):
    code, out, err = call(*words.format("x" * 300).split())
    assert (code, out) == (2, "")
    assert err == f"fbench: {'x' * 40}… (300 letters): File name too long; give another name\n" or (
        "--data-dir" in words and err.startswith("fbench: xxxx")
    )


@pytest.mark.parametrize("second", [["--labelled", "b.npy"], ["--labelled=b.npy"]])
def test_a_second_list_of_labelled_is_not_dropped_silently(call, second):
    code, out, err = call("pick", "pool.npz", "--batch", 2, "--labelled", "a.npy", *second)
    assert (code, out) == (2, "")
    assert "--labelled is given twice, and the last one alone would count: join them in one file" in err


def test_presets_are_listed_with_their_values(capsys):
    assert cli.run(["list", "presets"]) == 0
    text = capsys.readouterr().out
    poster = text[text.index("poster, of fbench compare") :]
    assert re.search(r"--regularisation +1,0\.1,0\.01 ", poster)
    assert re.search(r"--seeds +20 +10 ", poster)
    assert cli.run(["list", "presets", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["poster"]["options"]["folds"] == "5"
    assert listed["poster"]["quick"]["dataset"] == "digits"
    assert listed["poster"]["chosen"]["regularisation"].startswith("a claim holds where it holds at every λ")
