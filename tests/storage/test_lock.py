"""One process at a time in a folder, and no lock that outlives its process."""

import os
import signal
import subprocess
import sys

import pytest

from longspan.errors import CheckpointError, ConfigError
from longspan.storage.lock import FolderLock

SCRIPT = """
import sys, time
from longspan.storage.lock import FolderLock
with FolderLock(sys.argv[1], ".lock", what="it"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_by_name_and_the_file_is_gone_afterwards(tmp_path):
    with FolderLock(tmp_path / "new", ".lock", what="--out new"):
        with (
            pytest.raises(CheckpointError, match=r"^--out new is in use by another part of this program\. Wait"),
            FolderLock(tmp_path / "new", ".lock", what="--out new", error=CheckpointError),
        ):
            pass
        with FolderLock(tmp_path / "new", ".other", what="another name"):
            pass
    assert not (tmp_path / "new").exists(), "it was made for nothing"
    (tmp_path / "old").mkdir()
    with FolderLock(tmp_path / "old", ".lock", what="--out old"):
        assert (tmp_path / "old" / ".lock").exists()
    assert list((tmp_path / "old").iterdir()) == []


def test_another_process_has_it_until_it_is_killed(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "locked\n"
        refused = rf"^it is in use by another run \(process {process.pid}\)"
        with pytest.raises(ConfigError, match=refused), FolderLock(tmp_path, ".lock", what="it"):
            pass
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert (tmp_path / ".lock").exists()
    with FolderLock(tmp_path, ".lock", what="it"):
        pass
    assert not (tmp_path / ".lock").exists()


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"cannot be made or locked.*can be written to"),
        FolderLock(tmp_path / "file", ".lock", what="it"),
    ):
        pass
