"""Models that learn: from a store of corrections, or from any labelled cases."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.api.evaluation.cohorts import data_path, warn_of_left_out
from musclefm.api.prerequisites import named_dataset, obtain_missing
from musclefm.api.resources import install_model, load_model
from musclefm.defaults import DEFAULT_DEVICE, DEFAULT_MODEL
from musclefm.errors import MuscleFMError, warn
from musclefm.labels.scheme import load_scheme
from musclefm.progress import ProgressEvent, silent, watched
from musclefm.storage.targets import require_free
from musclefm.storage.work_folder import START_FOLDER, check_work_folder, claim_work_folder

if TYPE_CHECKING:
    from musclefm.corrections.store import CorrectionStore
    from musclefm.evaluation.comparison import Comparison
    from musclefm.labels.scheme import LabelScheme
    from musclefm.models.bundle import Bundle
    from musclefm.training.distributed import DistributedContext
    from musclefm.training.plan import TrainingPlan
    from musclefm.training.recipe import FineTuning, RecipeName

EVALUATION_PAGE = Path("evaluation", "evaluation.html")
"""In the work folder: how good a new model is on the subjects that a data list holds out."""

_log = logging.getLogger(__name__)


def learn(
    *,
    store: str | os.PathLike[str] | CorrectionStore | None = None,
    model: str | os.PathLike[str] | Bundle = DEFAULT_MODEL,
    out: str | os.PathLike[str] | None = None,
    recipe: RecipeName | FineTuning = "fast",
    device: str = DEFAULT_DEVICE,
    precision: str = "auto",
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Comparison:
    """Let a model learn from corrections, and compare it with what it was.

    Nothing is installed. Stopped or cancelled, learning resumes where it was when it is
    called again with the same model, recipe and corrections.

    Parameters
    ----------
    store : path or CorrectionStore, optional
        The corrections; by default the user's store.
    model : str, path or Bundle
        That learns, as :func:`load_model` takes it.
    out : path, optional
        Folder for the new version, ``candidate``, and the comparison; by default in the
        user's data.
    recipe : str or FineTuning
        ``"fast"``, ``"paper"`` (Casali et al. 2025), ``"scratch"`` (without the model's
        weights), or one of your own.
    device, precision, progress, cancel
        As of :func:`segment`.

    Returns
    -------
    Comparison
        The model before and after, on subjects that were held out.

    Raises
    ------
    MuscleFMError
        There is too little to learn from, or something cannot be read or written.
    WorkCancelledError
        It was cancelled; what was finished is kept.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.learn(store="no-corrections-yet", out="learned")
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: there is no reviewed correction to learn from: ...
    """
    report = watched(progress, cancel)
    bundle = load_model(model)
    # Imported late: torch takes seconds.
    from musclefm.corrections.store import CorrectionStore
    from musclefm.inference.device import choose_runtime
    from musclefm.training.learning.folder import LearningFolder, default_learning_folder
    from musclefm.training.learning.learn import learn as learn_from

    if not isinstance(store, CorrectionStore):
        store = CorrectionStore(None if store is None else Path(store))
    folder = LearningFolder(Path(out) if out else default_learning_folder(bundle.manifest.name))
    folder.check()
    runtime = choose_runtime(device, precision)
    warn_of_left_out(store.folder)
    _log.info("learning from corrections, on %s", runtime.description)
    return learn_from(store, bundle, _recipe(recipe), folder, runtime, report)


def train(
    model: str | os.PathLike[str] | Bundle,
    out: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | CorrectionStore | None = None,
    recipe: RecipeName | FineTuning = "fast",
    name: str | None = None,
    version: str = "1",
    scheme: str | None = None,
    channels: Sequence[str] | None = None,
    work: str | os.PathLike[str] | None = None,
    cluster: str | None = None,
    download: bool = False,
    install: bool = False,
    device: str = DEFAULT_DEVICE,
    precision: str = "auto",
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Bundle | None:
    """Fine-tune an ensemble, or a pretrained checkpoint, on labelled cases.

    Stopped or cancelled, training resumes when it is called again with the same arguments.
    Where a data list names test cases, the new model is evaluated on them: its card says how
    good it was, and ``evaluation`` in ``work`` has the tables and the page.

    Parameters
    ----------
    model : str, path or Bundle
        That is trained from, as :func:`load_model` takes it.
    out : path
        Folder of the new model; it must not exist yet.
    data : str, path or CorrectionStore, optional
        A store of corrections, a MONAI ``datalist.json``, or the name of a data set of
        :func:`list_datasets`; by default the user's store.
    recipe : str or FineTuning
        ``"fast"``, ``"paper"`` (Casali et al. 2025), or one of your own:
        ``dataclasses.replace(musclefm.training.recipe.RECIPES["fast"], epochs=20)``.
    name : str, optional
        Of the new model; by default that of its folder.
    version : str
        Of the new model.
    scheme : str, optional
        Label scheme that it shall learn, e.g. ``"thigh-12"``; by default the model's, or
        a data set's where the model is a pretrained checkpoint. Where that is another one
        than the model has learned, its class outputs are drawn anew, and all else stays.
    channels : sequence of str, optional
        What a pretrained checkpoint shall see, e.g. ``("in-phase", "out-of-phase")``.
    work : path, optional
        Folder for what is under way; by default beside ``out``, with ``.work`` added.
    cluster : str, optional
        Address of a Ray cluster, on which members are trained side by side.
    download : bool
        Whether a data set or a pretrained checkpoint that is named and not there may be
        downloaded, by the licences that they have.
    install : bool
        Whether the new model is installed, and in use from then on.
    device, precision, progress, cancel
        As of :func:`segment`.

    Returns
    -------
    Bundle or None
        The new model; None in all processes of ``torchrun`` but the main one.

    Raises
    ------
    MuscleFMError
        The cases cannot be used, there are too few subjects, or something cannot be read
        or written.
    WorkCancelledError
        It was cancelled; what was finished is kept in ``work``.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.train("thigh-demo", "new-model", data="no-such-folder")
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: there are no labelled cases in this place: ...
    """
    report = watched(progress, cancel)
    out = Path(out)
    work = work_folder(out, work)
    require_free(out)
    check_work_folder(work)
    learned = None if scheme is None else load_scheme(scheme)
    dataset = named_dataset(data)
    data = obtain_missing(model, data, report, download=download, scheme=scheme)
    start = load_model(model)
    if dataset and start.manifest.role == "start":
        learned = learned or load_scheme(dataset.scheme)
    # Imported late: torch takes seconds.
    from musclefm.inference.device import choose_runtime
    from musclefm.training.data.dataset import list_file, names_test_cases
    from musclefm.training.data.labelled_tiles import LabelledCases
    from musclefm.training.distributed import distributed_context
    from musclefm.training.plan import TrainingPlan
    from musclefm.training.train import train_ensemble

    path = data_path(data)
    is_tested = names_test_cases(path)
    chosen = _recipe(recipe)
    plan = TrainingPlan(
        start=start,
        data=LabelledCases(path),
        # A list that names its test cases holds these out, and no others.
        recipe=replace(chosen, held_out=0.0) if is_tested else chosen,
        out=out,
        work=work,
        name=name or out.resolve().name,
        version=version,
        channels=tuple(channels) if channels else None,
        cluster=cluster,
    )
    with distributed_context(choose_runtime(device, precision)) as (context, runtime):
        if is_tested:
            from musclefm.api.evaluation.held_out import card_with_held_out

            plan = replace(
                plan,
                describe=lambda draft: card_with_held_out(
                    draft, list_file(path), work / EVALUATION_PAGE.parent, runtime, report
                ),
            )
        if learned and learned.name != start.scheme.name:
            plan = replace(plan, start=_other_start(start, learned, plan, context))
        if context.is_main_process:
            _warn_of_unlearnable(path, plan.start, chosen)
            warn_of_left_out(path)
            _log.info("training %s %s, on %s", plan.name, version, runtime.description)
        bundle = train_ensemble(
            plan, runtime, report if context.is_main_process else silent, context
        )
    if bundle and install:
        install_model(bundle.folder)
    return bundle


def _other_start(
    start: Bundle, scheme: LabelScheme, plan: TrainingPlan, context: DistributedContext
) -> Bundle:
    """Return what a model of another scheme is trained from; one of all processes writes it."""
    from musclefm.models.bundle import open_bundle
    from musclefm.training.fitting.initial_weights import start_for_scheme

    folder = plan.work / START_FOLDER
    if context.is_main_process:
        warn(
            f"model '{start.manifest.name}' is of '{start.scheme.name}': its class outputs are"
            f" drawn anew for '{scheme.name}', and all else of it is kept"
        )
        claim_work_folder(plan.work)
        start_for_scheme(start, scheme, plan.recipe, folder)
    context.barrier()
    return open_bundle(folder, verify=False)


def _warn_of_unlearnable(data: Path, start: Bundle, recipe: FineTuning) -> None:
    """Warn of muscles that a new network would not learn from a data list."""
    from musclefm.exchange.datalist import read_datalist
    from musclefm.training.data.dataset import list_file

    file = list_file(data)
    is_new = start.manifest.role == "start" or recipe.trained == "scratch"
    if is_new and file.is_file() and (names := read_datalist(file).unlearnable(start.scheme)):
        warn(f"no label shows {', '.join(names)} alone: what the model says of them means nothing")


def work_folder(out: Path, work: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder for what is under way while a model is made."""
    return Path(work) if work else out.with_name(out.name + ".work")


def _recipe(recipe: RecipeName | FineTuning) -> FineTuning:
    from musclefm.training.recipe import RECIPES

    if not isinstance(recipe, str):
        return recipe
    if recipe not in RECIPES:
        raise MuscleFMError(f"there is no recipe '{recipe}'", f"use one of {', '.join(RECIPES)}")
    return RECIPES[recipe]
