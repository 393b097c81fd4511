"""Runs that were measured apart are one run, or stay apart and it is said why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from command import finished
from merged import REFERENCE, paper_changed, take_apart

import fbench
from fbench.errors import FolderError, UsageError
from fbench.harness import folder, registry
from fbench.runs.merging import MEASURED_UNITS, merge_runs


def lasting(run):
    """Every table's rows without what is measured."""
    tables = {}
    for name, columns in run.reading.columns.items():
        names = [column.name for column in columns if column.unit not in MEASURED_UNITS]
        tables[name] = [[row[name] for name in names] for row in run.reading.rows[name]]
    return tables


def test_other_sizes_are_one_run(grow, tmp_path):
    first, second = grow("a", "--sizes", "1,2"), grow("b", "--sizes", "3", "--steps", "2")
    merged = merge_runs([first.path, second.path], tmp_path / "c")
    fresh, grown = grow("fresh", "--sizes", "1,2,3"), grow("a", "--sizes", "3")
    assert lasting(merged) == lasting(fresh) == lasting(grown)
    assert merged.finished
    assert merged.settings["sizes"] == (1, 2, 3)
    assert merged.spent_s == pytest.approx(first.spent_s + second.spent_s, abs=0.5)
    assert merged.spent_s >= first.spent_s + second.spent_s
    once_more = merge_runs([merged.path, second.path], tmp_path / "d")  # which has nothing that is not there
    assert once_more.spent_s == pytest.approx(merged.spent_s, abs=0.5)
    assert (merged.path / "summary.md").read_text() == merged.report.markdown
    assert (merged.path / "figures" / "values.svg").exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_every_row_keeps_its_machine(grow, tmp_path):
    first, second, third = grow("a", "--sizes", "1"), grow("b", "--sizes", "2"), grow("c", "--sizes", "3")
    paper_changed(second.path, "environment.json", cpu="Another CPU")
    merged = merge_runs([merge_runs([first.path, second.path], tmp_path / "ab").path, third.path], tmp_path / "abc")
    assert merged.machines["machine"].tolist() == [0, 0, 1, 1, 2, 2]
    assert merged.machines["cpu"][2] == "Another CPU"
    assert merged.machines["run"].tolist() == [str(run.path) for run in (first, second, third) for _ in range(2)]
    assert [machine["cpu"] for machine in merged.environment["machines"]][1] == "Another CPU"
    assert " and on Another CPU (" in merged.report.where
    assert merged.report.where.count(" and on ") == 1  # the first machine and the third are one kind
    assert [part["run"] for part in merged.reading.identity["merged"]] == [str(r.path) for r in (first, second, third)]


def test_a_merged_run_that_lacks_something_is_taken_up(grow, tmp_path):
    merged = merge_runs(
        [grow("a", "--sizes", "1", "--steps", "4").path, grow("b", "--sizes", "2").path], tmp_path / "c"
    )
    assert (merged.finished, merged.units) == (False, (6, 8))
    assert not (merged.path / "summary.md").exists()
    finished(merged.path, "growing", "--jobs", "1")
    whole = fbench.open_run(merged.path)
    assert whole.finished
    assert lasting(whole) == lasting(grow("fresh", "--sizes", "1,2", "--steps", "4"))
    assert whole.machines["machine"].tolist() == [0] * 4 + [1] * 4  # the merged run's last machine is this one


def test_a_run_that_goes_on_elsewhere_keeps_whose_its_units_are(grow, capsys):
    run = grow("a", "--sizes", "1")
    paper_changed(run.path, "environment.json", cpu="Another CPU")
    finished(run.path, "growing", "--jobs", "1", "--sizes", "1,2")
    assert "the run so far was measured on Another CPU (torch " in " ".join(capsys.readouterr().err.split())
    whole = fbench.open_run(run.path)
    assert whole.machines["machine"].tolist() == [0, 0, 1, 1]
    assert whole.machines["cpu"].tolist()[0] == "Another CPU"
    assert "Another CPU" in whole.report.where
    assert " and on " in whole.report.where


def test_what_both_have_is_held_to_equality(grow, tmp_path):
    first, second = grow("a", "--sizes", "1,2"), grow("b", "--sizes", "2,3", "--shift", "0.5")
    expected = "a and .*b don't agree: case 'size=2', step 0, results.csv, value: 0.0 and 0.5. Nothing was written"
    with pytest.raises(FolderError, match=expected):
        merge_runs([first.path, second.path], tmp_path / "c")
    assert not (tmp_path / "c").exists()
    third = grow("third", "--sizes", "2,3")
    merged = merge_runs([first.path, third.path], tmp_path / "c")
    assert merged.machines["run"].tolist() == [str(first.path)] * 4 + [str(third.path)] * 2
    assert merged.results["time_s"][:4].tolist() == first.results["time_s"].tolist()


def test_side_tables_are_held_to_equality(grow, tmp_path):
    first, second = grow("a"), grow("b")
    _rewritten(second.path, "items", lambda rows: rows[:-1])
    with pytest.raises(FolderError, match=r"case 'size=2', step 1, items\.csv, number of rows: 1 and 0"):
        merge_runs([first.path, second.path], tmp_path / "c")


def _rewritten(path, name, change):
    run = fbench.open_run(path)
    there = folder.RunFolder(path, run.reading.suite.all_tables(), "step")
    there.take_up()
    rows = there.rows()
    there.rewrite({**rows, name: change(rows[name])}, finished=True)
    there.close()


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_unit_that_failed_in_one_is_taken_from_the_other(grow, tmp_path, order, call_code):
    assert call_code("growing", "--steps", "3", "--fails", "2", "--out", tmp_path / "a", "--jobs", "1") == 1
    grow("b", "--steps", "3")
    merged = merge_runs([tmp_path / name for name in order], tmp_path / "c")
    assert set(merged.results["status"]) == {"ok"}
    assert merged.finished


@pytest.fixture
def call_code(growing, showwarning, capsys):
    from fbench import cli

    return lambda *words: cli.run([str(word) for word in words])


def test_two_runs_that_failed_are_a_run_that_failed(grow, tmp_path, call_code):
    for name in "ab":
        call_code("growing", "--steps", "3", "--fails", "2", "--out", tmp_path / name, "--jobs", "1")
    merged = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert (merged.finished, set(merged.results["status"])) == (True, {"ok", "failed"})


def test_a_suite_of_open_length(grow, tmp_path):
    paths = [grow(name, "--sizes", size, suite="growopen").path for name, size in (("a", "1"), ("b", "2"))]
    assert merge_runs(paths, tmp_path / "c").finished


def test_times_of_two_runs_do_not_join(grow, tmp_path):
    paths = [grow(name, "--sizes", sizes).path for name, sizes in (("a", "1"), ("b", "1,2"), ("c", "2"))]
    registry.SUITES._values["growing"] = replace(registry.SUITES.get("growing"), executor="worker")
    with pytest.raises(FolderError, match=r"case 'size=1' was measured in .*a and in .*b: times of two runs don't"):
        merge_runs(paths[:2], tmp_path / "d")
    assert merge_runs([paths[0], paths[2]], tmp_path / "d").finished


def test_another_design_is_refused(grow, tmp_path):
    first, second = grow("a", "--sizes", "1"), grow("b", "--sizes", "2", "--rate", "2")
    with pytest.raises(FolderError, match=r"--rate is 1.0 in .*a and 2.0 in .*b: they are of two designs"):
        merge_runs([first.path, second.path], tmp_path / "c")
    other = grow("d", suite="growopen")
    with pytest.raises(FolderError, match="are runs of `fbench growing` and `fbench growopen`; merge joins"):
        merge_runs([first.path, other.path], tmp_path / "c")


def test_another_version_is_accepted_only_when_asked(grow, tmp_path):
    first, second = grow("a", "--sizes", "1"), grow("b", "--sizes", "2")
    paper_changed(second.path, "options.json", fbench="9.9")
    with pytest.raises(FolderError, match=r"fbench is .* in .*a and 9\.9 .* in .*b; --accept-version joins them"):
        merge_runs([first.path, second.path], tmp_path / "c")
    merged = merge_runs([first.path, second.path], tmp_path / "c", accept_version=True)
    assert "9.9" in merged.reading.identity["merged"][1]["accepted"][0]


def test_what_cannot_be_merged(grow, tmp_path):
    first, second = grow("a", "--sizes", "1"), grow("b", "--sizes", "2")
    with pytest.raises(UsageError, match="needs two runs or more: 1 was named"):
        merge_runs([first.path], tmp_path / "c")
    with pytest.raises(UsageError, match="a run is named twice"):
        merge_runs([first.path, tmp_path / "b" / ".." / "a"], tmp_path / "c")
    (tmp_path / "c").mkdir()
    with pytest.raises(FolderError, match=r"--out .*c exists; merge makes a new folder"):
        merge_runs([first.path, second.path], tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


def test_a_changed_list_of_machines_is_refused(grow, tmp_path):
    merged = merge_runs([grow("a", "--sizes", "1").path, grow("b", "--sizes", "2").path], tmp_path / "c")
    path = merged.path / "machines.csv"
    path.write_text(path.read_text().replace(",0,", ",1,"))
    with pytest.raises(FolderError, match=r"machines\.csv was changed after fbench wrote it"):
        _ = fbench.open_run(merged.path).machines
    path.unlink()
    with pytest.raises(FolderError, match=r"machines\.csv cannot be read"):
        _ = fbench.open_run(merged.path).machines


def test_nothing_is_left_of_a_merge_that_fails(grow, tmp_path, monkeypatch):
    paths = [grow("a", "--sizes", "1").path, grow("b", "--sizes", "2").path]
    before = {path.name for path in tmp_path.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left")

    monkeypatch.setattr(folder.RunFolder, "rewrite", full)
    with pytest.raises(FolderError, match=r"cannot write in .*c: No space left"):
        merge_runs(paths, tmp_path / "c")
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_run_that_was_taken_apart_is_whole_again(tmp_path):
    """One from before there were SHA-256s, too: the rows, and all that is said of them."""
    whole, merged = fbench.open_run(REFERENCE / "compare-digits"), merge_runs(take_apart(tmp_path), tmp_path / "both")
    assert lasting(merged)["results"] == lasting(whole)["results"]
    assert lasting(merged)["selections"] == lasting(whole)["selections"]
    assert merged.findings == whole.findings
    assert merged.spent_s == pytest.approx(whole.spent_s, abs=2)
    assert merged.report.summary == whole.report.summary


FEW = "--rounds 1 --epochs 1 --pool 60 --test 30 --batch 5 --start 10 --strategies random,bait --jobs 1 --threads 1"


def test_seeds_apart_are_seeds_together(tmp_path, capsys):
    """Of a real study: two machines' seeds, merged, are the study that grew and the one measured at once."""
    for name, seeds in {"a": "0..1", "b": "2..3", "whole": "0..1,2..3", "grown": "0..1"}.items():
        finished(tmp_path / name, "compare", *FEW.split(), "--seeds", seeds)
    finished(tmp_path / "grown", "compare", "--seeds", "2..3", "--jobs", "1")
    merged = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "merged")
    grown, whole = fbench.open_run(tmp_path / "grown"), fbench.open_run(tmp_path / "whole")
    assert merged.settings["seeds"] == ((0, 1), (2, 3))
    assert lasting(merged) == lasting(grown) == lasting(whole)
    assert merged.finished
    finished(merged.path, "compare", "--seeds", "4..5", "--jobs", "1")
    assert len(fbench.open_run(merged.path).results) == 24


def test_seeds_that_are_cut_otherwise_are_refused(tmp_path, capsys):
    for name, seeds in {"a": "0..1", "b": "1..2"}.items():
        finished(tmp_path / name, "compare", *FEW.split(), "--seeds", seeds)
    expected = "b has the case 'strategy=bait seeds=1-2', which the merged study cuts otherwise"
    with pytest.raises(FolderError, match=expected):
        merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "c")


def test_questions_of_both_are_asked_and_those_asked_late_stay_late(tmp_path, capsys):
    for name, seeds, asked in (("a", "0..1", "bait > random"), ("b", "2..3", "random > bait")):
        finished(tmp_path / name, "compare", *FEW.split(), "--seeds", seeds, "--questions", asked)
    merged = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert merged.settings["questions"] == "bait > random, random > bait"
    assert merged.settings["later"] == "random > bait"
