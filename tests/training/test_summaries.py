"""What TensorBoard is shown after a run was killed and goes on."""

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from colorizer import config as config_lib
from colorizer.training import summaries


def write(folder, first, steps):
    writer = summaries.Summaries(folder, first)
    writer.settings(config_lib.TrainConfig(), first)
    for step in steps:
        writer.scalars({"loss": float(step)}, step, "train")
    writer.flush()


def shown(folder, tag):
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [event.step for event in events.Tensors(tag)]


def test_steps_after_the_checkpoint_are_shown_once(tmp_path):
    write(tmp_path, 0, (1, 2, 3, 4, 5))
    write(tmp_path, 3, (4, 5, 6))
    assert shown(tmp_path, "train/loss") == [1, 2, 3, 4, 5, 6]
    assert shown(tmp_path, "settings") == [0, 3]
    write(tmp_path, 3, (4,))
    assert shown(tmp_path, "train/loss") == [1, 2, 3, 4]
    assert shown(tmp_path, "settings") == [0, 3]


def test_an_event_file_that_was_cut_off_keeps_its_whole_events(tmp_path):
    write(tmp_path, 0, (1, 2, 3))
    path, = (tmp_path / "tensorboard").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    write(tmp_path, 2, (3, 4))
    assert shown(tmp_path, "train/loss") == [1, 2, 3, 4]


def test_what_cannot_be_written_does_not_stop_the_run(tmp_path):
    writer = summaries.Summaries(tmp_path, 0)
    (tmp_path / "samples").write_text("a file where the folder should be")
    writer.grid({"gray": np.zeros((1, 8, 8, 3), np.uint8)}, 1)
    writer.flush()
