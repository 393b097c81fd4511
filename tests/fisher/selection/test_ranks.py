"""Ranks that are processes: gloo's messages, and what is said where one of them dies."""

from __future__ import annotations

import json
import textwrap

import pytest
import torch
from rank_processes import run_ranks

import fbench
from fbench.errors import InputError

SELECT = """
    import json, os, sys
    import torch, torch.distributed
    import fbench

    g = torch.Generator().manual_seed(5)
    logits, features = torch.randn(90, 4, generator=g).double(), torch.randn(90, 6, generator=g).double()
    whole = fbench.last_layer_embedding(logits, features)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    edges = [0, 20, 20, 90]
    pool = fbench.sharded_pool(whole[edges[rank] : edges[rank + 1]])
    told = {}

    def progress(phase, done, total):
        if sys.argv[1:] == ["die"] and (rank, phase, done) == (2, "forward", 3):
            os._exit(9)

    try:
        for method in ("incremental", "diagonal"):
            how = {"labelled": [0, 30, 31], "method": method, "regularisation": 0.1, "progress": progress}
            chosen, alone = fbench.bait_select(pool, 6, **how), fbench.bait_select(whole, 6, **how)
            told[method] = [chosen.forward.tolist() == alone.forward.tolist(), chosen.indices.tolist()]
            assert chosen.indices.tolist() == alone.indices.tolist()
        print(json.dumps(told))
    except fbench.errors.LostRankError as error:
        print(error)
        sys.exit(error.exit_code)
    finally:  # torch may abort a process that ends with its group
        torch.distributed.destroy_process_group()
"""


def test_processes_pick_as_one(tmp_path):
    (tmp_path / "chosen.py").write_text(textwrap.dedent(SELECT))
    ended = run_ranks(["chosen.py"], 3, tmp_path)
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    first, *others = [json.loads(said) for _, said, _ in ended]
    assert all(other == first for other in others)
    assert all(same for same, _ in first.values())


def test_the_others_end_when_a_rank_dies_in_the_middle(tmp_path):
    (tmp_path / "chosen.py").write_text(textwrap.dedent(SELECT))
    first, second, dead = run_ranks(["chosen.py", "die"], 3, tmp_path, seconds=60)
    assert dead[0] == 9
    for rank, (code, said, _) in enumerate((first, second)):
        assert code == 4
        assert said.startswith(
            f"rank {rank} of 3: another rank has ended or does not answer, and the selection with it; its own last "
            "words say why ("
        )


def test_without_a_group():
    V = fbench.dense_embedding(torch.ones(3, 1, 2))
    with pytest.raises(InputError, match=r"^no process group: start by torchrun, and call torch"):
        fbench.sharded_pool(V)
