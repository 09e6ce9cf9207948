"""Folders of runs, as training leaves them, without training."""

import json

import numpy as np

from colorizer.config import TrainConfig
from colorizer.files import sha256
from colorizer.models import weights


def write_checkpoint(run, arrays, config, step=5):
    """Adds a checkpoint with these arrays to the folder of a run; returns the checkpoint."""
    folder = run / weights.CHECKPOINTS / f"{weights.CHECKPOINT_PREFIX}{step:08d}"
    folder.mkdir(parents=True)
    weights.save_arrays(arrays, folder / weights.WEIGHTS_FILE)
    manifest = {"step": step, "loop": {}, "config": json.loads(config.to_json()),
                "sha256": {weights.WEIGHTS_FILE: sha256(folder / weights.WEIGHTS_FILE)}}
    manifest["manifest_sha256"] = weights.manifest_digest(manifest)
    (folder / weights.MANIFEST).write_text(json.dumps(manifest))
    (run / "config.json").write_text(config.to_json())
    return folder


def colorful_generator(config, spread=0.3):
    """An untrained generator that paints vividly: the usual zeros of its last layer would not."""
    from colorizer import models  # with TensorFlow, which some tests do without

    generator = models.generator_from_config(config, fixed_size=False)
    rng = np.random.default_rng(0)
    for variable in generator.weights:
        if variable.path.startswith("ab"):
            variable.assign(rng.normal(0.0, spread, variable.shape))
    return generator


def tiny_config(**settings):
    return TrainConfig().replace(
        **{"dataset": "sample", "image_size": 32, "base_channels": 2, "batch_size": 8, **settings})


def write_run(folder, **settings):
    """Makes the folder of an untrained run that paints vividly."""
    config = tiny_config(**settings)
    generator = colorful_generator(config)
    write_checkpoint(
        folder, {variable.path: variable.numpy() for variable in generator.weights}, config)
    return folder
