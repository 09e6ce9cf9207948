"""Trains the CIFAR-10 classifier of the perceptual loss: `python benchmarks/train_classifier.py`.

Writes colorizer/pretrained/cifar10_classifier/weights.npz (float16) and beside it training.json:
the recipe, the accuracy of the rounded weights on the 10,000 test images, the file's SHA-256.
"""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags

from colorizer import cli, files

BATCH = 128
PEAK_RATE = 4e-3
WARMUP = 0.2  # share of the steps
WEIGHT_DECAY = 5e-3
CROP_MARGIN = 3  # pixels


def main(argv):
    values = flags.FlagValues()
    cli.define(values, "data_dir", None, "str", "where TensorFlow Datasets keeps its data",
               "Data")
    cli.define(values, "epochs", 8, "int", "passes over the training images", "Training")
    cli.define(values, "seed", 0, "int", "of weights, order, flips and crops", "Training")
    cli.define(values, "output", None, "str", "the .npz to write (default: the package's own)",
               "Training")
    cli.parse(argv, values, __doc__)

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
        "task": "CIFAR-10 (Krizhevsky 2009), 50,000 training images",
        "command": "python benchmarks/train_classifier.py", "seed": values.seed,
        "epochs": values.epochs, "batch_size": BATCH,
        "optimizer": f"AdamW, weight decay {WEIGHT_DECAY}, cosine to {PEAK_RATE} and down to 0",
        "augmentation": f"flips, crops by up to {CROP_MARGIN} px",
        "test_accuracy": accuracy, "seconds": round(seconds),
        "sha256": files.sha256(output),
    }
    (output.parent / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"test accuracy {accuracy:.4f}, {output.stat().st_size / 2**20:.2f} MiB: {output}")


def train_model(images, labels, epochs, seed):
    """Trains on uint8 [n, 32, 32, 3] and their classes; prints the seconds after each epoch."""
    import keras
    import numpy as np

    from colorizer.models import classifier

    keras.utils.set_random_seed(seed)
    model = classifier.build_classifier()
    steps = len(images) // BATCH
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
        order = rng.permutation(len(images))[:steps * BATCH]
        model.fit(augment(images[order], rng) / np.float32(255.0), labels[order],
                  batch_size=BATCH, shuffle=False, verbose=0)
        print(f"epoch {epoch + 1}: {time.perf_counter() - begin:.0f} s", flush=True)
    return model


def save_rounded(model, output, images, labels):
    """Writes the weights in float16; returns the accuracy that these have on test images."""
    import numpy as np

    from colorizer.models import classifier, weights

    output.parent.mkdir(exist_ok=True)
    weights.save_arrays({weight.path: weight.numpy().astype(np.float16)
                         for weight in model.weights}, output, compress=True)
    rounded = classifier.build_classifier()
    weights.load_weights(rounded, output)
    logits = rounded.predict(images / np.float32(255.0), batch_size=500, verbose=0)
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def augment(images, rng):
    """Flips half of the images and moves each by a few pixels; uint8 [n, 32, 32, 3]."""
    import numpy as np

    margin = ((0, 0), (CROP_MARGIN,) * 2, (CROP_MARGIN,) * 2, (0, 0))
    padded = np.pad(images, margin, mode="reflect")
    corners = rng.integers(0, 2 * CROP_MARGIN + 1, (2, len(images)))
    side = np.arange(images.shape[1])
    rows, columns = (corner[:, None] + side for corner in corners)
    moved = padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None]]
    flips = rng.random(len(images)) < 0.5
    moved[flips] = moved[flips, :, ::-1]
    return moved


if __name__ == "__main__":
    cli.run(main)
