"""Training steps that are built, and traced, once for all tests of this folder."""

import keras
import pytest
import tensorflow as tf

from colorizer import inference, training
from colorizer.inference import Colorizer
from colorizer.training import trainer
from colorizer.training.train_step import TrainStep
from tests.training.faults.harness import config

FREE = ("dataset", "augment", "init_from")  # settings that no step depends on


class Steps:
    """Builds the step of a configuration once, and gives it out with its first weights."""

    def __init__(self):
        self._built = {}
        self._colorizers = {}

    def __call__(self, config, strategy):
        key = (strategy, *((name, value) for name, value, rule in config.settings()
                           if not rule["may_change"] and name not in FREE))
        if key not in self._built:
            step = TrainStep(config, strategy)
            self._built[key] = step, [v.numpy() for v in variables(step).values()]
        step, first = self._built[key]
        for variable, value in zip(variables(step).values(), first):
            variable.assign(value)
        step.config = config
        optimizer = config.optimizer
        step.set_learning_rates(optimizer.lr, optimizer.disc_lr or optimizer.lr)
        return step

    def colorizer(self, generator, config):
        """The colorizer of a step's generator, which is traced once, too."""
        if generator not in self._colorizers:
            self._colorizers[generator] = Colorizer(generator, config)
        return self._colorizers[generator]


def variables(step):
    """All that a checkpoint holds, by name."""
    return {f"{name}/{variable.path}": variable for name, part in step.state().items()
            for variable in part.variables}


@pytest.fixture(autouse=True)
def same_weights_every_time(monkeypatch):
    """As in the suite's conftest, and TensorFlow does not forget how to run the traced steps.

    `tf.random.set_seed` makes it optimize each of them again, which takes seconds. No weight
    depends on it: Keras draws its seeds by Python's `random`.
    """
    monkeypatch.setattr(tf.random, "set_seed", lambda seed: None)
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def steps():
    return Steps()


@pytest.fixture(scope="session")
def train(steps, one_replica):
    """Trains in this process, by shared steps: a trace takes as long as a thousand steps."""
    def train(config, strategy=one_replica):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer, "TrainStep", steps)
            patch.setattr(inference, "Colorizer", steps.colorizer)
            return training.train(config, strategy)
    return train


@pytest.fixture(scope="session")
def whole(train, tmp_path_factory):
    """The folder of a run of eight steps, never stopped; a test that trains in it takes a copy."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    assert train(config(workdir, max_steps=8, checkpoint_steps=2, eval_steps=4)) == 0
    return workdir


@pytest.fixture
def at_step(monkeypatch):
    """Does something once, after a step of a run in this process."""
    def at_step(step, action):
        take_step, actions = trainer.Trainer._take_step, [action]

        def take_step_and_act(self, *arguments):
            take_step(self, *arguments)
            if self.step == step and actions:
                actions.pop()()
        monkeypatch.setattr(trainer.Trainer, "_take_step", take_step_and_act)
    return at_step


@pytest.fixture
def untraced():
    """Runs every `tf.function` as plain Python: for a step or two that is much faster."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
