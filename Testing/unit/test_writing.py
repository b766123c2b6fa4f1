"""Writing: the same grid in the file, and whole or not at all."""

import stat
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import SimpleITK as sitk

from musclefm.errors import MuscleFMError
from musclefm.storage.atomic import atomic_bytes, atomic_text, staged_folder
from musclefm.storage.staging import discard_staged
from musclefm.volumes.reading import read_volume
from musclefm.volumes.writing import write_volume

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_order_and_direction_keeps_its_matrix(
    tmp_path, oblique_volume, stored_48_ways, ending
):
    """Read back with ITK, which 3D Slicer uses, and with the library."""
    path = tmp_path / f"volume{ending}"
    all_48 = list(stored_48_ways(oblique_volume))
    for stored in all_48 if ending == ".nii.gz" else all_48[::5]:
        write_volume(stored, path)
        image = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), stored.array)
        matrix = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        np.testing.assert_allclose(matrix, stored.grid.ijk_to_lps[:3, :3], rtol=0, atol=1e-5)
        np.testing.assert_allclose(image.GetOrigin(), stored.grid.origin, rtol=0, atol=1e-3)
        read = read_volume(path).volume
        np.testing.assert_array_equal(read.array, stored.array)
        assert read.grid.matches(stored.grid, tolerance_mm=1e-3)


def test_both_matrices_of_a_nifti_header_say_the_same(tmp_path, oblique_volume, stored_48_ways):
    """Programs differ in which of the two they read."""
    path = tmp_path / "volume.nii"
    for stored in stored_48_ways(oblique_volume):
        write_volume(stored, path)
        content = bytearray(path.read_bytes())
        content[254:256] = bytes(2)  # sform_code: no sform
        path.write_bytes(content)
        image = sitk.ReadImage(str(path))
        matrix = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        np.testing.assert_allclose(matrix, stored.grid.ijk_to_lps[:3, :3], rtol=0, atol=1e-5)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_every_type_of_voxel_survives(tmp_path, oblique_volume, ending, kind):
    array = oblique_volume.array.astype(kind) if kind != "bool" else oblique_volume.array > 200
    write_volume(oblique_volume.with_array(array), tmp_path / f"volume{ending}")
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"volume{ending}")))
    assert read.dtype == (np.uint8 if kind == "bool" else np.dtype(kind))
    np.testing.assert_array_equal(read, array)


def test_the_same_volume_gives_the_same_bytes(tmp_path, oblique_volume):
    for ending in ENDINGS:
        for name in ("one", "other"):
            write_volume(oblique_volume, tmp_path / f"{name}{ending}")
        assert (tmp_path / f"one{ending}").read_bytes() == (
            tmp_path / f"other{ending}"
        ).read_bytes()


def test_a_real_scan_comes_back_on_its_grid(shared, tmp_path):
    path = shared / "scans" / "dixon" / "thigh-distal.nii.gz"
    volume = read_volume(path).volume
    write_volume(volume, tmp_path / "copy.nii.gz")
    original, copy = sitk.ReadImage(str(path)), sitk.ReadImage(str(tmp_path / "copy.nii.gz"))
    np.testing.assert_array_equal(
        sitk.GetArrayViewFromImage(original), sitk.GetArrayViewFromImage(copy)
    )
    assert original.GetOrigin() == copy.GetOrigin()
    assert original.GetSpacing() == copy.GetSpacing()
    assert original.GetDirection() == copy.GetDirection()


def test_an_unknown_ending_is_refused(tmp_path, oblique_volume):
    with pytest.raises(MuscleFMError, match=r"let it end in \.nii\.gz"):
        write_volume(oblique_volume, tmp_path / "volume.png")
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_and_nothing_else_appears(tmp_path):
    path = tmp_path / "muscles.csv"
    path.write_text("old")
    atomic_text(path, "µ new\n")
    assert path.read_text(encoding="utf-8") == "µ new\n"
    assert [file.name for file in tmp_path.iterdir()] == ["muscles.csv"]


def test_files_have_the_rights_that_the_user_gives_new_files(tmp_path):
    (tmp_path / "usual").touch()
    atomic_bytes(tmp_path / "results.bin", b"1")
    with staged_folder(tmp_path / "out") as folder:
        atomic_bytes(folder / "results.bin", b"1")
    (tmp_path / "usual folder").mkdir()
    for made, usual in (("results.bin", "usual"), ("out", "usual folder")):
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (made, usual)]
        assert modes[0] == modes[1]


def test_a_folder_that_is_not_there_is_an_error_without_its_name(tmp_path):
    with pytest.raises(MuscleFMError) as raised:
        atomic_text(tmp_path / "jane doe" / "muscles.csv", "x")
    assert "cannot be written" in str(raised.value)
    assert "doe" not in str(raised.value)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("target", ["volume", "staged", "staged elsewhere"])
def test_a_full_disk_is_reported_in_one_line_and_leaves_nothing(tmp_path, target):
    """A limit on the size of files fails at the same place as a full disk does."""
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        import numpy as np
        from musclefm.errors import MuscleFMError
        from musclefm.volumes.grid import Grid
        from musclefm.volumes.volume import Volume
        from musclefm.storage.atomic import staged_folder
        from musclefm.volumes.writing import write_volume

        grid = Grid((20, 40, 40), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
        volume = Volume(np.random.default_rng(0).normal(size=grid.shape), grid)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        target, here = {target!r}, Path({str(tmp_path)!r})
        try:
            if target == "volume":
                write_volume(volume, here / "volume.nii.gz")
            else:
                with staged_folder(here / "deep" / "out") as folder:
                    (folder / "small.txt").write_text("fits")
                    if target == "staged":
                        write_volume(volume, folder / "volume.nii.gz")
                    else:
                        (folder / "volume.raw").write_bytes(volume.array.tobytes())
        except MuscleFMError as error:
            print(error, file=sys.stderr)
            sys.exit(2)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("the disk is full")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


class TestStagedFolder:
    def test_nothing_is_seen_before_the_end_and_all_of_it_after(self, tmp_path):
        out = tmp_path / "deep" / "out"
        with staged_folder(out) as folder:
            (folder / "labels.txt").write_text("1")
            (folder / "pictures").mkdir()
            (folder / "pictures" / "a.txt").write_text("2")
            assert not out.exists()
        assert sorted(path.name for path in out.rglob("*")) == ["a.txt", "labels.txt", "pictures"]
        assert [path.name for path in out.parent.iterdir()] == ["out"]

    def test_a_folder_that_exists_and_is_empty_is_filled(self, tmp_path):
        with staged_folder(tmp_path) as folder:
            (folder / "labels.txt").write_text("new")
            (folder / "pictures").mkdir()
            (folder / "pictures" / "a.txt").write_text("a")
        assert (tmp_path / "pictures" / "a.txt").read_text() == "a"
        assert {path.name for path in tmp_path.iterdir()} == {"labels.txt", "pictures"}

    def test_a_folder_that_holds_something_is_left_alone(self, tmp_path):
        (tmp_path / "foreign.txt").write_text("foreign")
        for place in (tmp_path, tmp_path / "link"):
            (tmp_path / "link").is_symlink() or (tmp_path / "link").symlink_to(tmp_path)
            with pytest.raises(MuscleFMError, match="not empty"), staged_folder(place):
                pass
        assert (tmp_path / "foreign.txt").read_text() == "foreign"

    def test_a_file_that_comes_meanwhile_stays(self, tmp_path):
        out = tmp_path / "out"
        for place in (out, out / "a.txt"):
            with pytest.raises(MuscleFMError), staged_folder(out, among_others=True) as folder:
                (folder / "a.txt").write_text("new")
                if place == out:
                    out.mkdir()
                (out / "a.txt").write_text("precious")
            assert {path.name: path.read_text() for path in out.iterdir()} == {"a.txt": "precious"}

    def test_files_are_put_among_others_and_replace_none(self, tmp_path):
        (tmp_path / "foreign.txt").write_text("foreign")
        with staged_folder(tmp_path, among_others=True) as folder:
            (folder / "a.txt").write_text("new")
        (tmp_path / "b.txt").symlink_to("nowhere")
        for taken in ("a.txt", "b.txt", "foreign.txt"):
            with (
                pytest.raises(MuscleFMError, match="is taken already"),
                staged_folder(tmp_path, among_others=True) as folder,
            ):
                (folder / "0.txt").write_text("other")
                (folder / taken).write_text("other")
        assert (tmp_path / "a.txt").read_text() == "new"
        assert (tmp_path / "foreign.txt").read_text() == "foreign"
        assert {x.name for x in tmp_path.iterdir()} == {"a.txt", "b.txt", "foreign.txt"}

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError, MemoryError])
    @pytest.mark.parametrize("exists", [False, True])
    def test_an_interruption_leaves_everything_as_before(self, tmp_path, interruption, exists):
        out = tmp_path / "deep" / "out"
        if exists:
            out.mkdir(parents=True)
            (out / "labels.txt").write_text("old")
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(interruption), staged_folder(out, among_others=True) as folder:
            (folder / "labels.txt").write_text("new")
            raise interruption
        assert sorted(tmp_path.rglob("*")) == before
        assert not exists or (out / "labels.txt").read_text() == "old"

    def test_a_file_of_that_name_is_not_overwritten(self, tmp_path):
        (tmp_path / "out").write_text("precious")
        with pytest.raises(MuscleFMError, match="taken already"), staged_folder(tmp_path / "out"):
            pass
        assert (tmp_path / "out").read_text() == "precious"

    def test_an_error_of_the_work_itself_is_passed_on(self, tmp_path):
        with pytest.raises(FileNotFoundError), staged_folder(tmp_path / "out"):
            (tmp_path / "missing").read_text()

    def test_a_folder_that_cannot_be_made_is_reported(self, tmp_path):
        (tmp_path / "jane doe").write_text("a file")
        with pytest.raises(MuscleFMError) as raised, staged_folder(tmp_path / "jane doe" / "out"):
            pass
        assert "cannot be written" in str(raised.value)
        assert "doe" not in str(raised.value)

    def test_another_thread_can_discard_what_is_being_written(self, tmp_path):
        begun, discarded = threading.Event(), threading.Event()

        def work():
            with pytest.raises(MuscleFMError), staged_folder(tmp_path / "deep" / "out") as folder:
                (folder / "labels.txt").write_text("new")
                begun.set()
                discarded.wait(10)

        thread = threading.Thread(target=work)
        thread.start()
        assert begun.wait(10)
        discard_staged()
        assert not list(tmp_path.iterdir())
        discarded.set()
        thread.join(10)
        assert not list(tmp_path.iterdir())
