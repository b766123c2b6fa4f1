"""Where and how precisely a network runs, and how intensities reach it."""

import numpy as np
import pytest
import torch

from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime, choose_runtime
from musclefm.models.intensity import PercentileIntensity, percentile_scale

FP32 = Runtime(torch.device("cpu"), bf16=False)


@pytest.mark.parametrize(
    ("device", "precision", "reported"),
    [
        ("cpu", "fp64", "unknown precision"),
        ("toaster", "auto", "unknown device"),
        ("meta", "auto", "not supported"),
        ("cuda:99", "auto", "GPU"),
    ],
)
def test_a_device_that_is_not_there_is_said(device: str, precision: str, reported: str) -> None:
    with pytest.raises(MuscleFMError, match=reported):
        choose_runtime(device, precision)


def test_the_user_decides_device_and_precision() -> None:
    assert choose_runtime("cpu", "fp32") == FP32
    assert choose_runtime("cpu", "bf16").bf16
    automatic = choose_runtime()
    assert automatic.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert "fp32" in FP32.description and "CPU" in FP32.description


def test_intensities_are_scaled_between_percentiles() -> None:
    values = np.arange(1001, dtype=np.float32).reshape(7, 143)
    scaled = percentile_scale(values, 10, 90)
    assert scaled.dtype == np.float32 and scaled.min() == 0 and scaled.max() == 1
    np.testing.assert_allclose(scaled.ravel()[[100, 300, 500, 900]], [0, 0.25, 0.5, 1], atol=1e-6)
    np.testing.assert_allclose(
        PercentileIntensity().normalise(scaled).ravel()[[0, 500, 1000]], [-2, 0, 2], atol=1e-6
    )
    assert (percentile_scale(np.full((4, 4), 3.0, np.float32)) == 0).all()
