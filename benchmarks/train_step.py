"""Speed and memory of the train step: `python benchmarks/train_step.py`.

Prints images per second of the paper's 32 px networks, the share of the matrix-product limit of
the same machine in the same run, the time from start to the first finished step, the speed of the
input pipeline alone, and the peak memory. Medians; compare ratios, not absolute times.
"""

import time

START = time.perf_counter()

import os
import pathlib
import platform
import resource
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags

from colorizer import cli
from colorizer.config import TrainConfig

# Multiply-adds of one image in one joint step at 64 base channels: generator and discriminator
# (real and fake), forward and backward.
MULTIPLY_ADDS = 1418e6
MATRIX_SIZE = 2048
PIPELINE_ELEMENTS = 100


def main(argv):
    values = flags.FlagValues()
    cli.define_settings(values)
    cli.define(values, "steps", 10, "int", "timed steps", "Benchmark")
    cli.parse(argv, values, __doc__)
    config = cli.build_config(values, TrainConfig())

    import tensorflow as tf

    from colorizer import data, training

    dataset = data.load_dataset(
        config.data.dataset, data_dir=config.data.data_dir, image_size=config.data.image_size)
    config = config.resolve(dataset.image_size)
    strategy = tf.distribute.MirroredStrategy()
    replicas = strategy.num_replicas_in_sync
    share = config.optimizer.batch_size // replicas
    pipeline = dataset.train_batches(share, 0, replicas=replicas)
    step = training.TrainStep(config, strategy)
    batches = iter(strategy.distribute_datasets_from_function(lambda _: pipeline))

    def take_step(index):
        return float(step(next(batches), tf.constant(index, tf.int64))["generator/loss"])

    take_step(0)
    first = time.perf_counter() - START
    step_seconds, limit = time_steps(take_step, values.steps)
    rate = config.optimizer.batch_size / step_seconds
    report(config, rate, limit, first, share / time_element(pipeline))


def time_steps(take_step, count):
    """Median seconds of a step, and the multiply-adds per second of matrix products between."""
    import numpy as np
    import tensorflow as tf

    matrix = tf.random.normal((MATRIX_SIZE, MATRIX_SIZE))
    product = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
    product()
    step_seconds, product_seconds = [], []
    for index in range(count):
        step_seconds.append(seconds(lambda: take_step(index + 1)))
        product_seconds.append(seconds(lambda: float(product())))
    return np.median(step_seconds), MATRIX_SIZE**3 / np.median(product_seconds)


def time_element(pipeline):
    """Mean seconds that the pipeline alone takes for an element."""
    elements = iter(pipeline)
    next(elements)
    return seconds(lambda: [next(elements) for _ in range(PIPELINE_ELEMENTS)]) / PIPELINE_ELEMENTS


def seconds(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def report(config, rate, limit, first, pipeline_rate):
    import keras
    import tensorflow as tf

    size, channels = config.data.image_size, config.model.base_channels
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, TensorFlow "
          f"{tf.__version__}, Keras {keras.__version__}, Python {platform.python_version()}")
    schedule = config.optimizer.update_schedule
    print(f"{'train step':34s}{rate:10.1f} images/s (batch {config.optimizer.batch_size}, base "
          f"channels {channels}, {size} px, {config.optimizer.precision}, {schedule})")
    if size == 32 and schedule == "joint":
        reached = rate * MULTIPLY_ADDS * (channels / 64) ** 2 / limit
        print(f"{'share of the matrix-product limit':34s}{reached:10.0%} of {limit / 1e9:.0f} G "
              "multiply-adds/s")
    print(f"{'start to the first finished step':34s}{first:10.1f} s")
    print(f"{'input pipeline alone':34s}{pipeline_rate:10.0f} images/s, "
          f"{pipeline_rate / rate:.0f}x the step")
    print(f"{'peak memory':34s}{peak:10.2f} GiB")


if __name__ == "__main__":
    cli.run(main)
