"""What a scanner does to an image: shading, ghosts, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.demo.phantom.fields import smooth_field

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scanner:
    """What a scanner does, the same for all slices of a volume.

    Attributes
    ----------
    bias : float
        Standard deviation of the logarithm of the smooth bias field.
    shading : tuple of float
        Logarithmic gain along rows and columns over 100 mm: a surface coil's.
    ghost : float
        Amplitude of the motion ghost, relative.
    ghost_shift : float
        Distance of the ghost along the rows, as a share of the image.
    blur_mm : float
        Standard deviation of the in-plane point spread in mm.
    noise : float
        Standard deviation of the noise of each quadrature channel, relative to
        the brightest tissue.
    noise_px : float
        Standard deviation of the filter that makes neighbouring pixels' noise
        alike, as interpolation and parallel imaging do; the noise keeps its strength.
    cleared : float
        Signal below which a pixel is set to 0, as reconstructions mask air.
    """

    bias: float
    shading: tuple[float, float]
    ghost: float
    ghost_shift: float
    blur_mm: float
    noise: float
    noise_px: float = 0.0
    cleared: float = 0.0

    @staticmethod
    def draw(rng: np.random.Generator) -> Scanner:
        """Draw a scanner: most are decent, some are poor."""
        return Scanner(
            bias=float(rng.uniform(0.0, 0.3)),
            shading=(float(rng.normal(0, 0.25)), float(rng.normal(0, 0.2))),
            ghost=float(rng.uniform(0.02, 0.12)) if rng.random() < 0.2 else 0.0,
            ghost_shift=float(rng.uniform(0.1, 0.5)),
            blur_mm=float(rng.uniform(0.3, 1.4)),
            noise=float(np.exp(rng.uniform(np.log(0.006), np.log(0.07)))),
        )

    def gain(self, shape: tuple[int, int], pixel_mm: float, rng: np.random.Generator) -> Array:
        """Return the sensitivity of the coils ``(J, I) float32``, 1 on average."""
        row = (np.arange(shape[0], dtype=np.float32) - shape[0] / 2) * pixel_mm / 100
        column = (np.arange(shape[1], dtype=np.float32) - shape[1] / 2) * pixel_mm / 100
        bias = self.bias * smooth_field(shape, 90.0 / pixel_mm, rng)
        gain: Array = np.exp(bias + self.shading[0] * row[:, None] + self.shading[1] * column)
        return gain.astype(np.float32)

    def image(self, signal: Array, gain: Array, pixel_mm: float, rng: np.random.Generator) -> Array:
        """Return the magnitude image ``(J, I) float32`` of a noiseless signal.

        Noise is Rician: the magnitude of a complex signal with Gaussian noise
        in both channels (Gudbjartsson and Patz 1995).
        """
        shaded = ndimage.gaussian_filter(signal, self.blur_mm / pixel_mm) * gain
        if self.ghost:
            shift = int(self.ghost_shift * signal.shape[0])
            shaded = shaded + self.ghost * 0.5 * (
                np.roll(shaded, shift, axis=0) + np.roll(shaded, -shift, axis=0)
            )
        noise = rng.standard_normal((2, *signal.shape), dtype=np.float32)
        if self.noise_px > 0:
            noise = ndimage.gaussian_filter(noise, (0, self.noise_px, self.noise_px), truncate=3.0)
            noise /= noise.std()
        real, imaginary = self.noise * noise
        magnitude: Array = np.hypot(shaded + real, imaginary).astype(np.float32)
        if self.cleared > 0:
            magnitude[magnitude < self.cleared] = 0
        return magnitude
