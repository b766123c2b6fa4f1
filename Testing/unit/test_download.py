"""Downloads go on where they stopped, are what they should be, and wait for a yes."""

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import FileServer, serving
from filelock import FileLock

from musclefm.errors import MuscleFMError
from musclefm.models.imports.sam import OFFICIAL_CHECKPOINTS
from musclefm.progress import ProgressEvent, silent
from musclefm.storage import download as downloading
from musclefm.storage.download import RemoteFile, discard_download, download, file_in_folder

CONTENT = random.Random(3).randbytes(2_500_000)
PART = 1_200_000


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and past a proxy that the computer may have."""
    monkeypatch.setattr(downloading, "_REST_S", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer(CONTENT)) as file:
        yield file


def remote(server: FileServer, content: bytes = CONTENT) -> RemoteFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return RemoteFile(server.address, "weights.pth", len(content), sha256)


def refusal(server: FileServer, folder: Path, content: bytes = CONTENT) -> str:
    with pytest.raises(MuscleFMError) as caught:
        download(remote(server, content), folder, silent)
    assert not (folder / "weights.pth").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_comes_whole_and_tells_how_far_it_is(server: FileServer, tmp_path: Path) -> None:
    reported: list[ProgressEvent] = []
    path = download(remote(server), tmp_path / "new" / "folder", reported.append)
    assert path.read_bytes() == CONTENT
    assert [x.name for x in path.parent.iterdir() if not x.name.startswith(".")] == [path.name]
    done = [event.done for event in reported]
    assert done == sorted(done) and (done[-1], reported[-1].total) == (2, 2)


def test_it_is_not_downloaded_twice(server: FileServer, tmp_path: Path) -> None:
    path = download(remote(server), tmp_path, silent)
    download(remote(server), tmp_path, silent)
    assert server.asked == [""]
    path.write_bytes(b"spoilt")
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT


def test_a_cut_connection_goes_on_where_it_was(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [PART, 0, 700_000, 1]
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT
    assert server.asked == ["", f"{PART}-", f"{PART}-", "1900000-", "1900001-"]


def test_what_was_stopped_is_resumed_by_the_next_run(server: FileServer, tmp_path: Path) -> None:
    def stop(event: ProgressEvent) -> None:
        if event.done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(remote(server), tmp_path, stop)
    part = (tmp_path / "weights.pth.part").stat().st_size
    assert 1_000_000 <= part < len(CONTENT)
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT
    assert server.asked[1:] == [f"{part}-"]


def test_a_server_that_cannot_resume_begins_anew(server: FileServer, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [PART]
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_part_that_was_not_asked_for_is_not_taken(server: FileServer, tmp_path: Path) -> None:
    server.cuts, server.shift = [PART], 5
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT
    assert server.asked == ["", f"{PART}-", ""]


def test_a_server_that_is_busy_is_asked_again(server: FileServer, tmp_path: Path) -> None:
    server.statuses = [503, 429, 500]
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT


def test_a_connection_that_always_breaks_is_given_up_and_the_part_kept(
    server: FileServer, tmp_path: Path
) -> None:
    server.cuts = [PART] + [0] * 50
    said = refusal(server, tmp_path)
    assert "resumes where it stopped" in said and "127.0.0.1" in said
    assert (tmp_path / "weights.pth.part").read_bytes() == CONTENT[:PART]
    assert len(server.asked) < 10


def test_a_server_that_cannot_resume_and_always_breaks_is_given_up(
    server: FileServer, tmp_path: Path
) -> None:
    server.ranges, server.cuts = False, [PART] * 50
    assert "cannot be downloaded" in refusal(server, tmp_path)
    assert len(server.asked) < 10


@pytest.mark.parametrize("status", [403, 404])
def test_a_file_that_is_not_there_is_reported_at_once(
    server: FileServer, tmp_path: Path, status: int
) -> None:
    server.statuses = [status]
    assert f"HTTP {status}" in refusal(server, tmp_path)
    assert len(server.asked) == 1


def test_no_server_at_all_is_reported_with_the_way_without_one(
    server: FileServer, tmp_path: Path
) -> None:
    with serving(FileServer(b"")) as gone:
        pass
    server.address = gone.address
    assert "refused" in refusal(server, tmp_path) and server.asked == []


@pytest.mark.parametrize("begun", [0, PART])
def test_wrong_content_is_refused_and_not_kept(
    server: FileServer, tmp_path: Path, begun: int
) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:begun])
    server.content = CONTENT[:-1] + b"?"
    assert "not the known weights.pth" in refusal(server, tmp_path)
    assert not (tmp_path / "weights.pth.part").exists()
    server.content = CONTENT
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT


@pytest.mark.parametrize("begun", [0, PART])
def test_a_larger_file_is_refused_before_all_of_it_has_come(
    server: FileServer, tmp_path: Path, begun: int
) -> None:
    if begun:
        (tmp_path / "weights.pth.part").write_bytes(CONTENT[:begun])
    server.content = CONTENT * 20
    assert "not the known weights.pth" in refusal(server, tmp_path)
    assert not (tmp_path / "weights.pth.part").exists()


def test_a_page_that_comes_instead_spoils_nothing(server: FileServer, tmp_path: Path) -> None:
    server.content, server.ranges = b"<html>Please log in</html>", False
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:PART])
    assert "not the known weights.pth" in refusal(server, tmp_path)
    assert (tmp_path / "weights.pth.part").read_bytes() == CONTENT[:PART]


def test_a_file_that_never_becomes_whole_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.content, server.length = CONTENT[:-1], len(CONTENT)
    assert "cannot be downloaded" in refusal(server, tmp_path)
    assert len(server.asked) < 20


def test_a_part_that_is_too_long_is_begun_anew(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT + b"more")
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT


def test_a_full_disk_is_reported_and_what_has_come_is_kept(
    server: FileServer, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="file size limits are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PART, hard))
    try:
        said = refusal(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk is too full" in said and len(server.asked) == 1
    assert 0 < (tmp_path / "weights.pth.part").stat().st_size <= PART
    assert download(remote(server), tmp_path, silent).read_bytes() == CONTENT
    assert server.asked[-1] != ""


def test_a_disk_with_too_little_room_is_reported_before(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert "disk is too full" in refusal(server, tmp_path)
    assert server.asked == []


def test_a_folder_that_cannot_be_made_is_reported(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MuscleFMError, match="cannot be written"):
        download(remote(server), tmp_path / "file" / "folder", silent)


def test_only_one_program_downloads_a_file(server: FileServer, tmp_path: Path) -> None:
    def while_it_comes(event: ProgressEvent) -> None:
        assert "another program" in refusal(server, tmp_path)
        with pytest.raises(MuscleFMError, match="another program"):
            discard_download(remote(server), tmp_path)

    download(remote(server), tmp_path, while_it_comes)
    assert server.asked == [""]
    with FileLock(tmp_path / ".weights.pth.lock", timeout=0):
        pass


def test_a_folder_serves_without_a_network(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(MuscleFMError, match=r"holds no weights\.pth"):
        file_in_folder(remote(server), tmp_path)
    (tmp_path / "weights.pth").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(MuscleFMError, match="not the known"):
        file_in_folder(remote(server), tmp_path)
    (tmp_path / "weights.pth").write_bytes(CONTENT)
    assert file_in_folder(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_the_official_files_are_distinguished_by_full_hashes() -> None:
    assert [x.name for x in OFFICIAL_CHECKPOINTS] == [
        "sam-vit-b",
        "sam-vit-l",
        "sam-vit-h",
        "medsam-vit-b",
        "lite-medsam",
    ]
    for checkpoint in OFFICIAL_CHECKPOINTS:
        assert checkpoint.remote.address.startswith("https://")
        assert checkpoint.remote.address.endswith(f"/{checkpoint.remote.file}")
        assert len(bytes.fromhex(checkpoint.remote.sha256)) == 32
    assert len({x.remote.sha256 for x in OFFICIAL_CHECKPOINTS}) == len(OFFICIAL_CHECKPOINTS)
