import pytest

from tests.colors import COLORS, image, write


@pytest.fixture(scope="session")
def tfds_dir(tmp_path_factory):
    from tests.data.tiny_sets import TinyPhotos  # TensorFlow Datasets, which few tests need

    folder = str(tmp_path_factory.mktemp("tfds"))
    for config in TinyPhotos.BUILDER_CONFIGS:
        TinyPhotos(config=config, data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture(scope="session")
def color_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    for number, color in enumerate(COLORS):
        write(folder / f"{number % 3}" / f"{number}.png", image(color, 20 + number % 7))
    return folder
