"""Random smooth fields and streaky textures that make renderings look like tissue."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]


def smooth_field(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Array:
    """Return a Gaussian random field ``(J, I)`` of unit variance.

    Parameters
    ----------
    shape : tuple of int
        ``(J, I)``.
    scale : float
        Correlation length in pixels.
    rng : numpy.random.Generator
        Source of randomness.
    """
    knots = tuple(max(int(np.ceil(n / scale)) + 3, 4) for n in shape)
    coarse = rng.standard_normal(knots).astype(np.float32)
    offset = rng.uniform(0, 1, 2)
    rows = np.arange(shape[0]) / scale + 1 + offset[0]
    columns = np.arange(shape[1]) / scale + 1 + offset[1]
    # Separable cubic interpolation: two small matrix products. In float64, so that how a
    # processor rounds moves no border of a muscle.
    field = _spline_matrix(rows, knots[0]) @ coarse @ _spline_matrix(columns, knots[1]).T
    return (field / 0.55).astype(np.float32)


def _spline_matrix(positions: npt.NDArray[np.float64], knots: int) -> npt.NDArray[np.float64]:
    """Return the weights ``(positions, knots)`` of uniform cubic B-splines."""
    base = np.clip(np.floor(positions).astype(int), 1, knots - 3)
    t = positions - base
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )
    matrix = np.zeros((len(positions), knots))
    np.put_along_axis(matrix, base[:, None] + np.arange(-1, 3), weights / 6, axis=1)
    return matrix


class StreakTexture:
    """Streaks as fat makes them between bundles of muscle fibres.

    A tile of oriented noise is made once for each of several directions; crops
    of it are then almost free.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    """

    _TILE = 384
    _DIRECTIONS = 8

    def __init__(self, rng: np.random.Generator) -> None:
        tiles = []
        for direction in range(self._DIRECTIONS):
            noise = rng.standard_normal((self._TILE, self._TILE)).astype(np.float32)
            streaks = ndimage.gaussian_filter(noise, (0.6, 2.5), mode="wrap")
            streaks -= ndimage.gaussian_filter(noise, (3.0, 6.0), mode="wrap")
            angle = 180.0 * direction / self._DIRECTIONS
            turned = ndimage.rotate(streaks, angle, reshape=False, order=1, mode="grid-wrap")
            tiles.append(turned / turned.std())
        self._tiles = np.stack(tiles)

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Array:
        """Return streaks ``(J, I) float32`` of unit variance whose direction drifts."""
        drift = np.clip(smooth_field(shape, max(shape) / 4, rng), -1, 1) / 2 + 0.5
        first, second = (self._crop(shape, rng) for _ in range(2))
        mixed = drift * first + (1 - drift) * second
        return (mixed / 0.75).astype(np.float32)

    def _crop(self, shape: tuple[int, int], rng: np.random.Generator) -> Array:
        tile = self._tiles[rng.integers(self._DIRECTIONS)]
        rows = (rng.integers(self._TILE) + np.arange(shape[0])) % self._TILE
        columns = (rng.integers(self._TILE) + np.arange(shape[1])) % self._TILE
        return tile[np.ix_(rows, columns)]
