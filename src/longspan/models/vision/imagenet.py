"""Finds torchvision's published weights: cache, then the folder of data packs, then the public address."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from safetensors.torch import save_file

from longspan.errors import ChecksumError, FetchError, WeightsError
from longspan.light_torchvision import import_torchvision
from longspan.models.backbone import Backbone
from longspan.models.pth import read_pth
from longspan.models.vision.torchvision_nets import TorchvisionNet
from longspan.models.vision.vgg16 import FromPublished

__all__ = ["imagenet_file", "weights_cache"]

_TIMEOUT_S = 30
_CHUNK = 1 << 20


def weights_cache() -> Path:
    """Folder of converted weights: `weights` in LONGSPAN_CACHE, or in the user's cache folder for longspan."""
    named = os.environ.get("LONGSPAN_CACHE")
    if named:
        return Path(named) / "weights"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "longspan" / "weights"


def imagenet_file(model: Backbone) -> Path:
    """A safetensors file with torchvision's published weights (`DEFAULT`) for `model`, fetched once.

    Looks in the cache, then at `LONGSPAN_DATA/weights/<name>.safetensors`, then at the address that torchvision
    publishes, whose file is checked by the sha256 in its name and converted without running its pickle.

    Networks that start from another's weights get the file of that one.

    Raises: WeightsError if none are published for it, or the file is not a state dict; FetchError if it cannot be
    downloaded; ChecksumError if what came is not what was published.
    """
    if isinstance(model, FromPublished):
        name = model.published_name
    elif isinstance(model, TorchvisionNet):
        name = model.name
    else:
        raise WeightsError(
            f"No weights trained on ImageNet are published for {model.name}. Leave weights out, or give a file."
        )
    address = _address(name)
    cached = weights_cache() / (Path(address).stem + ".safetensors")
    if cached.is_file():
        return cached
    packs = os.environ.get("LONGSPAN_DATA")
    if packs and (pack := Path(packs) / "weights" / f"{name}.safetensors").is_file():
        return pack
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix=".fetch-") as folder:
        downloaded = Path(folder) / "published.pth"
        _download(address, downloaded, name)
        converted = Path(folder) / cached.name
        save_file(read_pth(downloaded), converted, metadata={"source": address})
        os.replace(converted, cached)
    return cached


def _address(name: str) -> str:
    get_model_weights = import_torchvision().models.get_model_weights

    # The enum's class, whose alias DEFAULT every network has; typed as the bare base class by torchvision.
    return str(get_model_weights(name)["DEFAULT"].value.url)


def _download(address: str, target: Path, name: str) -> None:
    """Write what `address` gives to `target` and check it against the sha256 prefix in the address."""
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as response, target.open("wb") as file:
            while chunk := response.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
            expected = int(response.headers.get("Content-Length") or 0)
            if expected and file.tell() != expected:
                raise http.client.IncompleteRead(b"", expected - file.tell())
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise FetchError(
            f"The ImageNet weights of {name} are in no cache and could not be downloaded from {address}: {error}. "
            f"Without network, put them as weights/{name}.safetensors (torchvision's parameter names) into the folder "
            "that LONGSPAN_DATA names, or leave weights out to train from scratch."
        ) from error
    prefix = re.search(r"-([0-9a-f]{8,})\.pth$", address)
    if prefix and not digest.hexdigest().startswith(prefix[1]):
        raise ChecksumError(
            f"{address} gave a file whose sha256 begins with {digest.hexdigest()[: len(prefix[1])]}, expected "
            f"{prefix[1]}. It was not kept; try again, or on another network."
        )
