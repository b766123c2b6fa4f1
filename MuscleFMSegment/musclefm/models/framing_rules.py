"""How a scan becomes what a network sees, as ``model.json`` says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)


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


class Normalisation(Strict):
    """How nnU-Net scales one channel.

    Attributes
    ----------
    scheme : str
        nnU-Net's class.
    use_mask : bool
        Whether only voxels of the patient count, where all outside is 0.
    mean, std, percentile_00_5, percentile_99_5 : float
        Of the training data's labelled voxels.
    """

    scheme: Literal[
        "ZScoreNormalization", "CTNormalization", "NoNormalization", "RescaleTo01Normalization"
    ]
    use_mask: bool = False
    mean: float = 0.0
    std: float = Field(default=1.0, ge=0.0)
    percentile_00_5: float = 0.0
    percentile_99_5: float = 0.0


class Resampling(Strict):
    """How nnU-Net resamples.

    Attributes
    ----------
    order, order_z : int
        Of the splines within slices and across them.
    force_separate_z : bool or None
        Whether slices are resampled one by one; None where they are much thicker than wide.
    """

    order: int = Field(ge=0, le=5)
    order_z: int = Field(default=0, ge=0, le=5)
    force_separate_z: bool | None = None


class NnUNetVolume(Strict):
    """The volume as a whole, preprocessed by nnU-Net and seen patch by patch.

    Attributes
    ----------
    orientation : str
        ``"stored"``: the file's own; ``"ras"``: slices toward the head, rows toward the
        front, columns toward the patient's right, as nnU-Net's reorienting readers give it.
    transpose : tuple of int
        nnU-Net's order of the array axes (K, J, I).
    spacing_mm : tuple of float
        To which it resamples, in that order; two within slices.
    normalisation : tuple of Normalisation
        Of each channel.
    image_resampling, logit_resampling : Resampling
        There and back.
    """

    kind: Literal["nnunet"] = "nnunet"
    orientation: Literal["stored", "ras"] = "stored"
    transpose: tuple[int, int, int] = (0, 1, 2)
    spacing_mm: tuple[Annotated[float, Field(ge=0.05, le=100.0)], ...] = Field(
        min_length=2, max_length=3
    )
    normalisation: tuple[Normalisation, ...] = Field(min_length=1, max_length=4)
    image_resampling: Resampling = Resampling(order=3)
    logit_resampling: Resampling = Resampling(order=1)

    @model_validator(mode="after")
    def _names_each_axis(self) -> NnUNetVolume:
        if sorted(self.transpose) != [0, 1, 2]:
            raise ValueError("transpose must name each of the axes 0, 1 and 2")
        return self

    @property
    def images(self) -> int:
        """Images that the network sees of each channel."""
        return 1


FramingRule = Annotated[ThighTiles | WholeSlice | NnUNetVolume, Field(discriminator="kind")]
