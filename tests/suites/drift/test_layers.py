"""Layers below their floors are counted after Holm, and named."""

from __future__ import annotations

from drift_rows import make_tables

from fbench.suites.drift.layers import layer_sentences
from fbench.suites.drift.rows import read_drift


def sentences_of(edit=lambda row: row, **more):
    tables = make_tables(**{"layers": 14, "rounds": 2, "fractions": (0.2,), "levels": (1.0, 1.0), **more})
    drift = read_drift({"results": [edit(dict(row)) for row in tables["results"]]})
    return layer_sentences(drift, drift.variants[0], 0.05)


def test_all_below():
    (text,) = sentences_of()
    assert text.startswith(
        "Layer by layer, 12 of 12 lie below both floors after Holm's correction for 12 layers. Retrain floor less "
        "previous runs from +0.1"
    )
    assert text.endswith(" 2 more have no overlap, kept whole by decree or not at all.")


def test_verdicts_that_differ_are_named():
    def no_drift(row):
        if row["layer"] in ("conv0.weight", "bn0.bias") and row["jaccard_previous"]:
            row["jaccard_previous"] = row["jaccard_retrain"] + 0.001 * (row["seed"] % 2)
        return row

    (text,) = sentences_of(no_drift)
    assert "10 of 12 lie below both floors after Holm's correction for 12 layers (bn0.weight, conv1.weight, " in text
    assert " and 2 more); at the floor, each by itself: 2 (conv0.weight and bn0.bias). Retrain" in text


def test_what_holm_takes_back_is_sentences_of():
    (text,) = sentences_of(seeds=2, noise=0.02)
    assert "; below by themselves, but not after the correction: " in text


def test_one_seed_one_layer_and_none():
    assert sentences_of(seeds=1)[0].startswith("Layer by layer nothing can be tested with one seed. Retrain floor")
    bare = sentences_of(lambda row: {**row, "jaccard_previous": None} if row["layer"] != "conv0.weight" else row)[0]
    assert bare.startswith("Layer by layer, 1 of 1 lie below both floors. Retrain floor less previous is +0.")
    assert "J in conv0.weight. 13 more" in bare
    assert sentences_of(rounds=0) == []


def test_without_retraining_there_is_one_floor():
    (text,) = sentences_of(retrain=None)
    assert "12 of 12 lie below the redraw floor after Holm's correction for 12 layers. Redraw floor less" in text
