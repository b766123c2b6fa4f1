"""What a case is expected to need before it is run."""

import subprocess
import sys

import pytest
from tiny_ensemble import THIGH_TILES, TINY, WHOLE_SLICES, tiny_bundle

from musclefm.inference.demand import (
    TimedRun,
    expected_seconds,
    gpu_bytes,
    operations_per_slice,
    tiles_at_once,
)  # fmt: skip
from musclefm.models.bundle import open_bundle
from musclefm.models.registry import shipped_models_folder

SECONDS = (None, TimedRun(60.0, 30), TimedRun(6.0, 3))


@pytest.mark.parametrize("earlier", SECONDS)
@pytest.mark.parametrize("cores", [None, 1, 16])
def test_the_time_grows_evenly_with_the_slices(cores, earlier):
    one, two, three = (expected_seconds(1e12, n, cores, earlier) for n in (20, 40, 60))
    assert 0 < one < two and two - one == pytest.approx(three - two)


@pytest.mark.parametrize("earlier", SECONDS[1:])
def test_an_earlier_run_goes_before_any_guess(earlier):
    for operations, cores in ((1e9, 1), (1e15, None)):
        known = expected_seconds(operations, earlier.slices, cores, earlier)
        assert known == pytest.approx(earlier.seconds)
    guess = expected_seconds(1e12, 30, 2)
    faster = TimedRun(guess / 4, 30)
    assert expected_seconds(1e12, 60, 2, faster) < expected_seconds(1e12, 60, 2) / 2


def test_more_cores_and_a_gpu_are_faster_and_a_larger_model_slower():
    assert expected_seconds(1e13, 30, None) < expected_seconds(1e13, 30, 16)
    assert expected_seconds(1e13, 30, 16) < expected_seconds(1e13, 30, 2)
    assert expected_seconds(1e12, 30, 2) < expected_seconds(1e13, 30, 2)


def test_a_model_needs_more_with_members_thighs_and_pixels(tmp_path):
    def demand(members, model_input=THIGH_TILES, **changes):
        bundle = tiny_bundle(tmp_path / f"{members}{model_input.framing.kind}{changes}", members)
        manifest = bundle.manifest.model_copy(
            update={"input": model_input, "architecture": TINY.model_copy(update=changes)}
        )
        return operations_per_slice(manifest), gpu_bytes(manifest)

    one, three = demand(1), demand(3)
    assert three[0] == pytest.approx(3 * one[0], rel=0.2) and three[1] > one[1]
    assert demand(1, WHOLE_SLICES)[0] == pytest.approx(one[0] / 2)
    larger = demand(1, input_size=2 * TINY.input_size)
    assert larger[0] > 2 * one[0]


def test_the_shipped_model_fits_any_gpu_and_takes_minutes_at_most():
    manifest = open_bundle(shipped_models_folder() / "thigh-demo").manifest
    assert 5e8 < gpu_bytes(manifest) < 4e9
    assert 10 < expected_seconds(operations_per_slice(manifest), 30, 2) < 180


def test_a_batch_holds_fewer_large_tiles_and_at_least_one():
    assert tiles_at_once(128, "cpu") == 8 and tiles_at_once(1024, "cpu") == 1
    assert tiles_at_once(128, "cuda") == 64 > tiles_at_once(1024, "cuda") >= 1


def test_slicer_may_ask_with_nothing_installed():
    heavy = "{'torch', 'numpy', 'pydantic'}"
    code = f"import sys, musclefm.inference.demand; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
