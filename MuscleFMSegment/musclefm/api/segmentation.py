"""From an image to a segmented case."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.api.case import Case
from musclefm.api.inputs import ImageInput, by_channel, paths_in, read_inputs
from musclefm.api.resources import load_model
from musclefm.defaults import DEFAULT_DEVICE, DEFAULT_MODEL
from musclefm.errors import MuscleFMError
from musclefm.evaluation.second_opinion import read_second_opinion
from musclefm.progress import ProgressEvent, watched
from musclefm.results.folder import check_results_folder

if TYPE_CHECKING:
    import numpy.typing as npt

    from musclefm.models.bundle import Bundle


def segment(
    image: ImageInput | Mapping[str, ImageInput],
    *,
    affine: npt.ArrayLike | None = None,
    model: str | os.PathLike[str] | Bundle = DEFAULT_MODEL,
    device: str = DEFAULT_DEVICE,
    precision: str = "auto",
    series: int | None = None,
    echo: int | None = None,
    out: str | os.PathLike[str] | None = None,
    keep_probabilities: bool = False,
    keep_loaded: bool = True,
    second_opinion: str | os.PathLike[str] | None = None,
    mapping: str | os.PathLike[str] | None = None,
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Case:
    """Segment the thigh muscles of an MR scan.

    Parameters
    ----------
    image : path, array, SimpleITK.Image, Volume, or mapping of str to these
        The scan: a NIfTI, NRRD or MetaImage file, a DICOM folder or file, or voxels in
        memory. An array is ``(K, J, I)``, slices first, as
        ``SimpleITK.GetArrayFromImage`` gives it; of nibabel's arrays give the transpose,
        ``data.T``. A mapping gives the channels of a Dixon scan, by the names
        ``"in-phase"``, ``"out-of-phase"``, ``"fat"``, ``"water"``.
    affine : array_like of shape (4, 4), optional
        Of arrays: from voxel indices ``(i, j, k, 1)`` to RAS in mm, as nibabel's.
    model : str, path or Bundle
        Name of an installed model, a bundle's folder, or what :func:`load_model` returned.
    device : str
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    precision : str
        ``"auto"`` (bfloat16 where the hardware computes in it), ``"fp32"`` or ``"bf16"``.
    series, echo : int, optional
        Which series of a DICOM folder, and which of several images at the same place,
        from 1.
    out : path, optional
        Folder for the results, as :meth:`Case.save` takes it; whether it can be written
        is found out before any work.
    keep_probabilities : bool
        Whether the case, and its folder, hold the probabilities of all classes: for
        :func:`evaluate`. They are large.
    keep_loaded : bool
        Whether the networks stay in memory, a GPU's too, so that the next case with this
        model on this device starts at once.
    second_opinion : path, optional
        Labels of the same scan by another program or reader, on any grid: where they
        disagree with the ensemble becomes regions to check, among the others.
    mapping : path, optional
        What its values mean, as of :func:`evaluate`.
    progress : callable, optional
        Takes each :class:`ProgressEvent`: stage, steps done, steps in all, message.
    cancel : callable, optional
        Asked at each event; the work stops once it returns True.

    Returns
    -------
    Case
        Labels, uncertainty, muscle table and regions to check, on the grid of the input.

    Raises
    ------
    MuscleFMError
        The image, the model or the folder cannot be used; a bad image is refused before
        torch is loaded.
    TypeError
        The image is of none of these types.
    WorkCancelledError
        It was cancelled; nothing is written.

    Examples
    --------
    >>> import musclefm
    >>> sample = musclefm.load_sample()
    >>> case = musclefm.segment(sample.channels, device="cpu", out="results")
    >>> case.muscles.columns[:5].tolist()
    ['side', 'label_id', 'name', 'abbreviation', 'volume_ml']
    >>> case.uncertainty.dtype, case.grid.spacing
    (dtype('float32'), (2.0, 2.0, 12.0))

    An array needs its affine:

    >>> water = sample.channels["water"]
    >>> musclefm.segment(water.array)
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: the image is an array, which does not say where it lies ...
    """
    report = watched(progress, cancel)
    images = by_channel(image)
    if mapping is not None and second_opinion is None:
        raise MuscleFMError("a mapping is of a second opinion", "give that, too")
    if out is not None:
        given = [] if second_opinion is None else [Path(second_opinion)]
        check_results_folder(Path(out), [*paths_in(images), *given])
    report(ProgressEvent("read", 0, 1, "reading the image"))
    channels = read_inputs(images, affine, series, echo, report)
    report(ProgressEvent("read", 1, 1, "read"))
    # Imported late: torch takes seconds, and a bad input is refused before that.
    from musclefm.inference.device import choose_runtime
    from musclefm.pipeline.segment import segment_case

    bundle = load_model(model)
    opinion = None
    if second_opinion is not None:
        report(ProgressEvent("read", 1, 1, "reading the second opinion"))
        opinion = read_second_opinion(
            Path(second_opinion), bundle.scheme, channels.grid, Path(mapping) if mapping else None
        )
    runtime = choose_runtime(device, precision)
    results = segment_case(
        channels,
        bundle,
        runtime,
        report,
        keep_probabilities=keep_probabilities,
        keep_loaded=keep_loaded,
        second_opinion=opinion,
    )
    case = Case(results)
    if out is not None:
        case.save(out, progress=report)
    return case
