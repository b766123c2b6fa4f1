"""Only files are read: nothing that bears a file's name makes a reader wait or fill the memory."""

import os
import socket
from pathlib import Path

import pytest

from musclefm.storage.regular_file import (
    LargeFileError,
    NotRegularFileError,
    open_regular,
    read_regular,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="FIFOs and devices are files of Unix")


def test_a_file_is_read_through_a_link_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"
    with pytest.raises(NotRegularFileError, match="a link"):
        open_regular(tmp_path / "link", links=False)


@pytest.mark.parametrize("links", [True, False])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, links: bool) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
    for path in (*tmp_path.iterdir(), Path("/dev/zero"), Path("/dev/tty")):
        with pytest.raises(NotRegularFileError) as caught:
            open_regular(path, links=links)
        assert caught.value.filename is None


def test_a_file_put_in_its_place_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    as_a_file = (tmp_path / "file").stat()
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    monkeypatch.setattr(Path, "stat", lambda *_, **__: as_a_file)
    with pytest.raises(NotRegularFileError, match="a FIFO"):
        open_regular(tmp_path / "file")


def test_no_more_is_read_than_the_content_can_need(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(LargeFileError):
        read_regular(tmp_path / "file", 4)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "file")
