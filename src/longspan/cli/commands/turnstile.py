"""`longspan turnstile`: people at a door: enrol, remove, list, and watch who comes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, label, print_table
from longspan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from longspan.people import Gallery

__all__ = ["turnstile"]

turnstile = typer.Typer(
    rich_markup_mode=None,
    add_help_option=False,
    help="People at a door: enrol them from photos, remove them, watch who comes. Faces are kept as vectors in one "
    "file, photos are not. There is no liveness detection: a photo of somebody opens the door for that person.",
)

_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".pgm")
_File = Annotated[str, Opt("--gallery", metavar="FILE", help="The file of the gallery.")]
_Key = Annotated[str | None, Opt("--key-file", metavar="FILE", help="The key of an encrypted gallery.")]
_Json = Annotated[bool, Opt("--json", help="Print JSON.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Whom the gallery knows by this name.")]


@turnstile.callback(invoke_without_command=True)
def _turnstile(
    ctx: typer.Context,
    show_help: Annotated[bool, Opt("--help", "-h", help="Show this message and exit.")] = False,
) -> None:
    if show_help or ctx.invoked_subcommand is None:
        print(ctx.get_help())
        raise typer.Exit


@turnstile.command()
def enrol(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom to call the person.")],
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Photos, or folders of them, of one person.")],
    gallery: _File,
    key_file: _Key = None,
    threshold: Annotated[
        float | None, Opt(metavar="X", help="For a new gallery: least similarity at which somebody is known.")
    ] = None,
    update: Annotated[bool, Opt("--update", help="Add photos to somebody who is enrolled.")] = False,
    allow_conflict: Annotated[
        bool, Opt("--allow-conflict", help="Also somebody who is as similar to another as to themselves: twins.")
    ] = False,
) -> None:
    """Enrol a person from photos, or add photos; the gallery is made if it is not there.

    A photo must show one face, from the front, large, sharp and well lit; each that does not is named with the reason.
    """
    files = _images(photos)
    if threshold is not None and Path(gallery).expanduser().exists():
        raise ConfigError("--threshold is for a new gallery; `longspan turnstile threshold` changes that of another.")
    from longspan.people.faces import FaceReader
    from longspan.people.gallery import Gallery

    reader = FaceReader()
    faces, refused = [], []
    for file in files:
        try:
            faces.append(reader.read_one(file))
        except DataError as error:
            refused.append(str(error))
    for words in refused:
        print(label("left out", words))
    if not faces:
        raise DataError(f"None of the {len(files)} photos of {name!r} can be enrolled; see above.")
    if Path(gallery).expanduser().exists():
        opened = Gallery.open(gallery, model=reader.embedder.model, key_file=key_file)
    else:
        from longspan.people.thresholds import DEFAULT_THRESHOLD

        opened = Gallery.create(
            gallery, model=reader.embedder.model, dim=reader.embedder.dim,
            threshold=DEFAULT_THRESHOLD if threshold is None else threshold, key_file=key_file,
        )  # fmt: skip
    with opened:
        take = opened.update if update else opened.enrol
        found = take(
            name, [face.vector for face in faces], qualities=[face.quality.to_json() for face in faces],
            allow_conflict=allow_conflict,
        )  # fmt: skip
        for words in found.refused:
            print(label("left out", words))
        for match in found.conflicts:
            print(label("conflict", f"{match.name} is as similar ({match.similarity:.2f}): the two may be confused"))
        print(label("updated" if update else "enrolled", f"{found.person.name}, {found.person.entries} photos"))


@turnstile.command()
def remove(name: _Name, gallery: _File, key_file: _Key = None) -> None:
    """Take a person out for good, and prove it: the file is searched for what it held of them."""
    with _opened(gallery, key_file) as opened:
        found = opened.remove(name)
        print(label("removed", f"{name}, {found.entries} vectors (person {found.id} in the log)"))
        print(label("searched", f"{found.searched_bytes:,} bytes: nothing of them is left in the file"))
        print(label("left", f"{found.people_left} people; sha256 of the file {found.file_sha256}"))


@turnstile.command("list")
def list_(gallery: _File, key_file: _Key = None, as_json: _Json = False) -> None:
    """Who is enrolled."""
    with _opened(gallery, key_file) as opened:
        people = opened.people
        if as_json:
            rows = [{"name": each.name, "photos": each.entries, "added": each.added, "id": each.id} for each in people]
            print(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        cells = [[each.name, str(each.entries), each.added[:10], each.changed[:10], each.id] for each in people]
        print_table(["name", "photos", "enrolled", "changed", "number"], cells, right=[1])
        print(f"{len(people)} people; known from a similarity of {opened.threshold:.2f}; vectors of {opened.model}")


@turnstile.command()
def log(gallery: _File, key_file: _Key = None, as_json: _Json = False) -> None:
    """What was done when; people go by their numbers, so that the log names nobody."""
    with _opened(gallery, key_file) as opened:
        entries = opened.log()
        if as_json:
            print(json.dumps(entries, indent=1))
            return
        for each in entries:
            rest = ", ".join(f"{key} {value}" for key, value in each.items() if key not in ("at", "action", "person"))
            print(f"{each['at'][:19].replace('T', ' ')}  {each['action']:<10} {each['person']:<17} {rest}".rstrip())


@turnstile.command()
def check(gallery: _File, key_file: _Key = None) -> None:
    """Read the whole file, and say whether it is sound and its log unchanged."""
    with _opened(gallery, key_file) as opened:
        opened.check()
        print(label("checked", f"{len(opened)} people; the file is sound, and nobody changed its log"))


@turnstile.command()
def threshold(
    value: Annotated[float, typer.Argument(metavar="X", help="Least similarity, between -1 and 1.")],
    gallery: _File,
    key_file: _Key = None,
    margin: Annotated[
        float | None, Opt(metavar="X", help="By how much the most similar person must be ahead of the next.")
    ] = None,
) -> None:
    """Change from which similarity somebody is known."""
    with _opened(gallery, key_file) as opened:
        opened.set_threshold(value, margin)
        print(label("known", f"from a similarity of {opened.threshold:.2f}, {opened.margin:.2f} ahead of the next"))


@turnstile.command()
def key(file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write.")]) -> None:
    """Write a new key for an encrypted gallery: enrol with --key-file FILE. Who loses it loses the gallery."""
    from longspan.people.gallery_file import make_key

    print(label("key", f"{make_key(file)}; keep it apart from the gallery and its copies"))


@turnstile.command()
def watch(
    gallery: _File,
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[PHOTO|FOLDER|VIDEO...]", help="What comes to the door.")
    ] = None,
    camera: Annotated[int | None, Opt(metavar="N", help="Number of a camera, 0 for the first.")] = None,
    frames: Annotated[
        int | None,
        Opt(metavar="N", help="Images in a row that must show the same person.  [default: 1; of a camera or video 3]"),
    ] = None,
    key_file: _Key = None,
    as_json: Annotated[bool, Opt("--json", help="One JSON object for each image.")] = False,
) -> None:
    """Look at images one after the other, and say for each whether the door opens, for whom and why.

    It stays closed in every doubt. The exit code is 0 whatever is decided; a camera that goes away ends with 2.
    """
    if (camera is None) == (not sources):
        raise ConfigError("Name photos, folders or a video, or --camera N.")
    from longspan.people.door import Door

    with _opened(gallery, key_file) as opened:
        videos = [each for each in sources or () if Path(each).suffix.lower() in _VIDEOS]
        if videos and len(sources or ()) > 1:
            raise ConfigError("Name one video, or photos.")
        moving = camera is not None or bool(videos)
        photos = [] if moving else _images(sources or ())
        door = Door(opened, frames=frames if frames is not None else 3 if moving else 1)
        shown: Iterator[tuple[str, Any]] = (
            _stream(camera if camera is not None else videos[0]) if moving else ((file, file) for file in photos)
        )
        with interruptible(lambda: "Stopped watching; the door is closed."):
            for where, image in shown:
                decision = door.look(image)
                if as_json:
                    print(json.dumps({"image": where, **decision.to_json()}, ensure_ascii=False), flush=True)
                    continue
                state = f"open for {decision.name}" if decision.open else "closed"
                print(f"{where}  {state}: {decision.reason}", flush=True)


@turnstile.command()
def serve(
    gallery: _File,
    keys: Annotated[
        str, Opt("--keys", metavar="FILE", help="A file with keys, one in each line, which the page asks for.")
    ],
    key_file: _Key = None,
    host: Annotated[str, Opt(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Opt(metavar="N", help="Port to listen on.")] = 8000,
    frames: Annotated[int, Opt(metavar="N", help="Images in a row that must show the same person.")] = 2,
    check_only: Annotated[bool, Opt("--check", help="Load everything and check every setting, then exit.")] = False,
) -> None:
    """Serve a web page: the browser's camera at the door, and a desk to enrol and remove people.

    Every request shows a key: who may enrol may open the door. Browsers give a camera to pages of this machine
    (localhost) and to those behind HTTPS alone. The gallery must be there: `longspan turnstile enrol` makes it.
    """
    from longspan.extras import require_extra

    require_extra("serve", "longspan turnstile serve")
    from longspan.serve.keys import read_keys
    from longspan.serve.server import check_port

    known = read_keys(keys)
    if not 1 <= port <= 65535:
        raise ConfigError(f"--port must be between 1 and 65535, got {port}.")
    with _opened(gallery, key_file) as opened:
        check_port(host, port)
        from longspan.people.door import Door
        from longspan.serve.turnstile import make_turnstile_app

        app = make_turnstile_app(Door(opened, frames=frames), keys=known)
        print(label("gallery", f"{len(opened)} people, known from a similarity of {opened.threshold:.2f}"))
        if check_only:
            print(label("checked", "everything is in order"))
            return
        import uvicorn

        shown = "localhost" if host in ("0.0.0.0", "::") else host
        print(label("serving", f"http://{shown}:{port}  (Ctrl+C stops)"), flush=True)
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)


_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


def _stream(source: int | str) -> Iterator[tuple[str, Any]]:
    """Images of a camera or video, as `(H, W, 3)` uint8, with the second or number of each."""
    from longspan.extras import require_extra

    require_extra("video", "Watching a camera or a video")
    import cv2

    if isinstance(source, str) and not Path(source).expanduser().is_file():
        raise ConfigError(f"There is no video {source}.")
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(Path(source).expanduser()))
    try:
        if not capture.isOpened():
            what = f"The camera {source}" if isinstance(source, int) else f"The video {source}"
            raise ConfigError(f"{what} cannot be opened. The door stays closed.")
        number = 0
        while True:
            there, image = capture.read()
            if not there:
                if isinstance(source, int) or not number:
                    what = "The camera gives no more images" if isinstance(source, int) else "The video holds no image"
                    raise DataError(f"{what}. The door stays closed.")
                return
            number += 1
            yield f"image {number}", cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _opened(gallery: str, key_file: str | None) -> Gallery:
    from longspan.people.gallery import Gallery

    return Gallery.open(gallery, key_file=key_file)


def _images(sources: Sequence[str]) -> list[str]:
    """Files, and the images in folders, in order.

    Raises:
        ConfigError: one is not there, or a folder holds none.
    """
    found: list[str] = []
    for source in sources:
        path = Path(source).expanduser()
        if path.is_dir():
            inside = sorted(str(each) for each in path.iterdir() if each.suffix.lower() in _IMAGES)
            if not inside:
                raise ConfigError(f"The folder {source} holds no photo ({', '.join(_IMAGES[:4])} ...).")
            found += inside
        elif os.path.exists(path):
            found.append(str(path))
        else:
            raise ConfigError(f"There is no photo {source}.")
    return found
