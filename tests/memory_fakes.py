"""Readers for the sampler's process, to which only what a module names can go; and a torch.cuda that keeps accounts."""

import os
import signal
import sys
import time

from fbench.measure.memory import server
from fbench.measure.memory.readers import ReaderFault
from fbench.measure.memory.sampler import Sampler

MIB = 1 << 20
HEAVY = {"torch", "numpy", "pandas", "scipy", "matplotlib", "typer", "rich", "multiprocessing"}


class ScriptedReader:
    """Does what a script says, a step a reading; the last one repeats.

    A step is a dictionary of bytes by quantity, the text of a fault, or "die", which kills the process that reads.
    """

    least_period_s = 0.0

    def __init__(self, steps, source="scripted", scope="process"):
        self.source, self.scope = source, scope
        self._steps, self._at = list(steps), 0

    def read(self):
        step = self._steps[self._at]
        self._at = min(self._at + 1, len(self._steps) - 1)
        if step == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if isinstance(step, str):
            raise ReaderFault(step)
        return step

    def close(self):
        pass


class Odd(ScriptedReader):
    """Does one thing at each reading that readers should not do, and then reads 7 bytes."""

    def __init__(self, deed):
        super().__init__([{"used": 7}])
        self._deed = deed

    def read(self):
        self._deed()
        return super().read()


class Telling(ScriptedReader):
    """Leaves a file behind before its first fault, which is told only after."""

    def __init__(self, steps, path):
        super().__init__(steps)
        self._path = path

    def read(self):
        try:
            return super().read()
        except ReaderFault:
            self._path.touch()
            raise


def names_heavy_modules():
    raise ReaderFault(f"imported: {sorted(HEAVY & set(sys.modules))}")


def exits():
    os._exit(3)


def hangs():
    time.sleep(60)


def prints():
    print("a library speaks", flush=True)
    os.write(1, b"a library in C speaks\n")


def is_wrong():
    raise KeyError("a slip\nin a reader")


def cannot_be_made():
    raise ReaderFault("no such thing here")


def in_short_stages():
    """A reader in a process whose stages are of four samples."""
    server.STAGE = 4
    return ScriptedReader([{"used": 7}])


def sleeper(least_period_s):
    """A reader that does not want to be asked often."""
    reader = ScriptedReader([{"used": 7}])
    reader.least_period_s = least_period_s
    return reader


def sample_once(connection):
    """A sampler's numbers, from whatever process this is called in."""
    sampler = Sampler(in_short_stages)
    sampler.start()
    found = sampler.stop()
    sampler.close()
    connection.send((list(found.values["used"]), found.fault))


class FakeCuda:
    """``torch.cuda`` as far as memory goes, for every device the same; reserved is in whole MiB and kept back."""

    def __init__(self):
        self.now = dict.fromkeys(("allocated", "reserved", "requested"), 0)
        self.peak = dict(self.now)
        self.calls = []
        self.error = None

    def take(self, count):
        """Tensors of so many bytes, or with a negative number their end."""
        self.now["requested"] += count
        self.now["allocated"] = -(-self.now["requested"] // 512) * 512
        self.now["reserved"] = max(self.now["reserved"], -(-self.now["allocated"] // MIB) * MIB)
        self.peak = {name: max(self.peak[name], value) for name, value in self.now.items()}

    def memory_stats(self, device):
        self.calls.append(f"stats {device}")
        if self.error is not None:
            raise self.error
        marks = {"current": self.now, "peak": self.peak}
        return {f"{name}_bytes.all.{which}": mark[name] for which, mark in marks.items() for name in mark}

    def reset_peak_memory_stats(self, device):
        self.calls.append(f"reset {device}")
        self.peak = dict(self.now)

    def synchronize(self, device):
        self.calls.append(f"synchronize {device}")

    def empty_cache(self):
        self.calls.append("empty_cache")
        self.now["reserved"] = -(-self.now["allocated"] // MIB) * MIB
