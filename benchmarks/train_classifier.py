"""Trains the CIFAR-10 classifier of the content loss: `python benchmarks/train_classifier.py`.

Writes colorizer/weights/cifar10_classifier.npz (float16) and beside it, as JSON, the recipe, the
accuracy of the rounded weights on the 10,000 test pictures, and the file's SHA-256.
"""

import hashlib
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags

from colorizer import cli as flags_lib

BATCH = 128
PEAK_RATE = 4e-3
WARMUP = 0.2  # share of the steps
WEIGHT_DECAY = 5e-3
CROP_MARGIN = 3  # pixels


def main(argv):
    values = flags.FlagValues()
    flags_lib.define("data_dir", None, "str", "where TensorFlow Datasets keeps its data", "Data",
                     values)
    flags_lib.define("epochs", 8, "int", "passes over the training pictures", "Training", values)
    flags_lib.define("seed", 0, "int", "of weights, order, flips and crops", "Training", values)
    flags_lib.define("output", None, "str", "the .npz to write (default: the package's own)",
                     "Training", values)
    flags_lib.parse(argv, values, __doc__)

    import tensorflow_datasets as tfds

    from colorizer.models import classifier

    train, test = (
        tfds.as_numpy(tfds.load("cifar10", split=split, data_dir=values.data_dir, batch_size=-1,
                                as_supervised=True)) for split in ("train", "test"))
    begin = time.perf_counter()
    model = train_model(*train, values.epochs, values.seed)
    seconds = time.perf_counter() - begin
    output = pathlib.Path(values.output or classifier.WEIGHTS)
    accuracy = save_rounded(model, output, *test)
    record = {
        "task": "CIFAR-10 (Krizhevsky 2009), 50,000 training pictures",
        "command": "python benchmarks/train_classifier.py", "seed": values.seed,
        "epochs": values.epochs, "batch_size": BATCH,
        "optimizer": f"AdamW, weight decay {WEIGHT_DECAY}, cosine to {PEAK_RATE} and down to 0",
        "augmentation": f"flips, crops by up to {CROP_MARGIN} px",
        "test_accuracy": accuracy, "seconds": round(seconds),
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
    }
    output.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"test accuracy {accuracy:.4f}, {output.stat().st_size / 2**20:.2f} MiB: {output}")


def train_model(pictures, labels, epochs, seed):
    """Trains on uint8 [n, 32, 32, 3] and their classes; prints the seconds after each epoch."""
    import keras
    import numpy as np

    from colorizer.models import classifier

    keras.utils.set_random_seed(seed)
    model = classifier.build_classifier()
    steps = len(pictures) // BATCH
    total = epochs * steps
    rate = keras.optimizers.schedules.CosineDecay(
        PEAK_RATE / 20, round((1 - WARMUP) * total), warmup_target=PEAK_RATE,
        warmup_steps=round(WARMUP * total))
    model.compile(keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    rng = np.random.default_rng(seed)
    begin = time.perf_counter()
    for epoch in range(epochs):
        order = rng.permutation(len(pictures))[:steps * BATCH]
        model.fit(augment(pictures[order], rng) / np.float32(255.0), labels[order],
                  batch_size=BATCH, shuffle=False, verbose=0)
        print(f"epoch {epoch + 1}: {time.perf_counter() - begin:.0f} s", flush=True)
    return model


def save_rounded(model, output, pictures, labels):
    """Writes the weights in float16; returns the accuracy that these have on test pictures."""
    import numpy as np

    from colorizer.training import checkpoints
    from colorizer.models import classifier

    output.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        output, **{weight.path: weight.numpy().astype(np.float16) for weight in model.weights})
    rounded = classifier.build_classifier()
    checkpoints.load_weights(rounded, output)
    logits = rounded.predict(pictures / np.float32(255.0), batch_size=500, verbose=0)
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def augment(pictures, rng):
    """Flips half of the pictures and moves each by a few pixels; uint8 [n, 32, 32, 3]."""
    import numpy as np

    margin = ((0, 0), (CROP_MARGIN,) * 2, (CROP_MARGIN,) * 2, (0, 0))
    padded = np.pad(pictures, margin, mode="reflect")
    corners = rng.integers(0, 2 * CROP_MARGIN + 1, (2, len(pictures)))
    side = np.arange(pictures.shape[1])
    rows, columns = (corner[:, None] + side for corner in corners)
    moved = padded[np.arange(len(pictures))[:, None, None], rows[:, :, None], columns[:, None]]
    flips = rng.random(len(pictures)) < 0.5
    moved[flips] = moved[flips, :, ::-1]
    return moved


if __name__ == "__main__":
    flags_lib.run(main)
