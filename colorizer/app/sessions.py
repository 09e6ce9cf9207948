"""What is kept of each user of the page: pictures, hints, and what the encoder said of a picture.

All of it is in memory, but for results to download. It goes when the tab is closed, or when other
users need the room.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
import contextlib
from dataclasses import dataclass, field
import io
from pathlib import Path
import shutil
import tempfile
import threading
import time
import zipfile

from PIL import Image, ImageColor
import numpy as np

from colorizer import data
from colorizer.errors import UserError, brief
from colorizer.evaluation.turing_test import TuringTest
from colorizer.inference import Colorizer, Hint
from colorizer.inference.files import WRITE_ERRORS

STILL_SIDE, LIVE_SIDE = 720, 384  # pixels of the longer side, the latter while a slider moves
PREVIEW_QUALITY = 88  # of its JPEG
# Of all users together: the session that was used least recently makes room for the next action.
MAX_SESSIONS, MAX_ALL_BYTES = 50, 2 * 2**30
ROOM_WAS_MADE = "Your photographs made room for those of other users: send them again."
CUT_OFF_SECONDS, MAX_UPLOAD_SECONDS = 600, 3600  # of uploads that stand still, and of any
MAX_FILES, MAX_TOTAL_BYTES, MAX_HINTS = 200, 400 * 2**20, 100  # of one user
ZIP_NAME = "colorized.zip"


@dataclass(frozen=True)
class Limits:
    """What one uploaded file may have."""

    max_bytes: int = 50 * 2**20
    max_pixels: int = 50_000_000


@dataclass(frozen=True)
class Settings:
    """How a picture is to be colored: as for a call of `Colorizer`."""

    model: str
    targets: Mapping[str, float | None] = field(default_factory=dict)
    vivid: float = 1.0


@dataclass
class Session:
    """The pictures of one user, and the one that is shown.

    Args:
        models: name -> the `Colorizer` that all users share.
        folder: where results to download are written; made when needed.
        limits: of one uploaded file.
        files: the pictures, name -> content of the file.
        shown: the name of the one that is shown.
        hints: those of the picture that is shown.
    """

    models: Mapping[str, Colorizer]
    folder: Path
    limits: Limits = Limits()
    files: dict[str, bytes] = field(default_factory=dict)  # name -> content
    shown: str | None = None
    hints: list[Hint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.Lock()  # held during each action
        self.closed = False
        # (model, side) -> with the maps of the picture that is shown
        self._own: dict[tuple[str, int], Colorizer] = {}
        self._preview: Image.Image | None = None
        self.turing: TuringTest | None = None
        self.built_in = ""  # name of the file that is no upload
        self.notice = ""  # to be shown with the next action

    def add(self, paths: Sequence[Path]) -> list[str]:
        """Takes uploaded files over into memory, deletes them, and shows the first that is sound.

        Returns a line for each that cannot be used.
        """
        problems: list[str] = []
        first = None
        for path in dict.fromkeys(paths):  # the same file twice is one for Gradio
            if self.closed:
                break
            try:
                content = path.read_bytes()
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()
                self._check(path.name, content)
                preview = self._read(path.name, content)
            except data.ImageError as error:
                problems.append(str(error))
                continue
            except OSError:  # another user has sent the same file at the same time
                problems.append(f"{path.name}: could not be taken over, send it again")
                continue
            name = self._free_name(path.name)
            self.files[name] = content
            first = first or (name, preview)
        if first:
            self._show(*first)
        return problems

    def take(self, name: str, content: bytes) -> None:
        """Shows a picture that comes with the package, in the place of an earlier one."""
        self.files.pop(self.built_in, None)
        name = self.built_in = self._free_name(name)
        self.files[name] = content
        self.show(name)

    def show(self, name: str) -> None:
        """Shows one of the pictures."""
        self._show(name, self._read(name, self.files[name]))

    def preview(self, settings: Settings, side: int = STILL_SIDE, *, with_gray: bool = False
                ) -> dict[str, object]:
        """The picture that is shown, in small: `color` and perhaps `gray` as JPEG, and its hints.

        `side` is `STILL_SIDE` or `LIVE_SIDE`.
        """
        if self._preview is None:
            return {}
        color = self._colorizer(settings.model, side)
        rgb8 = color(_reduced(self._preview, side), hints=self._hints(color), vivid=settings.vivid,
                     **settings.targets)
        seen = {"color": _data_uri(rgb8), "hinting": color.takes_hints,
                "hints": [[hint.x, hint.y, "#%02x%02x%02x" % hint.rgb] for hint in self.hints]}
        return {"gray": self._gray, **seen} if with_gray else seen

    def result(self, settings: Settings) -> Path:
        """Writes the picture that is shown at full size, with its metadata, and returns the file.

        Earlier results of this user are deleted.
        """
        assert self.shown is not None
        (name, path), = self._results([self.shown])
        self._write(name, path, settings, self._hints(self._colorizer(settings.model)))
        return path

    def all_results(self, settings: Settings, progress: Callable[[float, str], object]
                    ) -> tuple[Path, list[str]]:
        """Writes a ZIP file of all pictures at full size, without hints.

        Returns the file and a line for each picture that could not be colorized.
        """
        problems: list[str] = []
        results = self._results(list(self.files))
        target = self.folder / ZIP_NAME
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for index, (name, path) in enumerate(results):
                progress(index / len(results), name)
                if self.closed:
                    raise UserError("the page is closed")
                try:
                    self._write(name, path, settings)
                except UserError as error:
                    problems.append(str(error))
                    continue
                archive.write(path, path.name)
                path.unlink()
        return target, problems

    def close(self) -> None:
        """Forgets the pictures and deletes what is on disk, once the action in progress ends."""
        self.closed = True
        with self.lock:
            self.files.clear()
            self._preview = self.shown = self.turing = None
            shutil.rmtree(self.folder, ignore_errors=True)

    def size(self) -> int:
        """Bytes of the pictures, as files."""
        return sum(map(len, list(self.files.values())))  # another thread may add one

    def _check(self, name: str, content: bytes) -> None:
        total = self.size() + len(content)
        if len(content) > self.limits.max_bytes:
            raise data.ImageError(f"{name}: more than {self.limits.max_bytes // 2**20} MB")
        if len(self.files) >= MAX_FILES or total > MAX_TOTAL_BYTES:
            raise data.ImageError(f"{name}: more than {MAX_FILES} files or "
                                  f"{MAX_TOTAL_BYTES // 2**20} MB in all")

    def _free_name(self, name: str) -> str:
        return str(data.free_name(Path(name), set(map(Path, self.files))))

    def _read(self, name: str, content: bytes) -> Image.Image:
        """The picture in small."""
        image = data.read_content(content, name, self.limits.max_pixels)
        return _reduced(Image.fromarray(image.rgb8), STILL_SIDE)

    def _show(self, name: str, preview: Image.Image) -> None:
        self.shown, self._preview, self.hints = name, preview, []
        self._gray = _data_uri(self._colorizer(next(iter(self.models)))(preview, vivid=0.0))

    def _colorizer(self, model: str, side: int = STILL_SIDE) -> Colorizer:
        if (model, side) not in self._own:
            self._own[model, side] = self.models[model].copy()
        return self._own[model, side]

    def _hints(self, colorizer: Colorizer) -> list[Hint]:
        return self.hints if colorizer.takes_hints else []

    def _results(self, names: Sequence[str]) -> list[tuple[str, Path]]:
        """The files of the results, each of another name, in a new folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        sources = [(Path(name), Path(name)) for name in names]
        return [(source.name, path) for source, path in data.name_results(sources, self.folder)]

    def _write(self, name: str, path: Path, settings: Settings, hints: Sequence[Hint] = ()
               ) -> None:
        image = data.read_content(self.files[name], name, self.limits.max_pixels)
        rgb = self.models[settings.model].copy()(
            image.rgb, hints=hints, vivid=settings.vivid, dtype=image.rgb.dtype.name,
            **settings.targets)
        alpha = image.alpha if data.holds_alpha(path) else None
        try:
            data.write_image(path, rgb, alpha, image.metadata)
        except WRITE_ERRORS as error:
            raise data.ImageError(f"{name}: cannot be written: {error}") from error


class Sessions:
    """The sessions of all users, by the hash that Gradio gives to each open page.

    Args:
        models: as for `Session`.
        folder: where results to download are written.
        limits: of one uploaded file.
    """

    def __init__(self, models: Mapping[str, Colorizer], folder: Path, limits: Limits = Limits()):
        self.models, self._folder, self.limits = models, folder, limits
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # used last comes last
        self._emptied: set[str] = set()  # keys of sessions that made room
        self._lock = threading.Lock()

    def get(self, key: str) -> Session:
        """The session of a page, new if there is none. Others may be closed to make room."""
        with self._lock:
            if key not in self._sessions:
                folder = Path(tempfile.mkdtemp(prefix="session", dir=self._folder))
                session = self._sessions[key] = Session(self.models, folder, self.limits)
                if key in self._emptied:
                    self._emptied.discard(key)
                    session.notice = ROOM_WAS_MADE
            self._sessions.move_to_end(key)
            session = self._sessions[key]
            closed = self._make_room()
        for one in closed:
            one.close()
        return session

    def _make_room(self) -> list[Session]:
        """Takes sessions out that are not at work, until the others are within the limits."""
        sizes = {key: session.size() for key, session in self._sessions.items()}
        closed = []
        for key in list(sizes)[:-1]:
            total = sum(sizes.values())
            helps = len(sizes) > MAX_SESSIONS or (total > MAX_ALL_BYTES and sizes[key])
            if helps and not self._sessions[key].lock.locked():
                closed.append(self._sessions.pop(key))
                if sizes.pop(key):
                    self._emptied.add(key)
        return closed

    def close(self, key: str) -> None:
        """Forgets a session, whose page is closed."""
        with self._lock:
            session = self._sessions.pop(key, None)
            self._emptied.discard(key)
        if session:
            session.close()


def delete_cut_off(folder: Path) -> None:
    """Deletes what is left of uploads that were cut off, which Gradio forgets.

    These are the files in the folder itself, not in those below it. Those of a running upload come
    one after the other and leave together, so that none goes while another one grows.
    """
    with contextlib.suppress(OSError):  # one has just been moved to its place
        now = time.time()
        ages = {path: now - path.stat().st_mtime for path in folder.iterdir() if path.is_file()}
        still = min(ages.values(), default=0.0) > CUT_OFF_SECONDS
        for path, age in ages.items():
            if age > (CUT_OFF_SECONDS if still else MAX_UPLOAD_SECONDS):
                path.unlink(missing_ok=True)


def _reduced(image: Image.Image, side: int) -> Image.Image:
    image = image.copy()
    image.thumbnail((side, side), Image.Resampling.BOX)
    return image


def parse_color(text: str | None) -> tuple[int, int, int]:
    """Reads a color as a browser gives it, `#c0392b` or `rgba(192, 57, 43, 1)`: sRGB in 0..255."""
    text = text or ""
    parts = text.removeprefix("rgba(").removesuffix(")").split(",")
    try:
        if text.startswith("rgba("):
            red, green, blue = (min(255, max(0, round(float(part)))) for part in parts[:3])
            return red, green, blue
        return ImageColor.getrgb(text)[:3]
    except (ValueError, OverflowError):
        raise UserError(f"a color must be such as #c0392b. Received: {brief(text)}") from None


def _data_uri(rgb8: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(rgb8).save(buffer, "JPEG", quality=PREVIEW_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
