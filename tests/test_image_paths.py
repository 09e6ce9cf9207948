from pathlib import Path

import pytest

from colorizer.data import image_paths
from colorizer.data.images import ImageError
from tests.colors import SHARED, picture, write


@pytest.fixture
def tree(tmp_path):
    rgb = picture((200, 20, 85))
    for name in ["b.jpg", "a/z.PNG", "a/b/c.gif", "a-1.bmp", ".hidden.jpg", ".git/x.png"]:
        write(tmp_path / name, rgb)
    write(tmp_path / "no_suffix", rgb, format="PNG")
    write(tmp_path / "photo.2019", rgb, format="JPEG")
    (tmp_path / "README.md").write_text("BM is how this text begins")
    (tmp_path / "a" / "notes.txt").write_text("")
    (tmp_path / "a" / "broken.jpg").write_text("not a picture")
    return tmp_path


TREE = ["a-1.bmp", "a/b/c.gif", "a/broken.jpg", "a/z.PNG", "b.jpg", "no_suffix", "photo.2019"]


def relative(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_find_pictures_walks_in_order_without_hidden_and_other_files(tree):
    assert relative(image_paths.find_pictures(tree), tree) == TREE


def test_find_pictures_survives_link_loops_and_follows_links(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    write(other / "far.png", picture((200, 20, 85)))
    (tree / "a" / "loop").symlink_to(tree)
    (tree / "link").symlink_to(other)
    (other / "back").symlink_to(other)
    (tree / "gone.jpg").symlink_to(tree / "nowhere")
    expected = sorted([*TREE, "gone.jpg", "link/far.png"])
    assert relative(image_paths.find_pictures(tree), tree) == expected


def test_find_pictures_in_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="none: No such file"):
        image_paths.find_pictures(tmp_path / "none")


def test_a_file_a_folder_and_a_glob_name_their_results(tree):
    pairs = image_paths.expand_inputs([str(tree / "b.jpg"), str(tree / "a"), str(tree / "*.*")])
    assert [(source.relative_to(tree).as_posix(), name.as_posix()) for source, name in pairs] == [
        ("b.jpg", "b.jpg"),
        ("a/b/c.gif", "b/c.gif"), ("a/broken.jpg", "broken.jpg"), ("a/z.PNG", "z.PNG"),
        ("a-1.bmp", "a-1.bmp"), ("photo.2019", "photo.2019")]


def test_double_star_keeps_the_tree(tree):
    pairs = image_paths.expand_inputs([str(tree / "**" / "*.[gP]*")])
    assert [name.as_posix() for _, name in pairs] == ["a/b/c.gif", "a/z.PNG"]


def test_relative_patterns_and_dots_work(tree, monkeypatch):
    monkeypatch.chdir(tree / "a")
    assert image_paths.expand_inputs(["*.PNG"]) == [(Path("z.PNG"), Path("z.PNG"))]
    assert image_paths.expand_inputs(["../b.jpg", "."])[0] == (Path("../b.jpg"), Path("b.jpg"))
    assert image_paths.expand_inputs(["../*.jpg"]) == [(Path("../b.jpg"), Path("b.jpg"))]


def test_glob_folders_are_searched_and_repeats_dropped(tree):
    pairs = image_paths.expand_inputs(
        [str(tree / "*"), str(tree / "a" / ".." / "b.jpg"), str(tree)])
    assert sorted(name.as_posix() for _, name in pairs) == TREE


def test_existing_path_with_glob_characters_is_that_path(tmp_path):
    write(tmp_path / "a[1].jpg", picture((200, 20, 85)))
    write(tmp_path / "a1.jpg", picture((200, 20, 85)))
    write(tmp_path / "d[x]" / "b.jpg", picture((200, 20, 85)))
    assert image_paths.expand_inputs([str(tmp_path / "a[1].jpg")]) == [
        (tmp_path / "a[1].jpg", Path("a[1].jpg"))]
    assert image_paths.expand_inputs([str(tmp_path / "d[x]" / "*.jpg")]) == [
        (tmp_path / "d[x]" / "b.jpg", Path("b.jpg"))]


def test_a_named_file_is_taken_whatever_it_is(tree):
    assert len(image_paths.expand_inputs([str(tree / "README.md"), str(tree / ".hidden.jpg")])) == 2


@pytest.mark.parametrize("pattern", ["none.jpg", "*.xyz", "none/*.jpg", "empty", "*.md"])
def test_pattern_without_pictures_is_an_error(tree, pattern):
    (tree / "empty").mkdir()
    with pytest.raises(ImageError, match="no picture matches '.*" + pattern.replace("*", r"\*")):
        image_paths.expand_inputs([str(tree / "b.jpg"), str(tree / pattern)])


def test_equal_names_from_two_folders_do_not_clash(tmp_path):
    for name in ["x/a.jpg", "y/a.jpg", "y/a-2.jpg", "z/a.jpg"]:
        write(tmp_path / name, picture((200, 20, 85)))
    pairs = image_paths.expand_inputs([str(tmp_path / folder) for folder in "xyz"])
    names = [name.as_posix() for _, name in pairs]
    assert len(set(names)) == len(pairs) == 4 and names[0] == "a.jpg"


@pytest.mark.parametrize("name, picture_format, has_alpha, expected", [
    ("a.jpg", "JPEG", False, "a.jpg"),
    ("d/UPPER.JPEG", "JPEG", False, "d/UPPER.JPEG"),
    ("a.tiff", "TIFF", True, "a.tiff"),
    ("a.webp", "WEBP", True, "a.webp"),
    ("a.png", "PNG", True, "a.png"),
    ("a.png", "GIF", False, "a.png"),
    ("a.jpg", "PNG", True, "a.jpg.png"),
    ("a.bmp", "PNG", True, "a.bmp.png"),
    ("a.gif", "GIF", False, "a.gif.png"),
    ("a.gif", "JPEG", False, "a.gif.png"),
    ("a.pgm", "PPM", False, "a.pgm.png"),
    ("a", "JPEG", False, "a"),
    ("a", "MPO", False, "a"),
    ("a.2019", "JPEG", False, "a.2019"),
    ("a", "PNG", True, "a"),
    ("a", "GIF", False, "a.png"),
])
def test_output_keeps_the_name_where_it_can(name, picture_format, has_alpha, expected):
    assert image_paths.output_path("out", name, picture_format, has_alpha) == Path("out", expected)


def test_shared_folder_lists_all_but_the_hidden_and_the_readme():
    if not (SHARED / "bad").is_dir():
        pytest.skip("needs ../shared/data/bad")
    names = {path.name for path in (SHARED / "bad").iterdir()} - {".hidden.jpg", "README.md"}
    assert {path.name for path in image_paths.find_pictures((SHARED / "bad"))} == names
