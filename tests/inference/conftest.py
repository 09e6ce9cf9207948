"""Models that the tests of this folder share."""

import pytest

from colorizer.inference import Colorizer
from colorizer.models import pretrained
from tests.tiny_runs import colorful_generator, tiny_config, write_run


@pytest.fixture(scope="session")
def colorizer():
    config = tiny_config()
    return Colorizer(colorful_generator(config, spread=0.05), config)


@pytest.fixture(scope="session")
def conditional_run(tmp_path_factory):
    return write_run(
        tmp_path_factory.mktemp("conditional"), dataset="/data/photos", conditional=True)


@pytest.fixture(scope="session")
def conditional(conditional_run):
    return Colorizer.load(conditional_run)


@pytest.fixture(scope="session", params=pretrained.names())
def shipped(request):
    return Colorizer.load(request.param)
