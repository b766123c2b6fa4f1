"""Import of the published fine-tuned folds of Casali et al. 2025.

The paper: doi 10.1016/j.cmpb.2025.109035. A fold is a folder with
``checkpoint_best.pth``, the state dict of the whole SAM, and ``args.json``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError
from torch import Tensor

from musclefm.defaults import PUBLISHED_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.models.imports.state_dicts import read_state, require_fit
from musclefm.models.intensity import PublishedIntensity
from musclefm.models.manifest import MOST_MEMBERS, BundleCard, ModelInput, WholeSlice
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import (
    LARGEST_RANK,
    OFFICIAL_ENCODERS,
    LoraRanks,
    SamArchitecture,
)
from musclefm.storage.regular_file import is_file, is_folder, read_regular

CHECKPOINT_FILE = "checkpoint_best.pth"
ARGUMENTS_FILE = "args.json"
CLASS_COUNT = 13
INPUT_SIZE = 1024

# A thousand times what the published ones take.
_LARGEST_ARGUMENTS = 1 << 20

_ENCODER_ADAPTER = "image_encoder.blocks.0.attn.qkv.linear_a_q.weight"
_DECODER_ADAPTER = "mask_decoder.transformer.final_attn_token_to_image.q_proj.w_a.weight"


class TrainingArguments(BaseModel):
    """What is needed of ``args.json``."""

    arch: Literal["vit_b", "vit_l", "vit_h"]
    finetune_type: Literal["lora", "vanilla"]
    normalize_type: Literal["sam", "medsam"]
    num_cls: Literal[13]


@dataclass(frozen=True)
class PublishedFold:
    """One member as it was published.

    Attributes
    ----------
    arguments : TrainingArguments
        How it was trained.
    architecture : SamArchitecture
        What it is.
    member : MemberState
        Its weights.
    """

    arguments: TrainingArguments
    architecture: SamArchitecture
    member: MemberState


def fold_folders(path: Path) -> list[Path]:
    """Return the folds at a path: itself, or its ``fold_N`` folders by number.

    Raises
    ------
    MuscleFMError
        They are more than an ensemble may have members.
    """
    if is_file(path / CHECKPOINT_FILE):
        return [path]
    folds = [
        entry for entry in path.iterdir() if _fold_number(entry) is not None and is_folder(entry)
    ]
    if len(folds) > MOST_MEMBERS:
        raise MuscleFMError(
            f"'{path.name}' holds {len(folds)} folds, and an ensemble has at most {MOST_MEMBERS}",
            f"give a folder of at most {MOST_MEMBERS} folds",
        )
    return sorted(folds, key=lambda entry: _fold_number(entry) or 0)


def read_published(folders: list[Path], name: str) -> tuple[BundleCard, list[MemberState]]:
    """Read published folds as one ensemble.

    Parameters
    ----------
    folders : list of Path
        One folder a fold, at least one.
    name : str
        Of the bundle to be.

    Returns
    -------
    card : BundleCard
        What its makers say of the ensemble.
    members : list of MemberState
        In the order of the folders.

    Raises
    ------
    MuscleFMError
        A fold is incomplete, is not of this kind, or differs from the others.
    """
    folds = [_read_fold(folder) for folder in folders]
    first = folds[0]
    for folder, fold in zip(folders, folds, strict=True):
        if (fold.arguments, fold.architecture) != (first.arguments, first.architecture):
            raise MuscleFMError(
                f"'{folder.name}' was trained otherwise than '{folders[0].name}'",
                "import folds of one kind together",
            )
    return _card(first, name, len(folds)), [fold.member for fold in folds]


def _read_fold(folder: Path) -> PublishedFold:
    arguments = _read_arguments(folder)
    label = f"the checkpoint in '{folder.name}'"
    state = read_state(folder / CHECKPOINT_FILE, label)
    ranks = LoraRanks(
        encoder=_rank(state, _ENCODER_ADAPTER), decoder=_rank(state, _DECODER_ADAPTER)
    )
    if (arguments.finetune_type == "lora") != (ranks != LoraRanks()):
        raise MuscleFMError(
            f"{label} is not of the kind '{arguments.finetune_type}' that its {ARGUMENTS_FILE}"
            " names",
            "take both files from the same published fold",
        )
    architecture = OFFICIAL_ENCODERS[arguments.arch].model_copy(
        update={"input_size": INPUT_SIZE, "lora": ranks}
    )
    require_fit(state, architecture, CLASS_COUNT, label)
    return PublishedFold(
        arguments, architecture, MemberState(state=state, fold=_fold_number(folder))
    )


def _read_arguments(folder: Path) -> TrainingArguments:
    path = folder / ARGUMENTS_FILE
    try:
        return TrainingArguments.model_validate_json(read_regular(path, _LARGEST_ARGUMENTS))
    except OSError as error:
        raise MuscleFMError(
            f"'{folder.name}' holds no readable {ARGUMENTS_FILE}",
            f"put the {ARGUMENTS_FILE} that was published with the checkpoint beside it",
        ) from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part)[:60] for part in fault["loc"]) or "JSON"
        raise MuscleFMError(
            f"{ARGUMENTS_FILE} in '{folder.name}' is not of a published fold ({where}:"
            f" {fault['msg']})",
            "import folds of the kinds 'lora' or 'vanilla' with 13 classes",
        ) from error


def _rank(state: dict[str, Tensor], adapter: str) -> int:
    shape = state[adapter].shape if adapter in state else ()
    # A rank that no adapter has is found by the comparison with the network.
    return shape[0] if len(shape) == 2 and shape[0] <= LARGEST_RANK else 0


def _fold_number(folder: Path) -> int | None:
    matched = re.fullmatch(r"fold_([0-9]{1,9})", folder.name)
    return int(matched[1]) if matched else None


def _card(fold: PublishedFold, name: str, count: int) -> BundleCard:
    start = {"sam": "SAM", "medsam": "MedSAM"}[fold.arguments.normalize_type]
    adapted = {"lora": "LoRA on encoder and decoder", "vanilla": "decoder only"}
    how = adapted[fold.arguments.finetune_type]
    return BundleCard(
        name=name,
        title=f"Published {start} {fold.arguments.arch}, {how}",
        version="published",
        description=(
            f"{count} of the published cross-validation folds of Casali et al. 2025"
            " (doi 10.1016/j.cmpb.2025.109035), run as the authors run them."
        ),
        architecture=fold.architecture,
        scheme=PUBLISHED_SCHEME,
        input=ModelInput(
            channels=("in-phase", "out-of-phase"),
            intensity=PublishedIntensity(normalisation=fold.arguments.normalize_type),
            framing=WholeSlice(orientation="stored"),
        ),
        training_data=(
            "Private two-point Dixon MR of the thighs of patients with neuromuscular disorders,"
            " see the paper."
        ),
        licence="As published by the authors; their code is under the MIT licence.",
    )
