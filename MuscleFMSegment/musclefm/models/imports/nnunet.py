"""Import of a results folder of nnU-Net, version 2: its folds become one ensemble.

The folder holds ``dataset.json``, ``plans.json`` and ``fold_N/checkpoint_final.pth``. Of the
plans only what is known here is taken: nnU-Net itself imports whatever class they name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.labels.mapping import OTHERS, LabelMapping, Target, parse_target
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import IGNORE
from musclefm.models.imports.nnunet_plans import architecture_of, configuration_of, volume_of
from musclefm.models.imports.state_dicts import read_training_state
from musclefm.models.manifest import MOST_MEMBERS, BundleCard, ModelInput
from musclefm.models.member_files import MemberState
from musclefm.models.usable_weights import require_usable
from musclefm.networks.nnunet import NnUNetArchitecture
from musclefm.networks.without_weights import build_without_weights
from musclefm.plain_text import printable
from musclefm.storage.regular_file import is_file, is_folder, read_regular
from musclefm.volumes.channels import CHANNEL_NAMES

PLANS_FILE = "plans.json"
DATASET_FILE = "dataset.json"

_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_LARGEST_JSON = 16 << 20
_LONGEST_NAME = 60
# The second names of modules: of a decoder's encoder, and within a block of convolution.
_ALIAS = re.compile(r"decoder\.encoder\..*|.*\.(conv|norm)\.(weight|bias)")
_ABBREVIATIONS = {
    "inphase": ("ip", "in", "inph"),
    "outofphase": ("op", "oop", "out", "opp", "opposed", "opposedphase"),
    "fat": ("f", "fatonly"),
    "water": ("w", "wateronly"),
}


class _Dataset(BaseModel):
    """What is needed of ``dataset.json``."""

    model_config = ConfigDict(frozen=True)

    labels: dict[str, int | list[int]] = Field(min_length=2, max_length=256)
    channel_names: dict[str, str] = Field(
        validation_alias=AliasChoices("channel_names", "modality"), min_length=1, max_length=16
    )


class _Arguments(BaseModel):
    configuration: str


class _Training(BaseModel):
    """What is needed of a checkpoint beside the weights."""

    init_args: _Arguments
    trainer_name: str


def holds_nnunet(path: Path) -> bool:
    """Tell whether a folder is one of results of nnU-Net."""
    return is_file(path / PLANS_FILE) and is_file(path / DATASET_FILE)


def read_nnunet(
    folder: Path,
    name: str,
    scheme: LabelScheme,
    mapping: LabelMapping | None = None,
    channels: Sequence[str] | None = None,
) -> tuple[BundleCard, list[MemberState]]:
    """Read the folds of an nnU-Net as one ensemble.

    Parameters
    ----------
    folder : Path
        Of the results.
    name : str
        Of the bundle to be.
    scheme : LabelScheme
        Its muscles; each is at least one of nnU-Net's labels. Left and right of a muscle are
        one class: the side is found in the image.
    mapping : mapping, optional
        What labels mean, by value or name, see :func:`musclefm.labels.mapping.read_mapping`;
        by default what their names say.
    channels : sequence of str, optional
        Names of :data:`musclefm.volumes.channels.CHANNEL_NAMES`; by default what
        ``dataset.json`` calls them.

    Raises
    ------
    MuscleFMError
        A file is missing or not understood, a label means no muscle of the scheme, a muscle
        has no label, weights do not fit, or nnU-Net is not installed.
    """
    dataset = _parsed(folder, DATASET_FILE)
    plans = _parsed_json(folder, PLANS_FILE)
    folds = _folds(folder)
    read = [read_training_state(path, f"the checkpoint in '{path.parent.name}'") for path in folds]
    settings = [_training(rest, path) for (_, rest), path in zip(read, folds, strict=True)]
    first = settings[0]
    for path, other in zip(folds, settings, strict=True):
        if other != first:
            raise MuscleFMError(
                f"'{path.parent.name}' was trained otherwise than '{folds[0].parent.name}'",
                "import folds of one configuration and trainer together",
            )
    chosen = first.init_args.configuration
    configuration = configuration_of(plans, chosen)
    names = _channels(dataset.channel_names, channels)
    volume = volume_of(plans, configuration, len(names))
    architecture = architecture_of(
        configuration, len(names), _classes(dataset.labels, scheme, mapping)
    )
    members = [
        MemberState(_fitted(state, architecture, scheme, path), fold=_number(path.parent))
        for (state, _), path in zip(read, folds, strict=True)
    ]
    shown = printable(chosen, _LONGEST_NAME)
    card = BundleCard(
        name=name,
        title=f"nnU-Net {shown}, {len(members)} fold{'s' if len(members) > 1 else ''}",
        version="imported",
        description=(
            f"Folds of an nnU-Net ({shown}, {printable(first.trainer_name, _LONGEST_NAME)}),"
            " preprocessed and run patch by patch by nnU-Net itself without mirroring; their"
            " probabilities are averaged, where nnU-Net averages logits."
        ),
        architecture=architecture,
        scheme=scheme.name,
        input=ModelInput(channels=names, framing=volume),
        training_data=f"Data set {printable(str(plans.get('dataset_name', '')), _LONGEST_NAME)}"
        " of its maker, see there.",
        licence="As its maker says.",
    )
    return card, members


def _parsed(folder: Path, file: str) -> _Dataset:
    try:
        return _Dataset.model_validate(_parsed_json(folder, file))
    except ValidationError as error:
        raise _not_understood(file, error) from error


def _parsed_json(folder: Path, file: str) -> dict[str, Any]:
    try:
        document = from_json(read_regular(folder / file, _LARGEST_JSON))
        if isinstance(document, dict):
            return document
    except (OSError, ValueError) as error:
        raise MuscleFMError(
            f"{file} cannot be read as JSON", "copy the results folder of nnU-Net again"
        ) from error
    raise MuscleFMError(f"{file} holds no object", "copy the results folder of nnU-Net again")


def _not_understood(file: str, error: ValidationError) -> MuscleFMError:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part)[:_LONGEST_NAME] for part in fault["loc"])
    return MuscleFMError(
        f"{file} is not one of nnU-Net, version 2 ({printable(where, 200)}: {fault['msg']})",
        "give the folder that nnUNetv2_train wrote, e.g. nnUNetTrainer__nnUNetPlans__3d_fullres",
    )


def _folds(folder: Path) -> list[Path]:
    """Return the checkpoint of each fold, by number."""
    folds = [entry for entry in folder.iterdir() if entry.name.startswith("fold_")]
    found = [
        next((entry / file for file in _CHECKPOINTS if is_file(entry / file)), None)
        for entry in sorted(folds, key=lambda entry: (_number(entry) or 0, entry.name))
        if is_folder(entry)
    ]
    checkpoints = [path for path in found if path]
    if not 0 < len(checkpoints) <= MOST_MEMBERS:
        raise MuscleFMError(
            f"'{folder.name}' holds {len(checkpoints)} trained folds",
            f"give a folder of 1 to {MOST_MEMBERS} folders fold_N with {_CHECKPOINTS[0]}",
        )
    return checkpoints


def _number(fold: Path) -> int | None:
    matched = re.fullmatch(r"fold_([0-9]{1,9})", fold.name)
    return int(matched[1]) if matched else None


def _training(rest: Mapping[str, Any], path: Path) -> _Training:
    try:
        return _Training.model_validate(rest)
    except ValidationError as error:
        raise _not_understood(f"{path.name} in '{path.parent.name}'", error) from error


def _channels(names: Mapping[str, str], given: Sequence[str] | None) -> tuple[str, ...]:
    """Return what the user has to give for each of nnU-Net's channels, in its order."""
    stated = [names.get(str(number), "") for number in range(len(names))]
    if given is None:
        known = {"".join(re.findall("[a-z]", name)): name for name in CHANNEL_NAMES}
        known |= {short: known[key] for key, shorts in _ABBREVIATIONS.items() for short in shorts}
        found = [known.get("".join(re.findall("[a-z]", text.casefold()))) for text in stated]
        if len(stated) == 1:
            return (found[0] or "image",)
        given = [name or "" for name in found]
    if len(given) != len(stated) or len({*given} & {*CHANNEL_NAMES}) < len(given):
        shown = ", ".join(f"'{printable(text, _LONGEST_NAME)}'" for text in stated)
        raise MuscleFMError(
            f"this nnU-Net sees {len(stated)} channels, {shown}",
            f"name each in that order, e.g. --channels in-phase,out-of-phase; the names are"
            f" {', '.join(CHANNEL_NAMES)}",
        )
    return tuple(given)


def _classes(
    labels: Mapping[str, int | list[int]], scheme: LabelScheme, mapping: LabelMapping | None
) -> tuple[int, ...]:
    """Return the scheme's class of each of nnU-Net's outputs."""
    named: dict[int, str] = {}
    for text, value in labels.items():
        if isinstance(value, list):
            raise MuscleFMError(
                "this nnU-Net was trained on regions that overlap",
                "import one that was trained on labels",
            )
        if text != "ignore":
            named[value] = text
    if sorted(named) != list(range(len(named))) or named[0] != "background":
        raise MuscleFMError(
            f"the labels of {DATASET_FILE} do not count up from background, 0",
            "give the dataset.json that this nnU-Net was trained with",
        )
    targets = {value: _target(value, text, scheme, mapping) for value, text in named.items()}
    unknown = [named[value] for value, target in targets.items() if target is None]
    if unknown:
        shown = ", ".join(f"'{printable(text, _LONGEST_NAME)}'" for text in unknown[:8])
        raise MuscleFMError(
            f"label{'s' if len(unknown) > 1 else ''} {shown} of this nnU-Net"
            f" {'are' if len(unknown) > 1 else 'is'} no muscle of '{scheme.name}'",
            "name another label scheme (--scheme), or say in a mapping file what they are"
            " (--mapping), e.g. background",
        )
    classes = tuple(target.label_id for target in targets.values() if target)
    lacking = [label.name for label in scheme.labels if label.id not in classes]
    if lacking:
        raise MuscleFMError(
            f"this nnU-Net has no label for {', '.join(lacking[:4])} of '{scheme.name}'",
            "name the label scheme of its muscles (--scheme); one of your own is a JSON file",
        )
    return classes


def _target(
    value: int, text: str, scheme: LabelScheme, mapping: LabelMapping | None
) -> Target | None:
    """Return what a label is; None where that is not known, or not one class."""
    if value == 0:
        return Target(0)
    given = mapping or {}
    target = given.get(str(value), given.get(text.strip().lower()))
    target = target or parse_target(text, scheme) or given.get(OTHERS)
    return None if target and (target.label_id == IGNORE or target.group) else target


def _fitted(
    state: Mapping[str, Tensor], architecture: NnUNetArchitecture, scheme: LabelScheme, path: Path
) -> dict[str, Tensor]:
    """Return the weights by their names here, each once, wholly understood."""
    label = f"the checkpoint in '{path.parent.name}'"
    expected = build_without_weights(architecture, scheme.class_count).state_dict()
    found = {re.sub("^encoder", "image_encoder", name): value for name, value in state.items()}
    odd = sorted(
        {name for name in found.keys() - expected.keys() if not _ALIAS.fullmatch(name)}
        | {n for n, t in expected.items() if n not in found or found[n].shape != t.shape}
    )
    if odd:
        raise MuscleFMError(
            f"{label} does not fit its plans: {len(odd)} tensors differ, e.g."
            f" {printable(odd[0], _LONGEST_NAME)}",
            "import an nnU-Net of PlainConvUNet or ResidualEncoderUNet, with its own plans.json",
        )
    weights = {name: found[name] for name in expected}
    require_usable(weights, label, "copy the checkpoint again")
    return weights
