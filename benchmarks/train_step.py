"""Speed and memory of the train step: `python benchmarks/train_step.py`.

Prints pictures per second of the paper's 32 px networks, the share of the matrix-product limit of
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

from colorizer import config as config_lib, flags as flags_lib

# Multiply-adds of one picture in one step at width 64: generator and discriminator (real and fake)
# forward and backward; DESIGN: 1,418 million a step pair.
MULTIPLY_ADDS = 1418e6
MATRIX_SIZE = 2048


def main(argv):
    values = flags.FlagValues()
    flags_lib.define_settings(values)
    flags_lib.define("steps", 10, "int", "timed steps", "Benchmark", values)
    flags_lib.parse(argv, values, __doc__)
    config = flags_lib.build_config(values, config_lib.TrainConfig())

    import keras
    import numpy as np
    import tensorflow as tf

    from colorizer import data, steps

    dataset = data.load_dataset(
        config.data.dataset, data_dir=config.data.data_dir, image_size=config.data.image_size)
    config = config.resolve(dataset.image_size)
    strategy = tf.distribute.MirroredStrategy()
    step = steps.TrainStep(config, strategy)
    batch_size = config.optimizer.batch_size
    replicas = strategy.num_replicas_in_sync
    pipeline = dataset.train_batches(batch_size // replicas, 0, replicas=replicas)
    batches = iter(strategy.distribute_datasets_from_function(lambda _: pipeline))

    def one_step(index):
        begin = time.perf_counter()
        float(step(next(batches), tf.constant(index, tf.int64))["generator/loss"])
        return time.perf_counter() - begin

    one_step(0)
    first = time.perf_counter() - START
    matrix = tf.random.normal((MATRIX_SIZE, MATRIX_SIZE))
    product = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
    product()
    step_seconds, product_seconds = [], []
    for index in range(values.steps):
        step_seconds.append(one_step(index + 1))
        begin = time.perf_counter()
        float(product())
        product_seconds.append(time.perf_counter() - begin)

    limit = MATRIX_SIZE**3 / np.median(product_seconds)
    rate = batch_size / np.median(step_seconds)
    scale = (config.model.width / 64) ** 2
    alone = iter(pipeline)
    next(alone)
    begin = time.perf_counter()
    for _ in range(100):
        next(alone)
    pipeline_rate = 100 * batch_size / replicas / (time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, TensorFlow "
          f"{tf.__version__}, Keras {keras.__version__}, Python {platform.python_version()}")
    print(f"{'train step':34s}{rate:10.1f} pictures/s (batch {batch_size}, width "
          f"{config.model.width}, {config.data.image_size} px, {config.optimizer.precision})")
    if config.data.image_size == 32:
        share = rate * MULTIPLY_ADDS * scale / limit
        print(f"{'share of the matrix-product limit':34s}{share:10.0%} of {limit / 1e9:.0f} G "
              "multiply-adds/s")
    print(f"{'start to the first finished step':34s}{first:10.1f} s")
    print(f"{'input pipeline alone':34s}{pipeline_rate:10.0f} pictures/s, "
          f"{pipeline_rate / rate:.0f}x the step")
    print(f"{'peak memory':34s}{peak:10.2f} GiB")


if __name__ == "__main__":
    flags_lib.run(main)
