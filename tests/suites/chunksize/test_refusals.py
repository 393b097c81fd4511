"""What ``fbench chunksize`` refuses: one line that names the value, exit code 2, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command import Ended
from fake_nvml import CARDS, torch_card

from fbench import cli
from fbench.measure import devices
from fbench.measure.devices import Gpus


@pytest.fixture
def fbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], showwarning: None
) -> Callable[..., Ended]:
    """Run ``fbench chunksize`` in this process, in an empty folder that stays so."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ended:
        code = cli.run(["chunksize", *words])
        assert list(tmp_path.iterdir()) == []
        return Ended(code, *capsys.readouterr())

    return run


def line_of(ended: Ended) -> str:
    """The one line of a refusal; the lines below it show what was typed and a caret under the fault."""
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    assert "internal error" not in ended.err
    assert ended.err.endswith("\n")
    line, *shown = ended.err.splitlines()
    assert line.startswith("fbench: ")
    assert len(shown) in (0, 2)
    return line


SWEEPS = [
    # The bar stands before the fault, where the caret must point.
    ("|4096..64", "the range runs down from 4096 to 64; write 64..4096"),
    ("1,|5..3", "the range runs down from 5 to 3; write 3..5"),
    ("|0", "0 is too small; a value is at least 1"),
    ("|0..64", "0 is too small"),
    ("64,|0", "0 is too small"),
    ("|-64", "'-' does not begin a value"),
    ("64..|-128", "'-' does not begin a value"),
    ("64|.5", "a value is a whole number"),
    ("64|.0", "a value is a whole number"),
    ("|.5", "'.' does not begin a value"),
    ("1|e3", "unknown suffix 'e'"),
    ("64,|,128", "a value is missing here"),
    ("64, |,128", "a value is missing here"),
    ("|,64", "a value is missing here"),
    ("64,|", "a value is missing here"),
    ("64..|", "a value is missing here"),
    ("|..64", "'.' does not begin a value"),
    ("64..|.128", "'.' does not begin a value"),
    ("64|.128", "write a range as A..B"),
    ("64..128|..256", "write a range as A..B"),
    ("64|-128", "a range is written A..B, not A-B"),
    ("64| 128", "a space inside an item"),
    ("64| ..128", "a space inside an item"),
    ("64..| 128", "a space inside an item"),
    ("64..128| :x2", "a space inside an item"),
    ("64| Ki", "a space inside an item"),
    ("64..128:x|1", "1 is too small; a factor is at least 2"),
    ("64..128:x|0", "0 is too small; a factor is at least 2"),
    ("64..128:x|-2", "'-' does not begin a factor"),
    ("64..128:x|", "a factor is missing here"),
    ("64..128:x|2^64", "a factor must be less than 2^63"),
    ("64..128:+|0", "0 is too small; a step is at least 1"),
    ("64..128:+|-64", "'-' does not begin a step"),
    ("64..128:+|", "a step is missing here"),
    ("64..128:+1|.5", "a value is a whole number"),
    ("64..128:|", "a step is xF (times F) or +S (plus S)"),
    ("64..128:|2", "a step is xF (times F) or +S (plus S)"),
    ("64..128:|X2", "a step is xF (times F) or +S (plus S)"),
    ("64..128:| x2", "a step is xF (times F) or +S (plus S)"),
    ("64|:x2", "a step needs a range before it"),
    ("64..128:x2|:+1", "only one step"),
    ("64|KB", "unknown suffix 'K'; write Ki (× 1,024) or Mi (× 1,048,576)"),
    ("64|k", "unknown suffix 'k'"),
    ("64|Gi", "unknown suffix 'G'"),
    ("|Ki", "'K' does not begin a value"),
    ("3|^4", "only powers of two are written with ^"),
    ("2|^", "write 2^k with k a whole number"),
    ("2|**-1", "write 2**k with k a whole number"),
    ("|2^64", "2^64 is too large; a value must be less than 2^63"),
    ("|2**63", "2**63 is too large"),
    ("64..|18446744073709551616", "18446744073709551616 is too large"),
    ("|8796093022208Mi", "8796093022208Mi is too large"),
    ("|1..1001:+1", "more than 1,000 values in all; take a larger step"),
    ("|1..2^62:+1", "more than 1,000 values in all"),
    ("1..900:+1,|1001..1901:+2", "more than 1,000 values in all"),
    ("|٦٤", "'٦' is not one of the digits 0 to 9"),
    ("64..|１２８", "'１' is not one of the digits 0 to 9"),
    ("|²", "'²' is not one of the digits 0 to 9"),
    ("64|_000", "unexpected '_'"),
    ("64|;128", "unexpected ';'"),
    ("64|–128", "unexpected '–'"),
    ("|all", "'a' does not begin a value"),
    ("|nan", "'n' does not begin a value"),
]


@pytest.mark.parametrize(("marked", "rule"), SWEEPS, ids=[marked.replace("|", "") for marked, _ in SWEEPS])
def test_a_faulty_range_is_one_line_and_a_caret(marked: str, rule: str, fbench: Callable[..., Ended]) -> None:
    typed = marked.replace("|", "")
    ended = fbench("--sizes", typed, "--device", "cpu")
    assert rule in line_of(ended)
    assert ended.err.splitlines()[1:] == [f"    {typed}", f"    {' ' * marked.index('|')}^"]


# What is wrong with a device, and on how many GPUs: 0, 2, or both alike.
DEVICES = [
    ("--device", "gpu", "unknown device 'gpu'; write auto, cpu, cuda, cuda:1 or cuda:0,cuda:1", (0, 2)),
    ("--device", "CPU", "unknown device 'CPU'", (0, 2)),
    ("--device", "tpu", "unknown device 'tpu'", (0, 2)),
    ("--device", "0", "unknown device '0'", (0, 2)),
    ("--device", "-1", "unknown device '-1'", (0, 2)),
    ("--device", "all", "unknown device 'all'", (0, 2)),
    ("--device", "auto,cpu", "auto chooses by itself", (0, 2)),
    ("--device", "cpu:0", "unknown device 'cpu:0'", (0, 2)),
    ("--device", "cpu+cpu", "unknown device 'cpu+cpu'", (0, 2)),
    ("--device", "cuda:", "unknown device 'cuda:'", (0, 2)),
    ("--device", "cuda:-1", "unknown device 'cuda:-1'", (0, 2)),
    ("--device", "cuda:0..1", "unknown device 'cuda:0..1'", (0, 2)),
    ("--device", "cuda:0 cuda:1", "unknown device 'cuda:0 cuda:1'", (0, 2)),
    ("--device", "cuda:٠", "unknown device 'cuda:٠'", (0, 2)),
    ("--device", "cuda:99999999", "unknown device 'cuda:99999999'", (0, 2)),
    ("--device", "cpu,cuda", "--device cpu,cuda mixes CPU and GPU", (0, 2)),
    ("--device", "cuda:0,cpu", "--device cuda:0,cpu mixes CPU and GPU", (0, 2)),
    ("--device", "cpu,", "a device is missing here", (0, 2)),
    ("--device", "cuda:0,,cuda:1", "a device is missing here", (0, 2)),
    ("--device", "cuda", "--device cuda: no CUDA device here", (0,)),
    ("--device", "cuda:99", "--device cuda:99: no CUDA device here", (0,)),
    ("--device", "cuda:99", "cuda:99 is none of the 2 GPUs this process sees", (2,)),
    ("--device", "cuda:0,cuda:2", "cuda:2 is none of the 2 GPUs", (2,)),
    ("--device", "cuda,cuda:0", "--device cuda,cuda:0 names cuda:0 twice", (2,)),
    ("--gpus", "-1", "--gpus '-1' names no GPU; write 0,1 or 0..3, all (alone), or a UUID, GPU-…", (0, 2)),
    ("--gpus", "cuda:0", "--gpus 'cuda:0' names no GPU", (0, 2)),
    ("--gpus", "all,0", "--gpus 'all' names no GPU", (0, 2)),
    ("--gpus", "ALL", "--gpus 'ALL' names no GPU", (0, 2)),
    ("--gpus", "0..", "--gpus '0..' names no GPU", (0, 2)),
    ("--gpus", "0..1..2", "--gpus '0..1..2' names no GPU", (0, 2)),
    ("--gpus", "0..1:+1", "--gpus '0..1:+1' names no GPU", (0, 2)),
    ("--gpus", "0-1", "--gpus '0-1' names no GPU", (0, 2)),
    ("--gpus", "0 1", "--gpus '0 1' names no GPU", (0, 2)),
    ("--gpus", "0.5", "--gpus '0.5' names no GPU", (0, 2)),
    ("--gpus", "٠", "--gpus '٠' names no GPU", (0, 2)),
    ("--gpus", "GPU-", "--gpus 'GPU-' names no GPU", (0, 2)),
    ("--gpus", "GPU-xyz", "--gpus 'GPU-xyz' names no GPU", (0, 2)),
    ("--gpus", "0,,1", "a GPU is missing here", (0, 2)),
    ("--gpus", "0,", "a GPU is missing here", (0, 2)),
    ("--gpus", "0", "--gpus 0: no CUDA device here", (0,)),
    ("--gpus", "all", "--gpus all: no CUDA device here", (0,)),
    ("--gpus", "GPU-aaaa", "--gpus GPU-aaaa: no CUDA device here", (0,)),
    ("--gpus", "3..0", "--gpus 3..0 runs down; write 0..3", (2,)),
    ("--gpus", "99", "cuda:99 is none of the 2 GPUs", (2,)),
    ("--gpus", "0..3", "cuda:3 is none of the 2 GPUs", (2,)),
    ("--gpus", "0..1,1", "--gpus 0..1,1 names cuda:1 twice", (2,)),
    ("--gpus", "GPU-ffff", "GPU-ffff is none of the 2 GPUs", (2,)),
]


@pytest.mark.parametrize(
    ("option", "typed", "message", "count"),
    [pytest.param(*words, n, id=f"{words[0]} {words[1]} on {n}") for *words, counts in DEVICES for n in counts],
)
def test_a_faulty_device_is_one_line(
    option: str, typed: str, message: str, count: int, fbench: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(CARDS) == 2
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(count, torch_card))
    ended = fbench(option, typed)
    assert message in line_of(ended)
    assert ended.err.splitlines()[1:2] in ([], [f"    {typed}"])


def test_devices_by_both_options(fbench: Callable[..., Ended]) -> None:
    line = line_of(fbench("--device", "cpu", "--gpus", "0"))
    assert "--device cpu and --gpus 0 both name devices; give one of them" in line


OPTIONS = [
    ("--sizes", "auto,64", "'a' does not begin a value"),
    ("--single", "64..1", "the range runs down from 64 to 1; write 1..64"),
    ("--single", "1..5000:+1", "more than 1,000 values in all"),
    ("--candidates", "0", "0 is too small; a value is at least 1"),
    ("--candidates", "-100", "'-' does not begin a value"),
    ("--candidates", "many", "'m' does not begin a value"),
    ("--candidates", "2^70", "2^70 is too large"),
    ("--classes", "1", "--classes 1: must be at least 2"),
    ("--classes", "10,1", "--classes 1: must be at least 2"),
    ("--classes", "0", "0 is too small"),
    ("--classes", "ten", "'t' does not begin a value"),
    ("--dim", "0", "0 is too small"),
    ("--dim", "1280.0", "a value is a whole number"),
    ("--dim", "320..", "a value is missing here"),
    ("--dtype", "float16", "--dtype float16: must be float32 or float64, or both as float32,float64"),
    ("--dtype", "float32,float32", "dtype 'float32' stands twice"),
    ("--dtype", "float32,", "a dtype is missing here"),
    ("--precision", "0", "--precision 0: must be above 0"),
    ("--precision", "-0.05", "--precision -0.05: must be above 0"),
    ("--precision", "nan", "--precision nan: must be a finite number"),
    ("--precision", "5%", "--precision 5%: must be a number"),
    ("--max-time", "0", "--max-time 0: must be above 0"),
    ("--max-time", "-1", "--max-time -1: must be above 0"),
    ("--max-time", "inf", "--max-time inf: must be a finite number"),
    ("--max-time", "2min", "--max-time 2min: must be a number"),
    ("--memory-budget", "abc", "'abc' is not a size; write a number and a unit"),
    ("--memory-budget", "-8GB", "'-8GB' is not a size"),
    ("--memory-budget", "0", "--memory-budget: '0' is out of range; write a size from 1 byte"),
    ("--memory-budget", "8EiB", "'8EiB' is not a size"),
    ("--kernels", "nosuch", "unknown kernel 'nosuch'. Known: "),
    ("--kernels", "fusd", "unknown kernel 'fusd'; did you mean 'fused'?"),
    ("--kernels", "Fused", "unknown kernel 'Fused'; did you mean 'fused'?"),
    ("--kernels", "published:no-iner", "unknown kernel 'published:no-iner'; did you mean 'published:no-inner'?"),
    ("--kernels", "fused:no-inner:no-inner", "unknown kernel 'fused:no-inner:no-inner'"),
    ("--kernels", ":no-inner", "unknown kernel ':no-inner'"),
    ("--kernels", "fused,fused", "kernel 'fused' stands twice; name each once"),
    ("--kernels", "fused,,published", "a kernel is missing here"),
    ("--kernels", "fused,", "a kernel is missing here"),
    ("--seed", "-1", "--seed -1: must be at least 0"),
    ("--seed", "1.5", "--seed 1.5: must be a whole number"),
    ("--threads", "two", "--threads two: must be a whole number"),
    ("--jobs", "2", "--jobs 2: cases of `fbench chunksize` on cpu run one at a time"),
    ("--preset", "nosuch", "unknown preset 'nosuch'"),
    ("--chunk-size", "64", "No such option: --chunk-size"),
]


@pytest.mark.parametrize(
    ("option", "typed", "message"), OPTIONS, ids=[f"{option} {typed}" for option, typed, _ in OPTIONS]
)
def test_another_faulty_value_is_one_line(option: str, typed: str, message: str, fbench: Callable[..., Ended]) -> None:
    ended = fbench(option, typed, "--device", "cpu")
    assert message in line_of(ended)
    assert ended.err.splitlines()[1:2] in ([], [f"    {typed}"])


def test_fewer_candidates_than_devices(fbench: Callable[..., Ended]) -> None:
    line = line_of(fbench("--candidates", "1", "--device", "cpu,cpu"))
    assert "--candidates 1: must be at least 1 for each of the 2 devices" in line
