from pathlib import Path

import pytest

from colorizer.data import image_paths
from colorizer.data.decoding import ImageError
from tests.colors import image, write

RGB = image((200, 20, 85))


@pytest.fixture
def tree(tmp_path):
    for name in ["b.jpg", "a/z.PNG", "a/b/c.gif", "a-1.bmp", ".hidden.jpg", ".git/x.png"]:
        write(tmp_path / name, RGB)
    write(tmp_path / "no_suffix", RGB, format="PNG")
    write(tmp_path / "photo.2019", RGB, format="JPEG")
    (tmp_path / "README.md").write_text("BM is how this text begins")
    (tmp_path / "a" / "notes.txt").write_text("")
    (tmp_path / "a" / "broken.jpg").write_text("not an image")
    return tmp_path


TREE = ["a-1.bmp", "a/b/c.gif", "a/broken.jpg", "a/z.PNG", "b.jpg", "no_suffix", "photo.2019"]


def found(folder):
    return [path.relative_to(folder).as_posix() for path in image_paths.find_images(folder)]


def expanded(*patterns):
    return [name.as_posix() for _, name in image_paths.expand_inputs(list(map(str, patterns)))]


def test_find_images_walks_in_order_without_hidden_and_other_files(tree):
    assert found(tree) == TREE
    with pytest.raises(ImageError, match="none: No such file"):
        image_paths.find_images(tree / "none")


def test_find_images_survives_link_loops_and_follows_links(tree, tmp_path_factory):
    other = write(tmp_path_factory.mktemp("elsewhere") / "far.png", RGB).parent
    (tree / "a" / "loop").symlink_to(tree)
    (tree / "link").symlink_to(other)
    (other / "back").symlink_to(other)
    (tree / "gone.jpg").symlink_to(tree / "nowhere")
    assert found(tree) == sorted([*TREE, "gone.jpg", "link/far.png"])


def test_a_file_a_folder_and_a_glob_name_their_results(tree):
    pairs = image_paths.expand_inputs([str(tree / "b.jpg"), str(tree / "a"), str(tree / "*.*")])
    assert [(source.relative_to(tree).as_posix(), name.as_posix()) for source, name in pairs] == [
        ("b.jpg", "b.jpg"),
        ("a/b/c.gif", "b/c.gif"), ("a/broken.jpg", "broken.jpg"), ("a/z.PNG", "z.PNG"),
        ("a-1.bmp", "a-1.bmp"), ("photo.2019", "photo.2019")]
    assert expanded(tree / "**" / "*.[gP]*") == ["a/b/c.gif", "a/z.PNG"]
    assert expanded(tree / "README.md", tree / ".hidden.jpg") == ["README.md", ".hidden.jpg"]


def test_globs_and_relative_paths_work_and_repeats_are_dropped(tree, monkeypatch):
    assert sorted(expanded(tree / "*", tree / "a" / ".." / "b.jpg", tree)) == TREE
    monkeypatch.chdir(tree / "a")
    assert image_paths.expand_inputs(["*.PNG", "../b.jpg", "."])[:2] == [
        (Path("z.PNG"), Path("z.PNG")), (Path("../b.jpg"), Path("b.jpg"))]


@pytest.mark.parametrize("pattern", ["none.jpg", "none/*.jpg", "empty", "*.md"])
def test_a_pattern_without_images_is_an_error(tree, pattern):
    (tree / "empty").mkdir()
    with pytest.raises(ImageError, match="must be an image file, .* Received: ") as caught:
        expanded(tree / "b.jpg", tree / pattern)
    assert f"{pattern}'" in str(caught.value)


def test_equal_names_do_not_clash_and_existing_paths_are_no_globs(tmp_path):
    for name in ["x/a.jpg", "y/a.jpg", "y/a-2.jpg", "z[1]/a.jpg", "z1/b.jpg"]:
        write(tmp_path / name, RGB)
    assert expanded(*(tmp_path / folder for folder in ("x", "y", "z[1]", "z[1]/*.jpg"))) == [
        "a.jpg", "a-2.jpg", "a-3.jpg", "a-4.jpg"]


@pytest.mark.parametrize("name, result", [
    ("d/UPPER.JPEG", "d/UPPER.JPEG"), ("a.tiff", "a.tiff"), ("a.gif", "a.gif.png"),
    ("a", "a.png"), ("a.2019", "a.2019.png"), ("a.txt", "a.txt.png")])
def test_a_result_keeps_its_name_where_we_can_write_such_files(name, result):
    assert image_paths.name_results([(Path(name), Path(name))], "out") == [
        (Path(name), Path("out", result))]


def test_results_never_share_a_name_and_never_replace_what_is_colorized(tmp_path):
    for name in ("a.gif", "a.gif.png", "b.jpg"):
        write(tmp_path / name, RGB)
    sources = image_paths.expand_inputs([str(tmp_path)])
    assert [path.name for _, path in image_paths.name_results(sources, "out")] == [
        "a.gif.png", "a.gif-2.png", "b.jpg"]
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in (tmp_path, tmp_path / "link"):
        with pytest.raises(ImageError, match="`output` must be another folder"):
            image_paths.name_results(sources, folder)
    with pytest.raises(ImageError, match="must be a folder for several images"):
        image_paths.name_results(sources, "result.png")
    assert image_paths.name_results(sources[:1], "r.png") == [(sources[0][0], Path("r.png"))]


def test_results_within_the_folder_are_no_sources(tree):
    write(tree / "colorized" / "b.jpg", RGB)
    names = [name.as_posix() for _, name in image_paths.expand_inputs(
        [str(tree)], tree / "colorized")]
    assert names == TREE
    assert image_paths.expand_inputs([str(tree / "colorized" / "b.jpg")], tree / "colorized")
    assert len(image_paths.expand_inputs([str(tree)], tree)) == len(TREE) + 1
