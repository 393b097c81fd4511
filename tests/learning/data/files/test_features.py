"""Files of features: every format gives the same data set, and every mistake is one line that names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from fbench.errors import DataError, ForeignError, TooLargeError
from fbench.harness.guard import refuser
from fbench.learning.data import Images
from fbench.learning.data.brought import Brought
from fbench.learning.data.files import arrays, contents, matrices, stored
from fbench.learning.data.files.coding import coded
from fbench.learning.data.files.contents import contents_of
from fbench.learning.data.files.reading import read_brought
from fbench.stored_samples import StoredSamples

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(3.0, 2.0, (40, 5)) * np.array([1, 10, 1e4, 1, 0]) + np.array([0, 0, 1e6, 0, 7])
NAMES = np.array(["wasp", "ant", "bee"])[np.arange(40) % 3]
CODES = np.array([2, 0, 1])[np.arange(40) % 3]  # in sorted order: ant, bee, wasp
IDS = np.array([f"s{i}" for i in range(40)])
SITES = np.where(np.arange(40) % 2, "A", "B")
TEST = np.arange(40) >= 30


def standard(part: Any, of: Any = FEATURES) -> torch.Tensor:
    """Columns scaled by the mean and deviation of others, in float64; the constant one is only shifted."""
    deviation = of.std(0)
    deviation[4] = 1.0
    return torch.from_numpy((part - of.mean(0)) / deviation).float()


def read(path: Path, **more: Any) -> Images:
    return read_brought(Brought(features=str(path), **more))


def frame(**more: Any) -> pd.DataFrame:
    columns = {f"f{i}": FEATURES[:, i] for i in range(5)}
    return pd.DataFrame({"id": IDS, **columns, "target": NAMES, "site": SITES, **more})


def saved(path: Path) -> Path:
    """The same data in a file of the format that its name says."""
    if path.suffix == ".csv":
        frame().to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame().to_parquet(path)
    else:
        np.savez(path, features=FEATURES, targets=NAMES, ids=IDS, site=SITES)
    return path


@pytest.mark.filterwarnings("ignore:.*carried along as metadata")
@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.parquet"])
def test_every_format_gives_the_same(name: str, tmp_path: Path) -> None:
    images = read(saved(tmp_path / name))
    assert torch.allclose(images.images, standard(FEATURES), atol=1e-5)
    assert images.targets.tolist() == CODES.tolist()
    assert (images.classes, images.class_names) == (3, ("ant", "bee", "wasp"))
    assert images.records.of(7) == {"id": "s7", "metadata": json.dumps({"site": "A"})}
    assert images.test_images is None
    assert images.contents == contents_of(tmp_path / name)


def test_a_bare_array_takes_its_targets_from_another_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", FEATURES)
    np.save(tmp_path / "y.npy", CODES)
    images = read(tmp_path / "x.npy", targets=str(tmp_path / "y.npy"))
    assert torch.allclose(images.images, standard(FEATURES), atol=1e-5)
    assert (images.targets.tolist(), images.class_names) == (CODES.tolist(), ())
    assert images.contents == "+".join(contents_of(tmp_path / name) for name in ("x.npy", "y.npy"))
    np.savez(tmp_path / "y.npz", other=CODES, targets=NAMES)
    assert read(tmp_path / "x.npy", targets=str(tmp_path / "y.npz")).class_names == ("ant", "bee", "wasp")


def test_a_sparse_matrix_becomes_dense(tmp_path: Path) -> None:
    sparse = scipy.sparse.random_array((40, 6), density=0.3, rng=RNG, format="coo")
    scipy.sparse.save_npz(tmp_path / "x.npz", sparse)
    np.save(tmp_path / "y.npy", CODES)
    images = read(tmp_path / "x.npz", targets=str(tmp_path / "y.npy"), scale="none")
    assert torch.equal(images.images, torch.from_numpy(sparse.toarray()).float())


@pytest.mark.parametrize(
    ("part", "values", "match"),
    [
        ("indices", np.array([0, 4_000_000]), "is a damaged sparse matrix: indices must be < 6; save it again by"),
        ("data", np.ones(1), "is a damaged sparse matrix: indices and data should have the same size"),
        ("format", np.array(b"zzz"), "is a damaged sparse matrix: Unknown format"),
        ("data", np.array([1, "a"], dtype=object), "data holds Python objects, which are never unpickled"),
        (
            "data",
            np.array([1.0, np.nan]),
            r"features hold nan in row 1 \(rows count from 0\), column 3; drop or mend such rows",
        ),
    ],
)
def test_a_sparse_matrix_that_is_damaged_is_refused(part: str, values: Any, match: str, tmp_path: Path) -> None:
    """Before scipy reads beyond its arrays."""
    parts = {"format": np.array(b"csr"), "shape": np.array([2, 6]), "data": np.ones(2), "indptr": np.arange(3)}
    np.savez(tmp_path / "x.npz", **{**parts, "indices": np.array([1, 3]), part: values})
    np.save(tmp_path / "y.npy", np.arange(2))
    with pytest.raises(DataError, match=rf"x.npz: {match}"):
        read(tmp_path / "x.npz", targets=str(tmp_path / "y.npy"))


def test_a_sparse_matrix_is_read_by_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any of scipy's formats; at no time are more rows dense than are read together."""
    dense = np.random.default_rng(1).poisson(0.5, (50, 6))
    np.save(tmp_path / "y.npy", np.arange(50) % 2)
    monkeypatch.setattr(matrices, "_CHUNK", 8)
    largest: list[int] = []
    plain = matrices.dense_rows

    def watched(matrix: Any, rows: Any) -> Any:
        largest.append(len(part := plain(matrix, rows)))
        return part

    monkeypatch.setattr(matrices, "dense_rows", watched)
    for kind in ("csr", "csc", "coo", "bsr", "dia"):
        scipy.sparse.save_npz(tmp_path / "x.npz", scipy.sparse.coo_array(dense).asformat(kind))
        images = read(tmp_path / "x.npz", targets=str(tmp_path / "y.npy"), scale="none")
        assert torch.equal(images.images, torch.from_numpy(dense).float())
    assert max(largest) == 8


def test_a_test_part_is_scaled_as_the_other(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        features=FEATURES[~TEST],
        targets=NAMES[~TEST],
        test_features=FEATURES[TEST],
        test_targets=NAMES[TEST],
        ids=IDS[~TEST],
        test_ids=IDS[TEST],
    )
    frame(split=np.where(TEST, "test", "train")).drop(columns="site").to_csv(tmp_path / "a.csv", index=False)
    for images in (read(tmp_path / "a.npz"), read(tmp_path / "a.csv")):
        assert images.test_images is not None
        assert torch.allclose(images.images, standard(FEATURES[~TEST], FEATURES[~TEST]), atol=1e-5)
        assert torch.allclose(images.test_images, standard(FEATURES[TEST], FEATURES[~TEST]), atol=1e-5)
        assert images.test_targets is not None
        assert images.test_targets.tolist() == CODES[TEST].tolist()
        assert list(images.records.ids) == IDS[~TEST].tolist()
        assert list(images.test_records.ids) == IDS[TEST].tolist()


@pytest.mark.filterwarnings("ignore:.*carried along as metadata")
def test_columns_are_named(tmp_path: Path) -> None:
    frame(key=IDS[::-1], year=np.arange(40)).rename(columns={"target": "kind"}).to_csv(tmp_path / "a.csv", index=False)
    images = read(tmp_path / "a.csv", target_column="kind", id_column="key", metadata_columns=("year", "site"))
    assert images.images.shape == (40, 5)
    assert images.class_names == ("ant", "bee", "wasp")
    told = images.records.of(0)
    assert told["id"] == "s39"
    assert json.loads(str(told["metadata"])) == {"year": "0", "site": "B", "id": "s0"}
    np.savez(tmp_path / "a.npz", features=FEATURES, kind=NAMES, key=IDS)
    images = read(tmp_path / "a.npz", target_column="kind", id_column="key")
    assert (images.class_names, images.records.ids[0]) == (("ant", "bee", "wasp"), "s0")


def test_columns_of_text_are_told_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"a.csv: column holds texts and no features: site; carried along as metadata"):
        read(saved(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["1", "2", "three", "4"],
            "column 'a': 3 of 4 are numbers; line 4 is 'three'; mend it to make the column a feat",
        ),
        (["1", "", "three", "4"], "column 'a': 2 of 4 are numbers; line 4 is 'three'; mend it"),
        (["1", "two", "three", "4"], "column holds texts and no features: a; carried along as metadata"),
    ],
)
def test_a_column_that_a_cell_keeps_from_being_a_feature_is_told_of(
    cells: list[str], message: str, tmp_path: Path
) -> None:
    lines = [f"{cell},{row},{row % 2}" for row, cell in enumerate(cells)]
    (tmp_path / "a.csv").write_text("\n".join(["a,f,target", *lines]))
    with pytest.warns(UserWarning, match=f"a.csv: {message}") as told:
        assert read(tmp_path / "a.csv").images.shape == (4, 1)
    assert len(told) == 1


def test_commas_at_the_ends_of_lines_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("f,target\n1,a,\n2,b,\n")
    assert read(tmp_path / "a.csv", scale="none").images.tolist() == [[1.0], [2.0]]


def test_a_column_without_a_name_is_no_feature(tmp_path: Path) -> None:
    frame().drop(columns="site").to_csv(tmp_path / "a.csv")
    with pytest.warns(UserWarning, match=r"a.csv: a column without a name \(a saved index\?\) is left out; name it to"):
        assert read(tmp_path / "a.csv").images.shape == (40, 5)


def test_ids_of_several_samples_are_told_of(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=FEATURES, targets=CODES, ids=np.array(["p", "q"])[np.arange(40) % 2])
    message = (
        r"a.npz: 2 ids are of several samples, first 'p' of 20; the column index of selections.csv tells them apart"
    )
    with pytest.warns(UserWarning, match=message):
        read(tmp_path / "a.npz")


def test_arrays_that_fit_nothing_are_told_of(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=FEATURES, targets=CODES, logits=np.zeros((40, 3)))
    with pytest.warns(UserWarning, match=r"logits \[40, 3\] not read: metadata are arrays \[40\]"):
        assert read(tmp_path / "a.npz").records.metadata == {}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["a.npz", "x.npy", "sparse.npz", "packed.npz"])
def test_what_is_large_stays_in_the_file(
    name: str, order: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.array(FEATURES, order=order)
    np.savez(tmp_path / "a.npz", features=values, targets=CODES)
    np.savez_compressed(tmp_path / "packed.npz", features=values, targets=CODES)
    np.save(tmp_path / "x.npy", values)
    scipy.sparse.save_npz(tmp_path / "sparse.npz", scipy.sparse.csr_array(values))
    np.save(tmp_path / "y.npy", CODES)
    bare = {"targets": str(tmp_path / "y.npy")} if name in ("x.npy", "sparse.npz") else {}
    held = read(tmp_path / name, **bare)
    monkeypatch.setattr(stored, "HELD_BYTES", 100)
    kept = read(tmp_path / name, **bare)
    assert isinstance(kept.images, StoredSamples)
    assert not isinstance(held.images, StoredSamples)
    assert torch.equal(kept.images[:], held.images)
    assert torch.equal(kept.images[[9, 3]], held.images[[9, 3]])
    if name == "a.npz":
        assert isinstance(arrays.read_arrays(tmp_path / name)["features"], np.memmap)


def test_a_large_file_is_known_by_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "HELD_BYTES", 1000)
    monkeypatch.setattr(contents, "_PART", 10)
    path = tmp_path / "large"
    path.write_bytes(bytes(5000))
    before = contents_of(path)
    path.write_bytes(bytes(4999) + b"x")
    assert contents_of(path) != before
    path.write_bytes(bytes(5001))
    assert contents_of(path) != before


WHOLE = {"features": FEATURES, "targets": CODES}
BROKEN = np.where(np.arange(200).reshape(40, 5) == 33, np.nan, FEATURES)
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"features": FEATURES}, "has no targets; save them with the features, np.savez.* or their array by --target-col"),
    ({"targets": CODES}, r"has no array features \(it holds targets\); save np.savez\(path, features=…, targets=…\)"),
    ({**WHOLE, "targets": CODES[:30]}, "targets has 30 entries, features 40; give one a sample"),
    ({**WHOLE, "features": FEATURES[0]}, r"features have shape \[5\]; they must be \[n, h\], one row a sample"),
    ({**WHOLE, "features": FEATURES[:, :0]}, r"features have shape \[40, 0\]; they must be"),
    ({**WHOLE, "features": FEATURES.astype(str)}, "features are <U.*; they must be numbers"),
    (
        {**WHOLE, "features": BROKEN},
        r"features hold nan in row 6 \(rows count from 0\), column 3; drop or mend such rows",
    ),
    (
        {**WHOLE, "features": np.full((40, 5), 1e300)},
        r"features hold 1e\+300 in row 0 \(rows .* 0\), column 0; drop or mend",
    ),
    ({**WHOLE, "ids": IDS[:3]}, "ids has 3 entries, features 40; give one a sample"),
    ({**WHOLE, "test_features": FEATURES}, "has test_features or test_targets without the other; give both, or nei"),
    (
        {**WHOLE, "test_features": FEATURES[:, :4], "test_targets": CODES},
        "test_features have 4 columns, features 5; give both in the same columns",
    ),
    (
        {**WHOLE, "test_features": FEATURES[:2], "test_targets": CODES},
        "test_targets has 40 entries, test_features 2; give one a sample",
    ),
    (
        {**WHOLE, "test_features": FEATURES[:2], "test_targets": np.array([0, 5])},
        "test_targets have class '5', which no training sample is of; move some of it to the training part",
    ),
    (
        {"features": FEATURES, "targets": NAMES, "test_features": FEATURES[:3], "test_targets": np.array(list("xyz"))},
        "test_targets have class 'x' and 2 more, which no training",
    ),
    (
        {**WHOLE, "test_features": FEATURES[:2], "test_targets": np.array(["a", "b"])},
        "targets are int64, test_targets <U1; give both as numbers, or both as names",
    ),
    (
        {**WHOLE, "targets": CODES - 1},
        r"targets hold -1, first in row 1 \(rows count from 0\); classes are numbered from 0, and a sample",
    ),
    ({**WHOLE, "targets": CODES + 0.5}, r"targets hold 2.5 in row 0 \(rows .*\); classes are whole numbers or names"),
    ({**WHOLE, "targets": CODES * 1e300}, r"targets hold 2e\+300 in row 0 .*; classes are whole numbers or names"),
    ({**WHOLE, "targets": CODES * 1j}, "targets are complex128; classes are whole numbers or names"),
    (
        {**WHOLE, "targets": np.where(CODES == 1, np.nan, CODES)},
        r"targets are missing in 13 of 40 rows, first in row 2 \(rows count from 0\); leave these out",
    ),
    ({**WHOLE, "targets": np.where(CODES == 1, "", NAMES)}, "targets are missing in 13 of 40 rows"),
    ({**WHOLE, "targets": np.zeros(40, int)}, "targets hold one class, '0'; there must be at least 2"),
    ({**WHOLE, "targets": np.eye(3)[CODES]}, r"targets have shape \[40, 3\]; give one class a sample, .*argmax\(1\)"),
    ({**WHOLE, "targets": np.zeros((1, 2, 3))}, r"targets has 1 entries, features 40"),
    ({**WHOLE, "features": FEATURES.astype(object)}, r"features holds Python objects, .*features.astype\(float\)"),
    ({**WHOLE, "targets": CODES.astype(object)}, r"targets holds Python objects, which are never unpickled; .*astype"),
]


@pytest.mark.parametrize(("content", "match"), MISTAKES)
def test_arrays_that_cannot_be_are_refused(content: dict[str, Any], match: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", **content)
    with pytest.raises(DataError, match=rf"bad.npz: {match}"):
        checked(tmp_path / "bad.npz")


def checked(path: Path, **more: Any) -> Images:
    """Read and checked as a run does."""
    from fbench.learning.data_checks import check_brought

    brought = Brought(features=str(path), **more)
    return check_brought(brought, read_brought(brought))


@pytest.mark.parametrize(
    ("targets", "codes", "names"),
    [
        (CODES.astype(np.uint8), CODES, ()),
        (CODES.astype(float), CODES, ()),
        (CODES + 1, CODES, ("1", "2", "3")),
        (CODES * 100 + 10, CODES, ("10", "110", "210")),
        (CODES * 2, CODES * 2, ()),
        (CODES > 0, CODES > 0, ("False", "True")),
        (NAMES.astype("S"), CODES, ("ant", "bee", "wasp")),
    ],
)
def test_targets_of_any_kind(targets: Any, codes: Any, names: tuple[str, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=FEATURES, targets=targets)
    images = read(tmp_path / "a.npz")
    assert images.targets.tolist() == codes.astype(int).tolist()
    assert images.class_names == names
    assert images.classes == (len(names) or codes.max() + 1)


def test_numbers_in_a_table_are_classes(tmp_path: Path) -> None:
    frame(target=CODES).drop(columns="site").to_csv(tmp_path / "a.csv", index=False)
    images = read(tmp_path / "a.csv")
    assert (images.targets.tolist(), images.class_names) == (CODES.tolist(), ())


@pytest.mark.parametrize(("targets", "match"), [([], "targets are empty"), (3, r"targets have shape \[\]")])
def test_targets_that_are_none_or_one_are_refused(targets: Any, match: str) -> None:
    with pytest.raises(ForeignError, match=match):
        coded(refuser(len, "mine"), np.array(targets))


def test_a_thousand_classes(tmp_path: Path) -> None:
    targets = np.array([f"c{i:04}" for i in range(1000)] * 2)
    np.savez(tmp_path / "a.npz", features=np.zeros((2000, 2)), targets=targets)
    images = read(tmp_path / "a.npz")
    assert (images.classes, images.targets.tolist()) == (1000, [*range(1000)] * 2)


@pytest.mark.filterwarnings("ignore:.*carried along as metadata")
@pytest.mark.parametrize(
    ("text", "more", "match"),
    [
        ("", {}, "is empty; give a line of names, and below it one line a sample"),
        ('a,b\n1,2\n"3', {}, "a quoted text has no end; close its quotes"),
        ("f,target\n", {}, "has names of columns and no rows; give one row a sample"),
        ("f,target\n1,a\n\n2,b,c\n", {}, "line 4 has 3 cells, and the lines before it 2; mend it .a text that holds a"),
        ("f,target\n1,a,5\n2,b,6\n", {}, "line 2 has more cells than the 2 that the header names; name every column"),
        ("f;target\n1,5;a\n", {}, "its cells are separated by semicolons; save it with commas, and with points in num"),
        ("f\ttarget\n1\ta\n", {}, "its cells are separated by tabs; save it with commas"),
        ("f,f,target\n1,2,a\n", {}, "2 columns are called 'f'; rename all but one"),
        (
            "5.1,3.5,1\n4.9,3,0\n",
            {},
            "has no column 'target'. It has 5.1, 3.5, 1; its first line must name the columns",
        ),
        (
            "f,Target\n1,a\n",
            {},
            "has no column 'target'; did you mean 'Target'. It has f, Target; name one",
        ),
        ("f,target\n1,a\n", {"id_column": "key"}, "has no column 'key'. It has f, target; name one by --id-column"),
        ("f,target\n1,a\n", {"metadata_columns": ("year",)}, "has no column 'year'.*; name one by --metadata-columns"),
        (
            "f,target\nx,a\ny,b\n",
            {},
            "no column of numbers is left for the features; it has f, target; give some whose",
        ),
        ("f,target\n1,a\n2,\n", {}, "targets are missing in 1 of 2 rows, first in line 3; leave these out"),
        ("f,target\n1,a\n,b\n", {}, "features hold nan in line 3, column 'f'; drop or mend such rows"),
        (
            'note,f,target,split\n"two\nlines",1,a,train\n,2,b,train\n,3,b,test\n,,a,test\n',
            {},
            "test_features hold nan in line 6, column 'f'",
        ),
        ("f,target\n1,0\n2,1\n3,1.5\n", {}, "targets hold 1.5 in line 4; classes are whole numbers or names"),
        (
            "f,target,split\n1,a,train\n2,b,dev\n",
            {},
            "column split holds 'dev' in line 3; it must be train or test in every row",
        ),
        ("f,target,split\n1,a,test\n2,b,test\n", {}, "column split says test of every row; give both parts"),
    ],
)
def test_tables_that_cannot_be_are_refused(text: str, more: dict[str, Any], match: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=rf"bad.csv: {match}"):
        read(tmp_path / "bad.csv", **more)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"f,target\n\xff\xfe,1\n")
    with pytest.raises(
        DataError, match=r"bad.csv: is not in UTF-8 \(it holds the byte 0xff\); save it as UTF-8, as spread"
    ):
        read(tmp_path / "bad.csv")


def test_a_parquet_without_the_column_or_damaged_is_refused(tmp_path: Path) -> None:
    frame().drop(columns="target").to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"bad.parquet: has no column 'target'.* It has id, f0, .*; name one by --targ"):
        read(tmp_path / "bad.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"bad.parquet: is damaged, or no .parquet: "):
        read(tmp_path / "bad.parquet")


def test_a_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame().to_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"a .parquet needs pyarrow .*pip install 'fbench\[data\]', or save a .csv"):
        read(tmp_path / "a.parquet")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.npz: no such file"):
        read(tmp_path / "nowhere.npz")
    with pytest.raises(DataError, match=r"--features .*a.pkl: must end in .npz, .npy, .csv, .parquet"):
        read(tmp_path / "a.pkl")
    np.save(tmp_path / "o.npy", np.array([[1, "a"]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"o.npy: the array holds Python objects, which are never unpickled"):
        read(tmp_path / "o.npy")
    for name, match in (("target_column", "--target-column"), ("id_column", "--id-column")):
        with pytest.raises(DataError, match=rf"a.npz: has no array 'x' \(it holds features, .*\); name one by {match}"):
            read(saved(tmp_path / "a.npz"), **{name: "x"})


def test_targets_of_another_file_that_cannot_be_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "y.npz", one=CODES, two=CODES)
    with pytest.raises(DataError, match=r"y.npz: holds one, two; name one array targets"):
        read(saved(tmp_path / "a.npz"), targets=str(tmp_path / "y.npz"))
    for values, match in (
        (CODES - 1, "targets hold -1, first in row 1"),
        (CODES[:3], "targets has 3 entries, features of"),
    ):
        np.save(tmp_path / "y.npy", values)
        with pytest.raises(DataError, match=rf"^--targets .*y.npy: {match}"):
            read(saved(tmp_path / "a.npz"), targets=str(tmp_path / "y.npy"))
    with pytest.raises(DataError, match=r"--targets .*y.csv: must end in .npy or .npz; save the classes by np.save"):
        read(saved(tmp_path / "a.npz"), targets=str(tmp_path / "y.csv"))
    np.savez(tmp_path / "b.npz", **WHOLE, test_features=FEATURES, test_targets=CODES)
    with pytest.raises(DataError, match=r"--targets .*y.npz: .*b.npz has a test part, and so needs targets of its own"):
        read(tmp_path / "b.npz", targets=str(tmp_path / "y.npz"))


def test_arrays_that_memory_cannot_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fbench.array_headers.free_bytes", lambda: 1000)
    with pytest.raises(TooLargeError, match=r"a.npz: features \[40, 5\] of float64.* would take .*, and 1000 B are"):
        read(saved(tmp_path / "a.npz"))
