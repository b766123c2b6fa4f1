"""A second renderer of thighs, to test models on what no training of ours has shown them.

It shares no code, table or range with ``musclefm.demo``: labels between slices come from
registration, fat from marbling, the outline from polar curves, contrasts from relaxation times,
noise and blur from k-space. Nothing of it enters training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

Labels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Rng = np.random.Generator

# By label id of thigh-11: what is spared and what goes first, added to the fat fraction.
_PATTERN = np.array([0, -0.16, -0.05, 0.02, 0.04, 0.0, 0.12, -0.18, 0.10, 0.03, 0.12, -0.04])
_FAT = {"early": (0.03, 0.25), "moderate": (0.34, 0.52), "severe": (0.62, 0.75)}
_LOST_MM = {"early": 0.8, "moderate": 2.2, "severe": 3.5}
_OTHER, _BONE, _MARROW, _VESSEL = 100, 101, 102, 103
# Relaxation at 3 T in ms, and proton density: T1, T2, density.
_WATER, _LIPID, _BLOOD = (1350.0, 34.0, 0.8), (370.0, 95.0, 1.0), (1700.0, 150.0, 0.95)


@dataclass(frozen=True)
class Protocol:
    """How a hard case is acquired.

    Attributes
    ----------
    condition : str
        Name of the row in the table.
    slice_mm, pixel_mm : float
        Distance of slices and edge of pixels.
    slices : int
        At most, from ``start`` of the thigh's length on.
    start : float
        From 0 at the knee to 1 at the hip.
    legs : str
        "both" or "right": what the field of view holds.
    cropped : bool
        Whether it cuts the outer side of the thighs off.
    coil : float
        Strength of the surface coils' shading.
    """

    condition: str
    slice_mm: float
    pixel_mm: float
    slices: int
    start: float
    legs: str = "both"
    cropped: bool = False
    coil: float = 0.25


def sections_at(labels: Labels, slice_mm: float, wanted_mm: Floats) -> Labels:
    """Return label slices ``(n, J, I)`` at distances from the first of ``(K, J, I)``.

    Neighbours are registered to each other by demons on smoothed label images, and the
    nearer one is warped to the place between them.
    """
    values = np.random.default_rng(3).permutation(np.linspace(40, 255, 32))
    fields: dict[int, Floats] = {}
    found = []
    for at in wanted_mm / slice_mm:
        lower = min(int(at), len(labels) - 2)
        share = at - lower
        if share < 0.02:
            found.append(labels[lower])
            continue
        if share > 0.98:
            found.append(labels[lower + 1])
            continue
        if lower not in fields:
            fields[lower] = _registered(labels[lower], labels[lower + 1], values)
        moved, way = (labels[lower], share) if share < 0.5 else (labels[lower + 1], share - 1)
        # The field leads from each pixel of the lower slice to its place in the upper one.
        rows, columns = np.meshgrid(*(np.arange(n) for n in moved.shape), indexing="ij")
        points = [rows - way * fields[lower][0], columns - way * fields[lower][1]]
        found.append(ndimage.map_coordinates(moved, points, order=0))
    return np.stack(found)


def _registered(lower: Labels, upper: Labels, values: Floats) -> Floats:
    images = []
    for labels in (lower, upper):
        shown = np.where(labels > 0, values[labels], 0.0)
        images.append(sitk.GetImageFromArray(ndimage.gaussian_filter(shown, 2.0)))
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfIterations(25)
    demons.SetStandardDeviations(2.5)
    field = sitk.GetArrayFromImage(demons.Execute(images[0], images[1]))
    return np.stack([field[..., 1], field[..., 0]]).astype(float)


class HardThigh:
    """One thigh of one patient, seen as a right one.

    Parameters
    ----------
    pixel_mm : float
        Edge of a pixel.
    severity : str
        "early", "moderate" or "severe".
    rng : numpy.random.Generator
        Of the patient.
    """

    def __init__(self, pixel_mm: float, severity: str, rng: Rng) -> None:
        self._pixel_mm = pixel_mm
        low, high = _FAT[severity]
        self._fat = np.clip(rng.uniform(low, high) + _PATTERN + rng.normal(0, 0.09, 12), 0.01, 0.93)
        self._other_fat = float(np.clip(rng.uniform(low, high) + rng.normal(0, 0.08), 0.01, 0.93))
        self._lost_px = rng.uniform(0, _LOST_MM[severity], 12) / pixel_mm
        self._harmonics = rng.normal(0, 1, (3, 2)) * np.array([[3.0], [2.0], [1.0]])
        self._fat_mm = float(rng.gamma(3.0, 3.5) + 2)
        self._blob_mm = float(rng.uniform(0.8, 3.0))
        self._stretch = float(rng.uniform(1.0, 2.5))
        self._leak = float(rng.uniform(0.1, 0.9))
        self._even = float(rng.uniform(0.35, 0.9))
        self._cells = rng.uniform(-75, 75, (9, 2))
        self._lean_cells = rng.random(9)
        self._seed = int(rng.integers(2**31))

    def atrophied(self, labels: Labels) -> Labels:
        """Return labels ``(J, I)`` of muscles that lost some millimetres all around."""
        kept = labels.copy()
        for muscle, box in enumerate(ndimage.find_objects(labels), start=1):
            if box is None:
                continue
            mine = np.pad(labels[box] == muscle, 1)
            inside = ndimage.distance_transform_edt(mine)
            lost = min(self._lost_px[muscle], 0.45 * inside.max())
            kept[box][(mine & (inside <= lost))[1:-1, 1:-1]] = 0
        return kept

    def tissues(self, whole: Labels, kept: Labels, height: float) -> tuple[Labels, Floats]:
        """Return tissues ``(J, I)`` by id, and fat fraction; -1 is air.

        ``whole`` are the labels before atrophy.
        """
        rows, columns = np.nonzero(whole)
        centre = rows.mean(), columns.mean()
        y, x = np.indices(whole.shape)
        y, x = (y - centre[0]) * self._pixel_mm, (x - centre[1]) * self._pixel_mm
        angle, away = np.arctan2(y, x), np.hypot(y, x)
        bins = ((angle + np.pi) / (2 * np.pi) * 90).astype(int) % 90
        reach = np.zeros(90)
        np.maximum.at(reach, bins[whole > 0], away[whole > 0])
        reach = np.maximum(reach, 0.7 * reach.max())
        if height > 0.8:
            reach = np.maximum(reach, 62.0 + 40.0 * (height - 0.8))
        reach = ndimage.gaussian_filter1d(reach, 3.0, mode="wrap") + 2.0
        theta = (np.arange(90) + 0.5) / 90 * 2 * np.pi - np.pi
        fat_mm = self._fat_mm + sum(
            self._harmonics[n, 0] * np.cos((n + 1) * theta)
            + self._harmonics[n, 1] * np.sin((n + 1) * theta)
            for n in range(3)
        )
        surface = reach + np.maximum(fat_mm, 2.5)
        inner, outer = away < reach[bins], away < surface[bins]
        tissue = kept.copy()
        bone = self._bone(whole)
        gap = inner & (whole == 0) & ~bone
        self._fill_gap(tissue, gap, y, x, height)
        core = ndimage.binary_erosion(bone, iterations=max(round(4.5 / self._pixel_mm), 1))
        tissue[bone & (whole == 0)] = _BONE
        tissue[core & (whole == 0)] = _MARROW
        fat = np.where(outer, 0.96, -1.0)
        fat[outer & (away > (surface - 1.8)[bins])] = 0.3
        fractions = np.zeros(256)
        fractions[:12], fractions[_OTHER] = self._fat, self._other_fat
        muscle = ((tissue > 0) & (tissue < 12)) | (tissue == _OTHER)
        marbling = self._marbling(whole.shape)
        for value in np.unique(tissue[muscle]):
            mine = tissue == value
            # Every muscle has its own marbling: it ends at the fascia.
            blobs = np.roll(marbling, 37 * int(value), axis=1)[mine]
            lean = np.where(blobs > np.quantile(blobs, 1 - fractions[value]), 0.93, 0.02)
            fat[mine] = self._even * fractions[value] + (1 - self._even) * lean
        border = muscle & (ndimage.minimum_filter(tissue, 3) != tissue)
        fat[border] = np.maximum(fat[border], self._leak * (marbling[border] > -0.5))
        return tissue, fat

    def _bone(self, labels: Labels) -> npt.NDArray[np.bool_]:
        """Return the femur: the deepest hole between the vasti, else beside the middle."""
        vasti = np.isin(labels, (3, 4, 5))
        rows, columns = np.nonzero(vasti if vasti.sum() > 60 else labels > 0)
        room = ndimage.distance_transform_edt(labels == 0)
        y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
        near = np.hypot(y - rows.mean() - 10 / self._pixel_mm, x - columns.mean())
        score = np.minimum(room, 15 / self._pixel_mm) - 0.35 * near
        j, i = np.unravel_index(np.argmax(score), labels.shape)
        radius = min(14.0, room[j, i] * self._pixel_mm + 2)
        return np.asarray(np.hypot(y - j, (x - i) * 1.08) * self._pixel_mm < radius)

    def _fill_gap(
        self, tissue: Labels, gap: npt.NDArray[np.bool_], y: Floats, x: Floats, height: float
    ) -> None:
        """Fill what no label names by cells of other muscle where anatomy has some."""
        nearest = np.argmin([np.hypot(y - cell[0], x - cell[1]) for cell in self._cells], axis=0)
        medial, back = x > 8, y > 20
        anatomical = (
            (medial & (height > 0.45))
            | (height > 0.84)
            | (back & ((height < 0.06) | (height > 0.72)))
        )
        lean = anatomical & (self._lean_cells < 0.85)[nearest]
        roomy = ndimage.binary_opening(gap & lean, iterations=max(round(2.5 / self._pixel_mm), 1))
        tissue[roomy] = _OTHER
        rng = np.random.default_rng(self._seed)
        spots = np.argwhere(gap & ~roomy)
        for _ in range(3):
            if len(spots):
                j, i = spots[int(rng.random() * len(spots))]
                reach = int(rng.uniform(1.5, 4.0) / self._pixel_mm) + 1
                window = slice(max(j - reach, 0), j + reach), slice(max(i - reach, 0), i + reach)
                tissue[window][gap[window]] = _VESSEL

    def _marbling(self, shape: tuple[int, ...]) -> Floats:
        rng = np.random.default_rng(self._seed)
        sigma = self._blob_mm / self._pixel_mm
        fine = ndimage.gaussian_filter(rng.standard_normal(shape), (sigma, sigma * self._stretch))
        coarse = ndimage.gaussian_filter(rng.standard_normal(shape), 9.0 / self._pixel_mm)
        return np.asarray(fine / fine.std() + 0.7 * coarse / coarse.std())


def sequence_signal(name: str, tissue: Labels, fat: Floats, rng: Rng) -> npt.NDArray[np.complex128]:
    """Return the signal of a section from relaxation times; ``rng`` draws the protocol."""
    repetition, echo = {
        "t1": (rng.uniform(500, 750), rng.uniform(8, 20)),
        "t2": (rng.uniform(3000, 5000), rng.uniform(60, 95)),
        "pd": (rng.uniform(2500, 3500), rng.uniform(20, 40)),
    }.get(name, (rng.uniform(250, 900), 2.4))
    water, lipid, blood = (
        density * (1 - np.exp(-repetition / t1)) * np.exp(-echo / t2)
        for t1, t2, density in (_WATER, _LIPID, _BLOOD)
    )
    phase = {"out-of-phase": np.pi * rng.uniform(0.85, 1.0)}.get(name, 0.0)
    suppressed = rng.uniform(0.04, 0.4) * water / lipid if name == "water" else 1.0
    flow = rng.uniform(0, 1.2)
    share = np.clip(fat, 0, 1)
    body = fat >= 0
    signal = body * (water * (1 - share) + lipid * suppressed * share * np.exp(1j * phase))
    signal[tissue == _BONE] = 0.02 * water
    signal[tissue == _VESSEL] = flow * blood
    scale = max(water, lipid * suppressed)
    return np.asarray(signal / scale)


def acquired(
    signal: npt.NDArray[np.complex128], coil: float, noise: float, matrix: float, rng: Rng
) -> npt.NDArray[np.float32]:
    """Return the magnitude image of four coils, from a k-space that is cut and noisy."""
    rows, columns = signal.shape
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    window = np.ones(signal.shape)
    for axis, count in enumerate(signal.shape):
        frequency = np.abs(np.fft.fftfreq(count) * 2)
        kept = np.where(frequency <= matrix, 0.54 + 0.46 * np.cos(np.pi * frequency / matrix), 0)
        window *= kept.reshape(-1, 1) if axis == 0 else kept
    total = np.zeros(signal.shape)
    for j, i in ((-1.4, -0.6), (-1.3, 0.7), (1.4, -0.5), (1.3, 0.6)):
        sensitivity = 1 / (1 + coil * 4 * ((y - j) ** 2 + (x - i) ** 2))
        sensitivity /= sensitivity.mean()
        k_space = np.fft.fft2(signal * sensitivity)
        received = rng.standard_normal((2, *signal.shape)) * noise * np.sqrt(signal.size)
        image = np.fft.ifft2((k_space + received[0] + 1j * received[1]) * window)
        total += np.abs(image) ** 2
    return np.sqrt(total / 4).astype(np.float32)
