"""``fbench diff`` as a user meets it: what it says, the exit code, one line for a mistake."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from timed_documents import MACHINE, benchmark, document, paired_document, pairs, samples, timed

from fbench import cli
from fbench.regression import sides

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reports" / "reference"
SIX = dict.fromkeys("abcdef", 0.01)


def written(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def verdicts(out):
    return {row["name"].partition("::")[2] or row["name"]: row["verdict"] for row in json.loads(out)["benchmarks"]}


def test_two_files_cannot_confirm_what_they_show(call, tmp_path):
    base, new = timed(tmp_path / "a.json", SIX), timed(tmp_path / "b.json", {**SIX, "a": 0.02}, seed=9, commit="b" * 40)
    code, out, _ = call(base, new)
    assert code == 0
    assert "bbbbbbbbb looks slower than aaaaaaaaa in 1 of 6 benchmarks (bench.py::a), which is not confirmed." in out
    assert "Two runs made at different times confirm nothing: ratios are to be read against a drift of " in out
    assert call(base, new, "--strict")[0] == 3
    found = json.loads(call(base, new, "--strict", "--json")[1])
    assert (found["exit_code"], found["paired"], found["confirmed"], found["margin"]) == (3, False, False, 0.03)
    assert verdicts(json.dumps(found)) == {"a": "slower", **dict.fromkeys("bcdef", "same within the margin")}
    [row] = [row for row in found["benchmarks"] if row["verdict"] == "slower"]
    assert row["low"] < 2 < row["high"]
    assert (row["control"], row["n"], row["why"]) == (None, 20, "")


def test_equal_code_is_the_same_within_the_margin(call, tmp_path):
    base, new = timed(tmp_path / "a.json", SIX), timed(tmp_path / "b.json", SIX, seed=9)
    code, out, _ = call(base, new, "--strict")
    assert code == 0
    assert "aaaaaaaaa against aaaaaaaaa: of 6 benchmarks, 6 same within the margin." in out
    assert call(base, new, "--strict", "--margin", "0.0001")[0] == 3


def test_faster_is_no_loss(call, tmp_path):
    base, new = timed(tmp_path / "a.json", SIX), timed(tmp_path / "b.json", {**SIX, "a": 0.005}, seed=9)
    code, out, _ = call(base, new, "--strict", "--json")
    assert (code, verdicts(out)["a"]) == (0, "faster")


def test_a_slower_machine_is_no_regression(call, tmp_path):
    """All benchmarks move alike: that is the machine, and nothing is shown of any."""
    base = timed(tmp_path / "a.json", SIX)
    new = timed(tmp_path / "b.json", {name: 1.15 * value for name, value in SIX.items()}, seed=9)
    code, out, _ = call(base, new, "--strict", "--json")
    assert (code, set(verdicts(out).values())) == (3, {"not shown"})


def controlled(path, slow, factor=1.0):
    """Benchmarks with a control a round, on a machine that is so much slower."""
    waves = [factor * (1 + 0.2 * math.sin(i)) for i in range(20)]
    listed = []
    for place, name in enumerate("abcdef"):
        times = [wave * value for wave, value in zip(waves, samples(0.01, seed=place), strict=True)]
        times = [time * 1.5 for time in times] if name == slow else times
        listed.append(benchmark(name, times, extra_info={"control_s": [0.001 * wave for wave in waves]}))
    return written(path, document(listed))


def test_controls_take_the_machine_off(call, tmp_path):
    base, new = controlled(tmp_path / "a.json", ""), controlled(tmp_path / "b.json", "a", factor=1.1)
    found = json.loads(call(base, new, "--json")[1])
    assert verdicts(json.dumps(found))["a"] == "slower"
    row = found["benchmarks"][0]
    assert row["change"] == pytest.approx(1.5, abs=0.01)
    assert row["control"] == pytest.approx(1.1)
    assert row["drift"] == pytest.approx(0.1, abs=0.001)
    assert "controls moved by +10 %, and ratios are to be read against a drift of 10 %" in call(base, new)[1]


@pytest.mark.parametrize(
    ("rounds", "names", "why"),
    [(5, "abcdef", "5 samples have no interval"), (20, "abc", "fewer than 4 other benchmarks or controls tell")],
)
def test_what_is_missing_for_a_verdict(call, tmp_path, rounds, names, why):
    files = [
        written(
            tmp_path / f"{side}.json", document([benchmark(name, samples(0.01, rounds, seed=side)) for name in names])
        )
        for side in (1, 2)
    ]
    code, out, _ = call(*files)
    assert code == 0
    assert why in out
    assert f"of {len(names)} benchmarks, {len(names)} not shown." in out


def test_files_without_samples(call, tmp_path):
    """As ``--benchmark-save`` writes them: a median, an interquartile range, a number of rounds."""

    def saved(name, seconds):
        stats = {"median": seconds, "iqr": 0.01 * seconds, "rounds": 50}
        return {**benchmark(name, [1.0]), "stats": stats}

    base = written(tmp_path / "a.json", document([saved(name, 0.01) for name in "abcdef"]))
    new = written(tmp_path / "b.json", document([saved(name, 0.02 if name == "a" else 0.01) for name in "abcdef"]))
    found = json.loads(call(base, new, "--json")[1])
    assert verdicts(json.dumps(found)) == {"a": "slower", **dict.fromkeys("bcdef", "same within the margin")}
    half = math.log(found["benchmarks"][1]["high"])
    assert half == pytest.approx(math.sqrt(2) * 1.96 * 1.2533 * 0.01 / 1.349 / math.sqrt(50), rel=1e-3)


def test_folders_count_runs(call, tmp_path):
    for run in range(4):
        timed(tmp_path / "a" / "deep" / f"{run}.json", dict.fromkeys("abcdef", 0.01 * (1 + 0.001 * run)), seed=run)
        timed(tmp_path / "b" / f"{run}.json", {**SIX, "a": 0.02}, seed=10 + run)
    written(tmp_path / "b" / "other.json", {"a": 1})
    written(tmp_path / "b" / "notes.txt", "no JSON")
    code, out, _ = call("a", "b")
    assert "Note: b/other.json is passed over: no measurement." in out
    found = json.loads(call("a", "b", "--json")[1])
    assert (code, found["benchmarks"][0]["verdict"]) == (0, "slower")
    assert {row["n"] for row in found["benchmarks"]} == {4}


def test_a_folder_of_everything_is_refused(call, tmp_path, monkeypatch):
    monkeypatch.setattr(sides, "_MOST_FILES", 3)
    for number in range(4):
        timed(tmp_path / "a" / f"{number}.json", SIX)
    code, _, err = call("a", "a")
    assert code == 2
    assert "a has more than 3 files and folders: give one of runs alone" in err


def test_several_commits_in_a_folder_are_said(call, tmp_path):
    timed(tmp_path / "a" / "1.json", SIX)
    timed(tmp_path / "a" / "2.json", SIX, commit="b" * 40)
    assert "Note: a holds runs of 2 commits, which count as one revision." in call("a", "a")[1]


PAIRS = {"slow": pairs(0.1), "same": pairs(0.0, seed=1)}


def test_interleaved_pairs_confirm(call, tmp_path):
    path = written(tmp_path / "pairs.json", paired_document(PAIRS))
    code, out, _ = call(path)
    assert code == 1
    assert "v2 is slower than v1 in 1 of 2 benchmarks (slow): a regression is confirmed." in out
    assert "20 interleaved pairs a benchmark; slower: p < 0.01 after Holm's correction and more than 3 %." in out
    code, out, _ = call(path, "--json", "--strict", "--margin", "0.2")
    assert (code, verdicts(out)) == (0, dict.fromkeys(PAIRS, "same within the margin"))


def test_a_gate_s_threshold_is_the_margin_of_its_pairs(call, tmp_path):
    """What is no threshold is passed over; one that is typed comes first."""
    for threshold, slow in ((0.2, "same within the margin"), (20, "slower"), ("0.2", "slower")):
        document = paired_document(PAIRS, new={"revision": "v2", "threshold": threshold})
        path = written(tmp_path / f"{threshold!r}.json", document)
        assert verdicts(call(path, "--json")[1])["slow"] == slow
        assert verdicts(call(path, "--json", "--margin", "0.03")[1])["slow"] == "slower"


def test_an_odd_start_is_no_ground_for_a_pass(call, tmp_path):
    """One of fifteen values is against it, the largest: nothing is shown, and it stays open."""
    slow = [*pairs(0.3, n=14), {**pairs(0.3, n=15)[14], "base_s": 0.02, "new_s": 0.012}]
    named = {"slow": slow, "same": pairs(0.0, n=15, seed=1), "too": pairs(0.0, n=15, seed=2)}
    base = {"revision": "v1", "again_s": {name: [pair["base_s"] for pair in held] for name, held in named.items()}}
    path = written(tmp_path / "pairs.json", paired_document(named, base=base))
    code, out, _ = call(path, "--json")
    assert (code, verdicts(out)["slow"]) == (0, "inconclusive")
    assert "it looks slower and is not shown to be: more starts would tell" in " ".join(
        call(path, "--format", "github")[1].split()
    )


def test_pairs_of_one_order_confirm_nothing(call, tmp_path):
    fixed = [{**pair, "first": "base"} for pair in pairs(0.1)]
    path = written(tmp_path / "pairs.json", paired_document({"slow": fixed}))
    code, out, _ = call(path, "--strict")
    assert code == 3
    assert "v2 looks slower than v1 in 1 of 1 benchmark (slow), which is not confirmed." in out
    assert "one side always came first in slow: order is to be drawn, so nothing is confirmed." in out


def test_a_floor_hides_what_is_below_it(call, tmp_path):
    """The base's second process lies 15 % above its first: a change of 10 % may be the machine's."""
    base = {"revision": "v1", "again_s": {"slow": [0.0115] * 20, "same": [0.01] * 20}}
    path = written(tmp_path / "pairs.json", paired_document(PAIRS, base=base))
    code, out, _ = call(path)
    assert (code, call(path, "--strict")[0]) == (0, 3)
    assert "v2 against v1: of 2 benchmarks, 1 inconclusive, 1 same within the margin." in out
    assert "more than 3 % and the floor, up to 15 %." in out
    assert "a floor above 3 % hides what is below it" in " ".join(call(path, "--format", "github")[1].split())
    found = json.loads(call(path, "--json")[1])
    assert [row["floor"] for row in found["benchmarks"]] == [pytest.approx(0.15), 0.0]
    assert call(path, "--margin", "0.2", "--strict")[0] == 0


def test_few_pairs_say_how_many_it_takes(call, tmp_path):
    path = written(tmp_path / "pairs.json", paired_document({"slow": pairs(0.1, n=6)}))
    code, out, _ = call(path, "--strict")
    assert code == 3
    assert "6 pairs cannot show a change among 1: 7 can" in out


def test_markdown_for_a_pull_request(call, tmp_path, capsys):
    path = written(tmp_path / "pairs.json", paired_document({"a|b<i>": pairs(0.1), "same": pairs(0.0, seed=1)}))
    cli.run(["diff", str(path), "--format", "github"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "**v2 is slower than v1 in 1 of 2 benchmarks (a|b&lt;i>): a regression is confirmed.**"
    assert "| benchmark | verdict | change | 95 % interval | base | new | p, Holm | n |" in lines
    assert any(line.startswith(r"| a\|b&lt;i> | slower | +") for line in lines)
    base = timed(tmp_path / "a.json", SIX)
    assert "<details><summary>All benchmarks</summary>" in call(base, base, "--format", "github")[1]


def test_a_long_table_is_cut_for_github(call, tmp_path):
    base = timed(tmp_path / "a.json", {f"test_{i}": 0.01 for i in range(210)})
    assert "10 more rows are left out." in call(base, base, "--format", "github")[1]


def other(**machine):
    return {"machine_info": {**MACHINE, **machine}}


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        (other(cpu={"brand_raw": "another CPU", "count": 2}), "processor: a CPU against another CPU"),
        (other(cpu={"brand_raw": "a CPU", "count": 8}), "processors: 2 against 8"),
        (other(python_version="3.12.1"), "Python: CPython 3.11 against CPython 3.12"),
        ({"version": "4.0.0"}, "made by pytest-benchmark 5 against pytest-benchmark 4"),
    ],
)
def test_other_machines_and_versions_take_force(call, tmp_path, more, difference):
    base, new = timed(tmp_path / "a.json", SIX), timed(tmp_path / "b.json", SIX, **more)
    code, out, err = call(base, new)
    assert (code, out) == (4, "")
    assert f"are not of one kind: {difference}. Measure both alike, or give --force" in err
    code, out, _ = call(base, new, "--force")
    assert code == 0
    assert f"Compared by --force, though not of one kind: {difference}." in out


def test_other_options_of_a_benchmark_take_force(call, tmp_path):
    base = timed(tmp_path / "a.json", SIX)
    changed = [{**one, "options": {"timer": "time"}} for one in json.loads(base.read_text())["benchmarks"]]
    code, _, err = call(base, written(tmp_path / "b.json", document(changed)))
    assert code == 4
    assert "options of bench.py::a (and of 5 more): timer perf_counter, " in err


def test_another_host_is_said_and_compared(call, tmp_path):
    base, new = timed(tmp_path / "a.json", SIX), timed(tmp_path / "b.json", SIX, **other(node="there", release="7"))
    code, out, _ = call(base, new)
    assert code == 0
    assert "Note: host: here against there. Note: kernel: 6.1 against 7." in out


def test_uncommitted_changes_are_said(call, tmp_path):
    base = timed(tmp_path / "a.json", SIX, commit_info={"id": "a" * 40, "dirty": True})
    assert "a.json: the working tree had changes that no commit has." in call(base, base)[1]


def test_without_git_a_side_is_called_by_its_path(call, tmp_path):
    """What pytest-benchmark writes outside a checkout: ``unversioned_…``."""
    base = timed(tmp_path / "a.json", SIX, commit_info={"id": "unversioned", "dirty": False})
    new = timed(tmp_path / "b.json", SIX, commit_info={})
    assert "b.json against " in call("a.json", "b.json")[1]
    assert call(base, new)[0] == 0


def test_what_one_side_alone_has(call, tmp_path):
    base, new = timed(tmp_path / "a.json", SIX), timed(tmp_path / "b.json", {**dict.fromkeys("abcde", 0.01), "g": 1.0})
    code, out, _ = call(base, new)
    assert code == 0
    assert "Only the base one has bench.py::f. Only the new one has bench.py::g." in out
    assert call(base, new, "--strict")[0] == 3


def test_what_all_names_share_is_said_once(call, tmp_path):
    named = [benchmark(name, samples(0.01), fullname=f"tests/deep/{file}::{name}") for file, name in ("ax", "by", "bz")]
    base = written(tmp_path / "a.json", document(named))
    out = call(base, base)[1]
    assert " a::x not shown" in out
    assert "tests/deep" not in out
    out = call(REFERENCE / "fisher", REFERENCE / "fisher")[1]
    assert " quantity=diagonal method=loop not shown" in out
    assert " all: samples=128 phase=pass. change: of the time; the margin is 3 %." in out


def test_nothing_in_common(call, tmp_path):
    code, _, err = call(timed(tmp_path / "a.json", {"a": 1.0}), timed(tmp_path / "b.json", {"b": 1.0}))
    assert code == 4
    assert "have nothing in common: one has 'bench.py::a', the other 'bench.py::b'" in err


def test_no_baseline(call, tmp_path):
    code, _, err = call("nowhere.json", timed(tmp_path / "b.json", SIX))
    assert code == 4
    assert err.endswith("nowhere.json: there is no baseline; measure one, and keep it for the next time\n")


def test_an_empty_folder_is_no_baseline_and_no_new_side(call, tmp_path):
    """As a cache gives it that has nothing yet."""
    (tmp_path / "empty").mkdir()
    new = timed(tmp_path / "b.json", SIX)
    code, _, err = call("empty", new)
    assert code == 4
    assert err == "fbench: empty holds no run: there is no baseline; measure one, and keep it for the next time\n"
    code, _, err = call(new, "empty")
    assert code == 2
    assert "empty holds no run: give a run's folder" in err


ONE = benchmark("a", [1.0] * 9)
BAD = {
    "missing": (None, 2, "no such file"),
    "empty": ("", 2, "is no JSON, line 1 column 1: it ends too early; write it again"),
    "truncated": (json.dumps(document([ONE]))[:-40], 2, ": it ends too early; write it again"),
    "no JSON": ("a: 1\nb: 2\n", 2, "is no JSON, line 1 column 1: Expecting value; write it again"),
    "no text": ("\ud800", 2, "is no JSON: UnicodeDecodeError; write it again"),
    "nested": ("[" * 100_000, 2, "is no JSON"),
    "foreign": ('{"a": 1}', 2, "is no measurement: give a run's folder, a JSON file of pytest-benchmark"),
    "a list": ("[1, 2]", 2, "is no measurement"),
    "pairs": (
        json.dumps(paired_document(PAIRS)),
        2,
        "is a file of pairs, which has both sides in it and is given alone",
    ),
    "another major version": (
        json.dumps(document([ONE], version="2.5.0")),
        2,
        "was written by pytest-benchmark 2.5.0: versions 3 to 5 are read; measure again with one of them",
    ),
    "no version": (json.dumps(document([ONE], version="")), 2, "was written by pytest-benchmark of no version"),
    "no benchmarks": (json.dumps(document([])), 4, "has no benchmarks: was everything deselected, or did it fail?"),
    "equal names": (
        json.dumps(document([ONE, ONE])),
        2,
        "has 2 benchmarks of the name 'bench.py::a': give each a name of its own",
    ),
    "no name": (json.dumps(document([{"stats": {"data": [1.0]}}])), 2, "has a benchmark without a name"),
    "no times": (json.dumps(document([{"name": "a"}])), 2, "has a benchmark without times: it was cut, or edited"),
    "empty times": (json.dumps(document([benchmark("a", [1.0], stats={"data": []})])), 2, "a: there are no times"),
    "zero": (json.dumps(document([benchmark("a", [1.0, 0.0])])), 2, "time 2 of 2 is 0 s: must be above 0 and finite"),
    "NaN": (json.dumps(document([benchmark("a", [math.nan])])), 2, "time 1 of 1 is nan s: must be above 0 and finite"),
    "infinite": (json.dumps(document([benchmark("a", [math.inf])])), 2, "time 1 of 1 is inf s"),
    "huge": (json.dumps(document([benchmark("a", [1.0], stats={"data": [10**400]})])), 2, "time 1 of 1 is inf s"),
    "text": (json.dumps(document([benchmark("a", [1.0], stats={"data": ["1"]})])), 2, "a: '1' is no number of seconds"),
    "no list": (json.dumps(document([benchmark("a", [1.0], stats={"data": "12"})])), 2, "which is no list of seconds"),
    "no median": (
        json.dumps(document([benchmark("a", [1.0], stats={"rounds": 3})])),
        2,
        "'None' is no number of seconds",
    ),
    "a range below 0": (
        json.dumps(document([benchmark("a", [1.0], stats={"median": 1.0, "iqr": -1, "rounds": 9})])),
        2,
        "an interquartile range of -1 s: must be 0 or more",
    ),
    "a control of 0": (
        json.dumps(document([benchmark("a", [1.0], extra_info={"control_s": [0.0]})])),
        2,
        "time 1 of 1 of the control is 0 s",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_files(call, tmp_path, fault):
    text, expected, message = BAD[fault]
    bad = tmp_path / "bad.json"
    if text is not None:
        bad.write_bytes(text.encode("utf-8", "surrogatepass"))
    code, out, err = call(timed(tmp_path / "a.json", SIX), bad)
    assert (code, out, err.count("\n")) == (expected, "", 1)
    assert message in err
    if text is not None:  # as a base it is no missing baseline
        assert call(bad, tmp_path / "a.json")[0] == expected


def without(pair, key):
    return {name: value for name, value in pair.items() if name != key}


PAIR = pairs(0.0, n=1)[0]
BAD_PAIRS = {
    "another form": (
        paired_document({"a": [PAIR]}, fbench_pairs=2),
        2,
        "holds pairs of form 2: this fbench reads form 1",
    ),
    "no benchmarks": (paired_document({}), 4, "has no benchmarks: nothing was measured"),
    "no list": (paired_document({}, benchmarks=1), 2, "has no list of benchmarks: it was cut, or edited"),
    "no pairs": (paired_document({"a": []}), 4, "a: no pair was measured"),
    "no name": (paired_document({"": [PAIR]}), 2, "has a benchmark without a name or pairs"),
    "equal names": (
        paired_document({}, benchmarks=2 * [{"name": "a", "pairs": [PAIR]}]),
        2,
        "has 2 benchmarks of the name 'a'",
    ),
    "a pair twice": (paired_document({"a": [PAIR, PAIR]}), 2, "a: pair 0 is there 2 times, and each counts once"),
    "no number": (paired_document({"a": [without(PAIR, "pair")]}), 2, "a pair needs a whole number as pair"),
    "no order": (paired_document({"a": [{**PAIR, "first": "x"}]}), 2, "base or new as first; one has 0 and x"),
    "no start": (paired_document({"a": [{**PAIR, "start": "x"}]}), 2, "a, pair 0: start is x, which numbers no start"),
    "no time": (paired_document({"a": [without(PAIR, "new_s")]}), 2, "a, pair 0: None is no time above 0 in seconds"),
    "a time of 0": (paired_document({"a": [{**PAIR, "new_s": 0}]}), 2, "a, pair 0: 0 is no time above 0 in seconds"),
    "NaN": (paired_document({"a": [{**PAIR, "new_s": math.nan}]}), 2, "a, pair 0: nan is no time above 0 in seconds"),
    "no list of the second process": (
        paired_document({"a": [PAIR]}, base={"again_s": {"a": 1}}),
        2,
        "again_s of the base is no list of seconds by benchmark",
    ),
    "a time of the second process": (
        paired_document({"a": [PAIR]}, base={"again_s": {"a": [0]}}),
        2,
        "a: 0 is no time above 0 in seconds",
    ),
    "too few of them": (
        paired_document({"a": [PAIR]}, base={"again_s": {"a": []}}),
        2,
        "a: 1 pairs, and 0 times of the base's second process",
    ),
    "no pairs file": ({"a": 1}, 2, "holds no pairs: give a run's folder"),
    "one side": (document([ONE]), 2, "is one side alone: give BASE and NEW, or one file of interleaved pairs"),
}


@pytest.mark.parametrize("fault", BAD_PAIRS)
def test_bad_pairs(call, tmp_path, fault):
    value, expected, message = BAD_PAIRS[fault]
    code, out, err = call(written(tmp_path / "pairs.json", value))
    assert (code, out, err.count("\n")) == (expected, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "takes BASE and NEW, or one file of pairs, and not 0 names"),
        (("a", "b", "c"), "and not 3 names"),
        ((".",), "is one side alone"),
        (("/dev/null",), "a device, not a file"),
        (("a", "b", "--margin", "0"), "--margin 0: must be above 0"),
        (("a", "b", "--margin", "nan"), "must be a finite number"),
        (("a", "b", "--format", "html"), "--format html: must be one of text, github, json"),
    ],
)
def test_what_is_typed_wrongly(call, words, message):
    code, _, err = call(*words)
    assert code == 2
    assert message in err


def test_a_folder_of_other_json(call, tmp_path):
    written(tmp_path / "other.json", {})
    code, _, err = call(timed(tmp_path / "sub" / "a.json", SIX), tmp_path)
    assert code == 0  # the one below it is a run
    (tmp_path / "sub" / "a.json").rename(tmp_path / "a.txt")
    code, _, err = call(tmp_path, tmp_path)
    assert code == 2
    assert "; " in err
    assert "other.json is passed over: no measurement" in err


@pytest.mark.parametrize("suite", ["chunksize", "select-forward", "fisher"])
def test_runs_of_timing_suites(call, suite):
    found = json.loads(call(REFERENCE / suite, REFERENCE / suite, "--json")[1])
    assert {row["quantity"] for row in found["benchmarks"]} == {"time"}
    assert {row["change"] for row in found["benchmarks"]} == {1.0}
    assert all((row["control"] == 1.0) == (suite == "chunksize") for row in found["benchmarks"])
    assert all(len(row["name"]) > 20 for row in found["benchmarks"])


def test_runs_of_other_options_take_force(call):
    code, _, err = call(REFERENCE / "select-forward", REFERENCE / "select-small-lambda")
    assert code == 4
    assert "are not of one kind: --regularisation: 1 against 0.01. Measure both alike" in err


def test_memory_is_held_to_its_margin(call):
    found = json.loads(call(REFERENCE / "memory", REFERENCE / "memory", "--json", "--margin", "0.2")[1])
    assert {(row["quantity"], row["verdict"]) for row in found["benchmarks"]} == {("peak", "same within the margin")}


def test_accuracy_is_paired_by_seed(call):
    """Two runs of one protocol on two machines, whose rows name the only data set or do not."""
    code, out, _ = call(REFERENCE / "compare-digits", REFERENCE / "compare-eleven", "--force")
    assert code == 0
    assert "of 4 benchmarks, 4 same within the margin" in out
    assert "Two runs made at different times" not in out


def test_a_suite_with_nothing_to_compare(call):
    code, _, err = call(REFERENCE / "drift-digits", REFERENCE / "drift-digits")
    assert code == 4
    assert "a run of fbench drift, has no times by block, no accuracies by seed and no peaks by round" in err
