"""The pages say what is true: their commands, their Python, and the numbers of the reference runs."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import finished, table

import fbench
import fbench.contract
import fbench.registry
from fbench import cli
from fbench.cli import parameters
from fbench.gate.options import GATE_OPTIONS
from fbench.harness import registry
from fbench.harness.cluster import Cluster, Node
from fbench.learning import data, strategies

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "fbench/harness/MACHINES.md",
        *sorted(ROOT.glob("suites/*/README.md")),
        *sorted(ROOT.glob("fbench/*/README.md")),
    )
}
README = PAGES["README.md"]
PYTHON = [code for page in PAGES.values() for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]
REFERENCE = ROOT / "reports" / "reference"
sys.path.append(str(ROOT / "tests" / "benchmarks"))

import update_reference  # noqa: E402  (a script, not a package)


def block(marker: str) -> str:
    """The code block right after an HTML comment."""
    found = re.search(rf"<!-- {marker} -->\n```\n(.*?)\n```", README, re.DOTALL)
    assert found, marker
    return found[1]


def quoted() -> list[tuple[str, str, str]]:
    """Every page, what kind of part of which run it quotes, and how."""
    pattern = r"<!-- (answers|table|evidence) ([a-z0-9-]+) -->\n(.*?)<!-- /\1 \2 -->"
    return [(page, *parts) for page, text in PAGES.items() for parts in re.findall(pattern, text, re.DOTALL)]


@pytest.mark.parametrize("marker", ["main", "tests"])
def test_a_command_is_one_line_that_makes_its_own_environment(marker):
    command = block(marker)
    assert "\n" not in command
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -e ")


def test_every_shell_takes_the_extra():
    assert "'.[test]'" in block("tests")


def test_the_main_command_is_one_that_the_program_has(capsys):
    words = block("main").split(" .venv/bin/fbench ")[1].split()
    assert cli.run([*words, "--dry-run"]) == 0
    assert "4 cases of 11 rounds" in capsys.readouterr().out


def test_the_python_runs(capsys):
    [code] = [code for code in PYTHON if "bait_select" in code]
    exec(compile(code, "README.md", "exec"), {})
    assert "tensor(" in capsys.readouterr().out


def test_a_study_from_python_runs(tmp_path, monkeypatch):
    [code] = [code for code in PYTHON if "fbench.run(" in code]
    (tmp_path / "study.py").write_text(code)
    done = subprocess.run([sys.executable, "study.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "random" in done.stdout


def test_the_commands_of_a_growing_study_run(tmp_path, monkeypatch, showwarning):
    """As they stand in the table, on a study as small as can be."""
    tiny = ["--strategies", "random,bait", "--rounds", "1", "--seeds", "1", "--epochs", "1", "--pool", "100"]
    tiny += ["--test", "40", "--batch", "5", "--jobs", "1", "--figure-format", "svg"]
    commands = re.findall(
        r"`(fbench (?:compare --out study|compare --replicate|merge|show|runs)[^`]*)`", PAGES["fbench/runs/README.md"]
    )
    assert len(commands) == 7
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    finished(tmp_path / "study", "compare", *tiny)
    finished(tmp_path / "here", "compare", *tiny, "--seeds", "0..0")
    finished(tmp_path / "there", "compare", *tiny, "--seeds", "1..1")
    threads = torch.get_num_threads()
    for command in commands:
        assert cli.run(command.replace("--seeds 16", "--seeds 2").split()[1:]) == 0, command
        torch.set_num_threads(threads)


MACHINES = PAGES["fbench/harness/MACHINES.md"]


def test_the_commands_for_several_machines_are_real(tmp_path, monkeypatch, capsys):
    """Each is planned; where it needs a cluster or GPUs, as if they were there."""
    commands = re.findall(r"(?:^|`|  )(fbench compare .*?)`?(?= \||$)", MACHINES, re.MULTILINE)
    monkeypatch.setattr("fbench.harness.options.cluster_at", lambda address, here: Cluster(address, (Node(8, 2),)))
    monkeypatch.chdir(tmp_path)
    assert len(commands) == 7
    for command in commands:
        words = shlex.split(command.replace("--device cuda", "--device cpu"))
        assert cli.run([*words[1:], "--dry-run"]) == 0, command
        where = words[words.index("--address") + 1] if "--address" in words else ""
        told = "nothing was run" if "--executor" not in words else str(Cluster(where, (Node(8, 2),)))
        assert told in capsys.readouterr().out


def test_the_folders_of_two_machines_are_merged(tmp_path, monkeypatch, showwarning):
    commands = re.findall(r"^(fbench (?:compare --seeds|merge).*)$", MACHINES, re.MULTILINE)
    tiny = "--strategies random --rounds 1 --epochs 1 --pool 100 --test 40 --batch 5 --jobs 1 --figure-format svg"
    monkeypatch.chdir(tmp_path)
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command.replace("0..7", "0..0").replace("8..15", "1..1"))[1:]
        assert cli.run(words + shlex.split(tiny) * (words[0] == "compare")) == 0, command
    assert len(table(tmp_path / "both")) == 4
    assert len(table(tmp_path / "both", "machines")) == 2 * 2


def test_what_is_said_of_ray_is_what_ray_has():
    """Its commands, and their options."""
    commands = pytest.importorskip("ray.scripts.scripts").cli.commands
    lines = re.findall(r"\bray ([a-z-]+)((?: --[a-z-]+(?: [^ -][^ ]*)?)+)?", MACHINES.split("## A cluster of Ray")[1])
    begun = {option for parameter in commands["start"].params for option in parameter.opts}
    asked = [(name, set(re.findall("--[a-z-]+", options))) for name, options in lines if name in commands]
    assert {name for name, _ in asked} == {"start", "symmetric-run", "get-auth-token"}
    for name, options in asked:
        assert options <= {option for parameter in commands[name].params for option in parameter.opts} | begun


@pytest.mark.parametrize("script", re.findall(r"```bash\n(.*?)```", MACHINES, re.DOTALL))
def test_a_job_for_slurm_is_a_script(script):
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_torchrun_takes_its_words():
    from torch.distributed.run import get_args_parser

    commands = re.findall(r"torchrun ((?:[^`|\n]|\\\n)+)", MACHINES)
    for command in (command for command in commands if "fbench pick" in command):
        parsed = get_args_parser().parse_args(shlex.split(command.replace("\\\n", " ")))
        assert parsed.no_python
        assert (parsed.training_script, parsed.training_script_args[:2]) == ("fbench", ["pick", "pool.npz"])
    assert len(commands) >= 3


def test_the_query_of_a_classifier_runs(capsys):
    [code] = [code for code in PYTHON if "fbench.query" in code]
    exec(compile(code, "README.md", "exec"), {})
    lines = capsys.readouterr().out.replace("\n ", " ").splitlines()
    assert [len(re.findall(r"\d+", line)) for line in lines] == [10, 10]


FEW = {
    "compare": "--rounds 1 --seeds 1 --epochs 1 --batch 5 --jobs 1 --threads 1 --device cpu",
    "chunksize": "--candidates 40 --dim 20 --sizes 8,16 --max-time 60 --precision 1 --device cpu",
}
"""What makes the command of an example small."""
OWN = {code.split("--load mine.py", 1)[1].splitlines()[0].strip(): code for code in PYTHON if "for: fbench" in code}


@pytest.mark.parametrize("words", [words for words, code in OWN.items() if "@suite" not in code])
def test_what_is_ones_own_runs_as_its_first_line_says(words, tmp_path, registries, showwarning, capsys):
    """The suite's is run by ``tests/harness/test_suite.py``."""
    code = OWN[words]
    (tmp_path / "mine.py").write_text(code)
    [command] = re.findall(r"^# mine.py, for: fbench (\w+) --load", code)
    asked = [command, "--load", str(tmp_path / "mine.py"), *shlex.split(words), *FEW[command].split()]
    finished(tmp_path / "run", *asked)
    assert {row["status"] for row in table(tmp_path / "run")} == {"ok"}
    [name] = re.findall(r'^(?:@\w+|PRESETS.add\(Preset|KERNELS.add\(Kernel)\("(\w+)"', code, re.MULTILINE)
    shown = {"quick": "bait"}.get(name, name)  # of a preset a run shows its arms
    told = capsys.readouterr().out
    assert shown in told + (tmp_path / "run/summary.md").read_text()
    assert "another question" not in told


def test_every_registry_has_an_example():
    kinds = {word for code in OWN.values() for word in re.findall(r"^@(\w+)\(|^([A-Z]+)\.add", code, re.MULTILINE)}
    assert {decorator or values for decorator, values in kinds if decorator != "dataclass"} == {
        *("dataset", "model", "strategy", "suite", "KERNELS", "PRESETS"),
    }
    assert len(registry.REGISTRIES) == 6


FIELDS = re.findall(r"^### `(\w+)`\n\n((?:\|.*\n)+)", PAGES["fbench/harness/README.md"], re.MULTILINE)


def test_the_contracts_have_every_value():
    values = {"Dataset", "Images", "Records", "Model", "LearnerState", "Pool", "Acquisition", "Proposal", "Strategy"}
    values |= {"Sizes", "Effort", "Kernel", "Suite", "SharedData", "Case", "Context", "Unit", "Column", "Option"}
    values |= {"Summary", "Preset"}
    assert {name for name, _ in FIELDS} == values


@pytest.mark.parametrize(("name", "rows"), FIELDS, ids=[name for name, _ in FIELDS])
def test_a_contract_has_every_field(name, rows):
    """In order."""
    homes = (fbench.contract, fbench.registry, data, strategies)
    value = next(getattr(home, name) for home in homes if hasattr(home, name))
    told = re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)
    assert told == [field.name for field in dataclasses.fields(value)]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert target.startswith("http") or ((ROOT / page).parent / target).exists(), target


def test_every_suite_has_its_page():
    assert {f"suites/{suite.name}/README.md" for suite in registry.SUITES} <= PAGES.keys()


def test_the_readme_is_short():
    assert len(re.sub(r"<!-- (answers|table) (\S+) -->.*?<!-- /\1 \2 -->", "", README, flags=re.DOTALL).split()) < 900


def test_kept_predictions_are_read(tmp_path, monkeypatch, capsys, showwarning):
    [code] = [code for code in PYTHON if "load_predictions" in code]
    few = ["--strategies", "random", "--model", "linear", "--rounds", "1", "--seeds", "1", "--epochs", "1"]
    finished(tmp_path / "my-run", "compare", *few, "--jobs", "1", "--keep-predictions")
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert [line[:11] for line in capsys.readouterr().out.splitlines()] == ["random 0 0 ", "random 0 1 "]


def test_options_named_exist():
    known = {"--" + p.name.replace("_", "-") for suite in registry.SUITES for p in suite.parameters}
    known |= {"--" + name.replace("_", "-") for name in [*parameters.RUN_OPTIONS, *parameters.PICK_OPTIONS]} | {
        "--load",
        "--help",
        "--render",
        "--json",
        "--install-completion",
        *("--margin", "--format", "--strict", "--force", "--history"),  # of diff
        *("--benchmark-json", "--benchmark-only", "--benchmark-save"),  # of pytest-benchmark
    }
    known |= {name for names in parameters.SECOND_NAMES.values() for name in names}
    known |= {f"--{name}" for name in ("strict", "format", "force", "history", "memory", *GATE_OPTIONS)}
    known |= {f"--fbench-{name}" for name in ("strict", "memory", *GATE_OPTIONS)}  # of pytest, with fbench's plugin
    known |= {f"--benchmark-{word}" for word in ("only", "json", "save", "skip", "disable")}  # pytest-benchmark's
    known |= {f"--{word}" for word in ("head", "port", "min-nodes", "num-cpus")}  # of ray
    known |= {
        f"--{word}" for word in ("nodes", "ntasks-per-node", "cpus-per-task", "gpus-per-node", "time")
    }  # of Slurm
    known |= {f"--{word}" for word in ("nproc-per-node", "nnodes", "no-python", "rdzv-backend", "rdzv-endpoint")}
    for page, text in PAGES.items():
        assert set(re.findall(r"--[a-z][a-z-]+", text)) <= known, page


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def runs():
    return sorted(path.parent for path in REFERENCE.glob("*/results.csv"))


def test_the_reference_runs_are_there():
    assert {"compare-digits", "compare-cifar10-small"} <= {path.name for path in runs()}


@pytest.mark.parametrize("path", runs(), ids=lambda path: path.name)
def test_a_reference_run_is_whole(path):
    run = fbench.open_run(path)
    assert "ok" in set(run.results["status"]) <= {"ok", "skipped"}
    assert (path / "summary.md").read_text() == run.report.markdown
    names = {f"{figure}.{kind}" for figure in run.figures for kind in ("png", "svg")}
    assert {file.name for file in (path / "figures").iterdir()} == names
    for figure in run.figures:
        assert (path / "figures" / f"{figure}.png").stat().st_size > 10_000
        assert (path / "figures" / f"{figure}.svg").stat().st_size < 300_000


@pytest.mark.parametrize(("page", "kind", "name", "text"), quoted(), ids=lambda value: value.split("\n")[0][:30])
def test_a_page_says_what_the_reference_run_says(page, kind, name, text):
    """All that it answers, a table with where it was measured, all claims under a heading; never a choice of them."""
    assert text.strip("\n") == update_reference.quotes(fbench.open_run(REFERENCE / name).report)[kind]


def test_what_pages_quote():
    kinds = {(kind, name) for _, kind, name, _ in quoted()}
    assert {("answers", "compare-digits"), ("table", "compare-digits")} <= kinds
    for suite in ("compare", "chunksize", "memory", "drift", "select", "fisher"):
        assert any(kind == "answers" and name.startswith(suite) for kind, name in kinds), suite


def test_random_is_no_straw_man():
    """Random's final accuracy is at least logistic regression's on the same labels (committed beside the run)."""
    baseline = load(REFERENCE / "compare-digits" / "logistic_regression.json")
    assert baseline["random_final_accuracy"] >= baseline["logistic_regression_accuracy"]
