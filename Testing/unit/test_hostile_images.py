"""Images made to do harm: one line, soon, within the memory, and no file is opened but a plain one.

ITK ended the process on several of them.
"""

import gzip
import os
import re
import resource
import tracemalloc
import zlib

import numpy as np
import psutil
import pytest
from image_files import PATIENT, edit_nifti, refusal

from musclefm.errors import MuscleFMError
from musclefm.pipeline.find_cases import find_cases
from musclefm.volumes import memory
from musclefm.volumes.formats import byte_source
from musclefm.volumes.formats.text_header import LARGEST_HEADER
from musclefm.volumes.reading import read_volume
from musclefm.volumes.stored import read_stored
from musclefm.volumes.writing import write_volume

MEGABYTE = 1 << 20


@pytest.fixture
def detached(tmp_path, oblique_volume):
    """Return a function that writes a header which names a file with the voxels."""

    def write(ending, name):
        (tmp_path / "voxels.raw").write_bytes(oblique_volume.array.tobytes())
        sizes = " ".join(map(str, oblique_volume.array.shape[::-1]))
        if ending in (".nrrd", ".nhdr"):
            text = (
                f"NRRD0005\ntype: float\ndimension: 3\nsizes: {sizes}\nencoding: raw\n"
                f"endian: little\nspacings: 1 1 5\ndata file: {name}\n"
            )
        else:
            text = (
                f"ObjectType = Image\nNDims = 3\nDimSize = {sizes}\nElementSpacing = 1 1 5\n"
                f"ElementType = MET_FLOAT\nElementDataFile = {name}\n"
            )
        (tmp_path / f"{PATIENT}{ending}").write_text(text)
        return tmp_path / f"{PATIENT}{ending}"

    return write


@pytest.fixture
def little_memory():
    """Require that far less memory is taken than what a file claims or unpacks to."""
    tracemalloc.start()
    yield
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 * MEGABYTE


class TestOtherFiles:
    @pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".mha", ".mhd"])
    @pytest.mark.parametrize("name", ["voxels.raw", "./voxels.raw"])
    def test_a_plain_file_beside_the_header_is_read(self, detached, oblique_volume, ending, name):
        read = read_volume(detached(ending, name)).volume
        np.testing.assert_array_equal(read.array, oblique_volume.array)

    @pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".mha", ".mhd"])
    @pytest.mark.parametrize(
        "name",
        [
            "{folder}/voxels.raw", "../{name}/voxels.raw", "below/voxels.raw", "..", ".",
            "LIST", "LIST 3", "voxels.%d 1 3 1", "%s%s%s%n%n%n%n 1 3 1", "link.raw", "fifo.raw",
            "below", "/dev/zero", "/dev/stdin", "/proc/self/mem", "C:\\voxels.raw",
        ],
    )  # fmt: skip
    def test_everything_else_is_refused(self, tmp_path, detached, ending, name):
        (tmp_path / "link.raw").symlink_to("voxels.raw")
        os.mkfifo(tmp_path / "fifo.raw")
        (tmp_path / "below").mkdir()
        (tmp_path / "below" / "voxels.raw").write_bytes(b"\0" * 100_000)
        path = detached(ending, name.format(folder=tmp_path, name=tmp_path.name))
        # A list or a pattern is the name of a file that is not there.
        expected = "damaged or incomplete|not in this file nor in one plain file beside it"
        assert re.search(expected, refusal(path))

    @pytest.mark.parametrize("ending", [".nrrd", ".mha"])
    def test_what_the_library_keeps_holds_its_own_voxels(self, detached, ending):
        with pytest.raises(MuscleFMError, match="not in this file"):
            read_stored(detached(ending, "voxels.raw"), "the map")

    def test_a_pair_is_nothing_that_the_library_keeps(self, tmp_path, oblique_volume):
        write_volume(oblique_volume, tmp_path / "map.nii")
        (tmp_path / "map.nii").rename(tmp_path / "map.hdr")
        with pytest.raises(MuscleFMError, match="not in this file"):
            read_stored(tmp_path / "map.hdr", "the map")

    @pytest.mark.parametrize("half", [".img", ".hdr"])
    def test_half_a_pair_that_is_no_file(self, tmp_path, oblique_volume, half):
        path = tmp_path / f"{PATIENT}.nii"
        write_volume(oblique_volume, path)
        content = path.read_bytes()[:344] + b"ni1\0"
        other = {".img": ".hdr", ".hdr": ".img"}[half]
        (tmp_path / f"{PATIENT}{other}").write_bytes(content)
        os.mkfifo(tmp_path / f"{PATIENT}{half}")
        assert "not in this file" in refusal(tmp_path / f"{PATIENT}{other}")

    @pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha", ".dcm", ""])
    def test_what_is_no_file_is_refused_without_waiting(self, tmp_path, ending):
        os.mkfifo(tmp_path / f"{PATIENT}{ending}")
        assert "neither a file nor a folder" in refusal(tmp_path / f"{PATIENT}{ending}")
        (tmp_path / f"link{ending}").symlink_to("/dev/zero")
        assert "neither a file nor a folder" in refusal(tmp_path / f"link{ending}")
        with pytest.raises(MuscleFMError):
            read_stored(tmp_path / f"{PATIENT}{ending}", "the map")

    def test_a_folder_of_scans_does_not_wait_for_a_fifo(self, tmp_path, oblique_volume):
        write_volume(oblique_volume, tmp_path / "scan.nii.gz")
        os.mkfifo(tmp_path / "fifo")
        assert [case.path.name for case in find_cases(tmp_path)] == ["scan.nii.gz"]


@pytest.mark.usefixtures("little_memory")
class TestGiants:
    def test_a_header_without_end(self, tmp_path):
        for ending, magic in ((".nrrd", b"NRRD0005\n"), (".mha", b"ObjectType = Image\n")):
            path = tmp_path / f"{PATIENT}{ending}"
            with path.open("wb") as file:
                file.write(magic + b"key:=value\n" * 10)
                # One line of 200 MB that takes no disk.
                file.truncate(200 * MEGABYTE)
            assert "header" in refusal(path)
            path.write_bytes(magic + b"#" * (LARGEST_HEADER + 1) + b"\n\n")
            assert "header" in refusal(path)

    def test_a_million_keys(self, tmp_path):
        for ending, magic in ((".nrrd", "NRRD0005\n"), (".mha", "ObjectType = Image\n")):
            path = tmp_path / f"{PATIENT}{ending}"
            path.write_text(magic + "key:=value\n" * 1_000_000)
            assert "more than 20000 lines" in refusal(path)

    @pytest.mark.parametrize(
        "offset", [1e30, -1e30, float("inf"), float("nan"), 2.0**31, -352, 0, 100]
    )
    @pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
    def test_voxels_that_begin_nowhere(self, tmp_path, oblique_volume, offset, ending):
        path = tmp_path / f"{PATIENT}.nii"
        write_volume(oblique_volume, path)
        edit_nifti(path, vox_offset=offset)
        if ending == ".nii.gz":
            content = path.read_bytes()
            path = tmp_path / f"{PATIENT}.nii.gz"
            path.write_bytes(gzip.compress(content))
        assert "damaged" in refusal(path)

    def test_more_voxels_than_the_file_can_hold(self, tmp_path, oblique_volume):
        path = tmp_path / f"{PATIENT}.nii"
        write_volume(oblique_volume, path)
        edit_nifti(path, dim=(3, 900, 900, 900, 1, 1, 1, 1))
        (tmp_path / f"{PATIENT}.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
        for zipped in (path, tmp_path / f"{PATIENT}.nii.gz"):
            assert "truncated (0 % of its voxels" in refusal(zipped)

    def test_voxels_in_digits_from_a_short_file(self, tmp_path):
        path = tmp_path / f"{PATIENT}.nrrd"
        path.write_bytes(
            b"NRRD0005\ntype: int\ndimension: 3\nsizes: 900 900 900\nencoding: ascii\n\n1 2 3"
        )
        assert "truncated (0 %" in refusal(path)


def bomb(start, megabytes):
    """Return gzip data of some bytes and then zeros without end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(start)]
    pieces += [packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)]
    return b"".join([*pieces, packer.flush()])


class TestZipped:
    @pytest.fixture
    def content(self, tmp_path, oblique_volume):
        write_volume(oblique_volume, tmp_path / "volume.nii")
        return (tmp_path / "volume.nii").read_bytes()

    @pytest.mark.parametrize(
        "tail",
        [
            b"\0" * 5000,
            b"garbage",
            b"\x1f",
            b"\x1f\x8b",
            b"\x1f\x8bgarbage",
            gzip.compress(b"", mtime=0),
        ],
    )
    def test_a_tail_behind_the_voxels_is_no_harm(self, tmp_path, content, oblique_volume, tail):
        path = tmp_path / f"{PATIENT}.nii.gz"
        path.write_bytes(gzip.compress(content) + tail)
        read = read_volume(path)
        np.testing.assert_array_equal(read.volume.array, oblique_volume.array)
        assert read.notes == ()

    def test_voxels_in_several_members_are_read(self, tmp_path, content, oblique_volume):
        members = [gzip.compress(content[at : at + 999]) for at in range(0, len(content), 999)]
        path = tmp_path / f"{PATIENT}.nii.gz"
        path.write_bytes(b"".join(members))
        np.testing.assert_array_equal(read_volume(path).volume.array, oblique_volume.array)
        members[4] = members[4][:-8] + b"\0" * 8
        path.write_bytes(b"".join(members))
        assert "damaged" in refusal(path)

    def test_a_wrong_checksum_is_found_behind_padding(self, tmp_path, content):
        zipped = bytearray(gzip.compress(content + bytes(5000)))
        zipped[-8] ^= 1
        path = tmp_path / f"{PATIENT}.nii.gz"
        path.write_bytes(zipped)
        assert "damaged" in refusal(path)

    def test_a_stream_that_goes_on_is_left_there(
        self, tmp_path, content, oblique_volume, little_memory
    ):
        path = tmp_path / f"{PATIENT}.nii.gz"
        path.write_bytes(bomb(content, 300))
        inflated = 0
        read_piece = byte_source.ByteSource.read

        def counted(source, count):
            nonlocal inflated
            piece = read_piece(source, count)
            inflated += len(piece)
            return piece

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(byte_source.ByteSource, "read", counted)
            read = read_volume(path)
        np.testing.assert_array_equal(read.volume.array, oblique_volume.array)
        assert "continues behind its voxels" in read.notes[0]
        assert inflated < len(content) + 5 * MEGABYTE

    def test_a_name_without_end_in_the_gzip_header(self, tmp_path, content, little_memory):
        path = tmp_path / f"{PATIENT}.nii.gz"
        path.write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (20 * MEGABYTE))
        assert "damaged" in refusal(path)
        path.write_bytes(
            b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 99_999 + b"\0" + gzip.compress(content)[10:]
        )
        assert read_volume(path)

    @pytest.mark.parametrize("ending", [".nrrd", ".mha"])
    def test_a_tail_of_other_formats_is_no_harm(self, tmp_path, oblique_volume, ending):
        path = tmp_path / f"{PATIENT}{ending}"
        write_volume(oblique_volume, path)
        path.write_bytes(path.read_bytes() + b"garbage")
        np.testing.assert_array_equal(read_volume(path).volume.array, oblique_volume.array)


def test_memory_is_counted_before_it_is_taken(tmp_path, oblique_volume, monkeypatch):
    path = tmp_path / f"{PATIENT}.nii"
    write_volume(oblique_volume, path)
    edit_nifti(path, dim=(3, 1000, 1000, 500, 1, 1, 1, 1))
    monkeypatch.setattr("musclefm.volumes.checks.free_memory", lambda: 1_234_567_890)
    assert "take 4 GB of memory where 1.235 GB are free" in refusal(path)
    monkeypatch.setattr("musclefm.volumes.checks.free_memory", lambda: 4_000_000_000)
    assert "truncated" in refusal(path)


def test_the_memory_of_a_container_counts(tmp_path, monkeypatch):
    for name, content in (
        ("memory.max", "3000000"),
        ("memory.current", "2500000"),
        ("memory.stat", "anon 7\ninactive_file 100000\n"),
    ):
        (tmp_path / name).write_text(content)
    group = (tmp_path, "memory.max", "memory.current", "inactive_file")
    monkeypatch.setattr(memory, "_GROUPS", (group,))
    assert memory.free_memory() == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 600_000


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_AS"), reason="only Linux tells the limit")
def test_a_limit_of_the_process_counts(tmp_path, oblique_volume):
    path = tmp_path / f"{PATIENT}.nii"
    write_volume(oblique_volume, path)
    edit_nifti(path, dim=(3, 1000, 1000, 900, 1, 1, 1, 1))
    limits = resource.getrlimit(resource.RLIMIT_AS)
    taken = psutil.Process().memory_info().vms
    try:
        resource.setrlimit(resource.RLIMIT_AS, (taken + (1 << 30), limits[1]))
        assert "GB of memory where 1.0" in refusal(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
