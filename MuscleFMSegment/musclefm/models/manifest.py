"""``model.json``: what a bundle says of itself, validated."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

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
from musclefm.plain_text import printable

LARGEST_MANIFEST = 1 << 20
"""Bytes of ``model.json`` at most."""

MOST_MEMBERS = 64
"""Networks of an ensemble at most."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""What a bundle may be called."""

NOT_FOR_CLINICAL_USE = "Research only. Not for clinical use."


_LONGEST_TEXT = 10_000


class Strict(BaseModel):
    """Data that refuses unknown fields and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ThighTiles(Strict):
    """The network sees one thigh a tile, in canonical orientation.

    Attributes
    ----------
    spacing_mm : float
        Edge of a tile's pixel.
    neighbours_mm : float
        How far toward the feet and the head the neighbours lie that each channel shows
        before and after the slice's own image; 0 shows none.
    smoothing_mm : float
        Standard deviation of the Gaussian along the leg over which each member's
        probabilities are averaged; 0 takes every slice alone.
    """

    kind: Literal["thigh"] = "thigh"
    spacing_mm: float = Field(default=1.6, ge=0.1, le=20.0)
    neighbours_mm: float = Field(default=0.0, ge=0.0, le=100.0)
    smoothing_mm: float = Field(default=0.0, ge=0.0, le=50.0)

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A bundle without these fields keeps its hash.
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if value or name == "kind"}

    @property
    def images(self) -> int:
        """Images that the network sees of each channel."""
        return 3 if self.neighbours_mm else 1


class WholeSlice(Strict):
    """The network sees the slice as a whole.

    Attributes
    ----------
    orientation : str
        ``"stored"``: the file's own, with its first index axis along the rows;
        ``"canonical"``: rows from anterior to posterior, columns from the
        patient's right to left.
    """

    kind: Literal["slice"] = "slice"
    orientation: Literal["stored", "canonical"] = "canonical"


_Architecture = Annotated[
    SerializeAsAny[Architecture],
    one_of(
        Architecture,
        lambda kind: FAMILIES[kind].architecture if kind in FAMILIES else None,
        default="sam",
        shipped=Annotated[SamArchitecture | LiteMedSamArchitecture, Field(discriminator="kind")],
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
FramingRule = Annotated[ThighTiles | WholeSlice, Field(discriminator="kind")]


class ModelInput(Strict):
    """What the network is fed.

    Attributes
    ----------
    channels : tuple of str
        What the user has to give, in order: ``("image",)`` for any contrast,
        or e.g. ``("in-phase", "out-of-phase")``.
    intensity : IntensityRule
        From stored intensities to what the network sees.
    framing : ThighTiles or WholeSlice
        From slices to tiles.
    """

    channels: tuple[str, ...] = Field(default=("image",), min_length=1, max_length=3)
    intensity: _Intensity = PercentileIntensity()
    framing: FramingRule = ThighTiles()


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
    metrics: dict[str, float] = {}


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
    metrics: dict[str, float] = {}
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
        framing = self.input.framing
        shown = 3 if isinstance(framing, WholeSlice) else len(self.input.channels) * framing.images
        if shown != self.architecture.input_channels:
            raise ValueError(
                f"{shown} input channels do not fit a network of {self.architecture.input_channels}"
            )
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
    created_with: dict[str, str] = {}

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
