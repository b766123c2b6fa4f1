"""``model.json``: what a bundle says of itself, validated."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from musclefm.models.framing_rules import FramingRule, NnUNetVolume, Strict, ThighTiles, WholeSlice
from musclefm.models.intensity import (
    INTENSITY_RULES,
    IntensityRule,
    PercentileIntensity,
    PublishedIntensity,
    UnitIntensity,
)
from musclefm.models.kinds import fault_in_manifest, one_of
from musclefm.models.weight_files import WeightFile
from musclefm.networks.architecture import Architecture, LiteMedSamArchitecture, SamArchitecture
from musclefm.networks.families import FAMILIES
from musclefm.networks.nnunet import NnUNetArchitecture
from musclefm.plain_text import printable

LARGEST_MANIFEST = 1 << 20
"""Bytes of ``model.json`` at most."""

MOST_MEMBERS = 64
"""Networks of an ensemble at most."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""What a bundle may be called."""

NOT_FOR_CLINICAL_USE = "Research only. Not for clinical use."


_LONGEST_TEXT = 10_000


_Architecture = Annotated[
    SerializeAsAny[Architecture],
    one_of(
        Architecture,
        lambda kind: FAMILIES[kind].architecture if kind in FAMILIES else None,
        default="sam",
        shipped=Annotated[
            SamArchitecture | LiteMedSamArchitecture | NnUNetArchitecture,
            Field(discriminator="kind"),
        ],
    ),
]
_Intensity = Annotated[
    SerializeAsAny[IntensityRule],
    one_of(
        IntensityRule,
        INTENSITY_RULES.get,
        default="percentile",
        shipped=Annotated[
            PercentileIntensity | PublishedIntensity | UnitIntensity, Field(discriminator="kind")
        ],
    ),
]


class ModelInput(Strict):
    """What the network is fed.

    Attributes
    ----------
    channels : tuple of str
        What the user has to give, in order: ``("image",)`` for any contrast,
        or e.g. ``("in-phase", "out-of-phase")``.
    intensity : IntensityRule
        From stored intensities to what the network sees; an nnU-Net has its own.
    framing : ThighTiles, WholeSlice or NnUNetVolume
        From slices to tiles, or the volume as a whole.
    """

    channels: tuple[str, ...] = Field(default=("image",), min_length=1, max_length=4)
    intensity: _Intensity = PercentileIntensity()
    framing: FramingRule = ThighTiles()

    @model_serializer(mode="wrap")
    def _as_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        if isinstance(self.framing, NnUNetVolume):
            del fields["intensity"]
        return fields


class Member(Strict):
    """One network of the ensemble.

    Attributes
    ----------
    weights : WeightFile
        Its own weights.
    encoder : WeightFile or None
        Weights of the image encoder that it shares with other members.
    seed, fold : int or None
        What it was trained with, where that is known.
    metrics : dict of str to float
        Its validation metrics.
    """

    weights: WeightFile
    encoder: WeightFile | None = None
    seed: int | None = None
    fold: int | None = None
    metrics: dict[str, float] = Field(default={})


class BundleCard(Strict):
    """What its maker says of a bundle.

    Attributes
    ----------
    name : str
        Short name by which a user asks for it.
    title, version, description : str
        For the reader.
    role : str
        ``"ensemble"`` segments; ``"start"`` holds pretrained weights whose
        class outputs are untrained, as a pretrained checkpoint.
    architecture : Architecture
        The network, the same for all members.
    scheme : str
        Name of the label scheme; its order is that of the output channels.
    input : ModelInput
        What the network is fed.
    temperature : float
        Divides the logits before the softmax; 1 leaves them.
    training_data, licence : str
        What it was trained on, and the licence of the weights.
    metrics : dict of str to float
        Of the ensemble.
    intended_use : str
        What it may be used for.
    """

    name: str = Field(pattern=NAME_PATTERN)
    title: str = Field(min_length=1, max_length=300)
    version: str = Field(min_length=1, max_length=100)
    description: str = Field(max_length=_LONGEST_TEXT)
    role: Literal["ensemble", "start"] = "ensemble"
    architecture: _Architecture
    scheme: str = Field(pattern=NAME_PATTERN)
    input: ModelInput
    temperature: float = Field(default=1.0, ge=0.01, le=100.0)
    training_data: str = Field(max_length=_LONGEST_TEXT)
    licence: str = Field(max_length=_LONGEST_TEXT)
    metrics: dict[str, float] = Field(default={})
    intended_use: str = Field(default=NOT_FOR_CLINICAL_USE, max_length=_LONGEST_TEXT)

    @field_validator("title", "version")
    @classmethod
    def _is_one_line(cls, text: str) -> str:
        if printable(text) != text:
            raise ValueError("holds a line break or control characters")
        return text

    @model_validator(mode="after")
    def _channels_fit(self) -> BundleCard:
        # A whole slice of fewer channels is filled up to the three that SAM was trained on.
        framing, count = self.input.framing, len(self.input.channels)
        shown = 3 if isinstance(framing, WholeSlice) else count * framing.images
        if shown != self.architecture.input_channels:
            raise ValueError(
                f"{shown} input channels do not fit a network of {self.architecture.input_channels}"
            )
        if isinstance(framing, NnUNetVolume) != isinstance(self.architecture, NnUNetArchitecture):
            raise ValueError("volumes are what networks of nnU-Net see, and no others")
        if count != (len(framing.normalisation) if isinstance(framing, NnUNetVolume) else count):
            raise ValueError("each channel needs a normalisation")
        if isinstance(framing, WholeSlice) and count > shown:
            raise ValueError(f"a slice has at most {shown} channels")
        return self

    @property
    def ready(self) -> bool:
        """Whether it can segment."""
        return self.role == "ensemble"


class BundleManifest(BundleCard):
    """The whole of ``model.json``.

    Attributes
    ----------
    format_version : int
        Of this file.
    members : tuple of Member
        At least one.
    created_with : dict of str to str
        Versions of the software that wrote the bundle.
    """

    format_version: Literal[1] = 1
    members: tuple[Member, ...] = Field(min_length=1, max_length=MOST_MEMBERS)
    created_with: dict[str, str] = Field(default={})

    @model_validator(mode="after")
    def _files_have_names_of_their_own(self) -> BundleManifest:
        # Some disks keep no capitals apart.
        names = {entry.file.casefold() for entry in self.files}
        if len(names) < len(self.files):
            raise ValueError("different files of weights have the same name")
        return self

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """All files of weights, each once, by name."""
        entries = {entry for m in self.members for entry in (m.encoder, m.weights) if entry}
        return tuple(sorted(entries, key=lambda entry: entry.file))

    @property
    def sha256(self) -> str:
        """Hash of the manifest as canonical JSON, which holds the hash of every file."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_manifest(text: str | bytes, name: str) -> BundleManifest:
    """Validate the content of a ``model.json``.

    Parameters
    ----------
    text : str or bytes
        Its content.
    name : str
        What to call the bundle in an error.

    Raises
    ------
    MuscleFMError
        It is not JSON, or not a manifest that this version understands.
    """
    try:
        return BundleManifest.model_validate_json(text)
    except ValidationError as error:
        raise fault_in_manifest(error, name) from error


def schema_text() -> str:
    """Return the JSON Schema of ``model.json``, as committed in ``Resources/Schemas``."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **BundleManifest.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
