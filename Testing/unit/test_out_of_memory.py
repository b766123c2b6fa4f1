"""Want of memory is known from other faults, whichever library met it, and said in one line."""

import errno
import subprocess
import sys

import numpy as np
import pytest
import torch

from musclefm.cli.commands import info
from musclefm.cli.main import main
from musclefm.errors import MuscleFMError
from musclefm.out_of_memory import is_out_of_memory

resource = pytest.importorskip("resource", reason="limits of POSIX")

TOO_LARGE = 1 << 62
SAID = "musclefm: there is too little memory: close other programs or crop the image\n"


def test_what_numpy_and_torch_raise_is_known():
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(TOO_LARGE // 8, np.float64)
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(TOO_LARGE, dtype=torch.uint8)
    assert is_out_of_memory(of_numpy.value) and is_out_of_memory(of_torch.value)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        ImportError("libtorch_cuda.so: failed to map segment from shared object"),
        ImportError("_SimpleITK.so: cannot allocate memory in static TLS block"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("itk::ERROR: Image: Failed to allocate memory for image."),
        RuntimeError("can't start new thread"),
    ],
    ids=lambda error: f"{type(error).__name__}: {error}",
)
def test_all_ways_to_say_it_are_known(error):
    assert is_out_of_memory(error)
    wrapped = ValueError("cannot be read")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes cannot be multiplied"),
        ImportError("no such module"),
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("out of memory"),
        MuscleFMError("'out of memory.nii' is empty", "copy it again"),
    ],
    ids=lambda error: f"{type(error).__name__}: {error}",
)
def test_other_faults_are_not_mistaken_for_it(error):
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), SAID),
        (
            OSError(errno.EIO, "Input/output error", "/home/doe/scan"),
            "musclefm: a file or folder cannot be used (Input/output error): "
            "check the paths that were given, their access rights and the disk\n",
        ),
    ],
)
def test_the_command_says_so_in_one_line(error, said, monkeypatch, capsys):
    def fail(arguments):
        raise error

    monkeypatch.setattr(info, "run", fail)
    assert main(["info", "x"]) == 2
    assert capsys.readouterr().err == said


def test_a_fault_of_the_program_is_one_line_that_holds_no_text_of_it(monkeypatch, capsys):
    def fail(arguments):
        raise KeyError("/home/doe/scan \x1b[31m")

    monkeypatch.setattr(info, "run", fail)
    assert main(["info", "x"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("musclefm: unexpected KeyError in ")
    assert "doe" not in said and "\x1b" not in said


@pytest.mark.parametrize("megabytes", [60, 170, 450, 1000])
def test_a_process_that_gets_no_memory_says_so_in_one_line(megabytes, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    done = subprocess.run(
        [sys.executable, "-m", "musclefm", "demo", "--out", "out"],
        preexec_fn=limit,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", SAID)
    assert list(tmp_path.iterdir()) == []
