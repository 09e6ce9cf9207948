"""Archives of arrays from strangers: refused by name, at no more cost than their headers."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from colorizer.models import arrays
from colorizer.models.arrays import WeightsError, read_arrays, read_shapes

GOOD = np.arange(6.0, dtype=np.float32).reshape(2, 3)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(shape, descr="<f4"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def write(path, *members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def refused(path, words, read=read_shapes):
    with pytest.raises(WeightsError, match=words) as caught:
        read(path)
    message = str(caught.value)
    return message.isprintable() and str(path) in message and len(message) < len(str(path)) + 350


def test_arrays_of_any_float_type_and_order_are_read_as_float32(tmp_path):
    given = {"a/b": GOOD, "half": GOOD.astype(np.float16), "double": GOOD.astype(">f8"),
             "columns": np.asfortranarray(GOOD), "scalar": np.float32(3), "none": np.zeros((0, 2))}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "w.npz", **given)
        assert read_shapes(tmp_path / "w.npz") == {
            name: np.shape(array) for name, array in given.items()}
        for name, array in read_arrays(tmp_path / "w.npz").items():
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, given[name])
    assert list(read_arrays(tmp_path / "w.npz", {"half", "absent"})) == ["half"]


@pytest.mark.parametrize("name, content, words", [
    ("x.npy", b"hello", "x.npy: .*magic"), ("x", npy(GOOD), "x is not"), ("x/", b"", "x/ is not"),
    ("good.npy", npy(GOOD), "different names.*good.npy"), ("x.npy", npy(GOOD)[:-1], "x.npy"),
    ("x.npy", npy(GOOD) + b"1", "x.npy: 153 bytes are not those"),
    ("x.npy", header((10**400,)), "x.npy"), ("x.npy", header((-2, -3)) + bytes(24), "x.npy"),
    ("x.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "x.npy: not of version"),
    ("x.npy", b"\x93NUMPY\x01\x00\x28\x23" + b"(" * 9000, "x.npy"),
    ("a\n\x1b[31m" * 999 + ".npy", b"", r"a\\n\\x1b\[31ma"),
    *(("x.npy", npy(array), "finite floats.*x.npy is not, but")
      for array in (np.zeros(2, int), np.array("text"), np.zeros(2, "f4,f4"), np.zeros(2, ">c8"))),
], ids=lambda value: repr(value[:20]))
# NumPy warns of strange headers, and zipfile of a name that is there twice.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_member_that_is_no_array_is_refused_by_name(tmp_path, name, content, words):
    path = write(tmp_path / "w.npz", ("good.npy", npy(GOOD)), (name, content))
    assert refused(path, words, read_arrays)


@pytest.mark.parametrize("array", [
    np.full(3, np.nan, np.float16), np.full(3, -np.inf), np.full(3, 1e300)], ids=str)
def test_numbers_that_are_not_finite_as_float32_are_refused_by_name(tmp_path, array):
    path = write(tmp_path / "w.npz", ("good.npy", npy(GOOD)), ("x.npy", npy(array)))
    assert refused(path, "finite floats.*x is not", read_arrays)


def test_many_members_and_other_compressions_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "w.npz", ("x.npy", npy(GOOD)), compression=zipfile.ZIP_LZMA)
    assert refused(path, "x.npy is not")
    monkeypatch.setattr(arrays, "MAX_ARRAYS", 3)
    write(path, *((f"{number}.npy", b"") for number in range(4)))
    assert refused(path, "at most 3 arrays, not 4")


def test_a_bomb_costs_no_more_than_its_headers(tmp_path):
    noise = ("noise.npy", npy(np.random.default_rng(0).random(2**17, np.float32)))
    zeros = header((2**24,)) + bytes(2**26)
    deflated = zipfile.ZIP_DEFLATED
    bomb = write(tmp_path / "bomb.npz", ("zeros.npy", zeros), compression=deflated)
    mild = write(tmp_path / "mild.npz", noise, ("zeros.npy", zeros[:2**22]), compression=deflated)
    zeros = header((2**20,)) + bytes(2**22)
    sound = write(tmp_path / "sound.npz", noise, ("zeros.npy", zeros), compression=deflated)
    del zeros
    tracemalloc.start()
    try:
        assert refused(bomb, "over 20 times")
        assert refused(mild, "zeros.npy: .* bytes are not those")  # it says 64 MB and holds 4
        assert read_shapes(sound) == {"noise": (2**17,), "zeros": (2**20,)}
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
