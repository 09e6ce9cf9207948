import pytest

from tests.colors import COLORS, image, write


@pytest.fixture(scope="session")
def tfds_dir(tmp_path_factory):
    from tests.data import tiny_sets  # with TensorFlow Datasets, which few tests need

    return tiny_sets.prepare(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="session")
def color_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    for number, color in enumerate(COLORS):
        write(folder / f"{number % 3}" / f"{number}.png", image(color, 20 + number % 7))
    return folder
