"""What is taken of nnU-Net's ``plans.json``, of the format before version 2.5 and since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from musclefm.errors import MuscleFMError
from musclefm.models.framing_rules import NnUNetVolume
from musclefm.networks.nnunet import NnUNetArchitecture
from musclefm.plain_text import printable

_READERS = {
    "SimpleITKIO": "stored",
    "NibabelIO": "stored",
    "SimpleITKIOWithReorient": "ras",
    "NibabelIOWithReorient": "ras",
}
_RESAMPLING = "resample_data_or_seg_to_shape"
_LONGEST_NAME = 60
_DEEPEST = 10


def configuration_of(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a configuration with what it inherits.

    Raises
    ------
    MuscleFMError
        There is none of that name, or it is a cascade's second stage.
    """
    configurations = plans.get("configurations")
    found: dict[str, Any] = {}
    wanted: Any = name
    for _ in range(_DEEPEST):
        entry = configurations.get(wanted) if isinstance(configurations, dict) else None
        if not isinstance(wanted, str) or not isinstance(entry, dict):
            raise _refused(f"no configuration '{printable(str(wanted), _LONGEST_NAME)}'")
        found = entry | found
        if "inherits_from" not in entry:
            break
        wanted = entry["inherits_from"]
    else:
        raise _refused("configurations that inherit from each other")
    if found.get("previous_stage"):
        raise MuscleFMError(
            f"configuration '{printable(name, _LONGEST_NAME)}' is the second stage of a cascade",
            "import 2d, 3d_fullres or 3d_lowres",
        )
    return found


def architecture_of(
    configuration: Mapping[str, Any], channels: int, classes: tuple[int, ...]
) -> NnUNetArchitecture:
    """Return the network of a configuration.

    Raises
    ------
    MuscleFMError
        It is none of nnU-Net's own, or beyond what is taken.
    """
    planned = configuration.get("architecture")
    given = _known_layers(planned) if isinstance(planned, dict) else _former(configuration)
    patch = configuration.get("patch_size")
    try:
        return NnUNetArchitecture.model_validate(
            given
            | {
                "patch_size": patch,
                "input_size": max(patch) if isinstance(patch, list) and patch else None,
                "input_channels": channels,
                "classes": classes,
            }
        )
    except (ValidationError, TypeError) as error:
        raise _fault(error) from error


def volume_of(
    plans: Mapping[str, Any], configuration: Mapping[str, Any], channels: int
) -> NnUNetVolume:
    """Return how a volume is preprocessed for a configuration.

    Raises
    ------
    MuscleFMError
        By rules that are not known here.
    """
    reader = plans.get("image_reader_writer")
    rules = {
        "image_reader_writer": (reader, tuple(_READERS)),
        "preprocessor_name": (configuration.get("preprocessor_name"), ("DefaultPreprocessor",)),
        "label_manager": (plans.get("label_manager", "LabelManager"), ("LabelManager",)),
        "resampling_fn_data": (configuration.get("resampling_fn_data"), (_RESAMPLING,)),
        "resampling_fn_probabilities": (
            configuration.get("resampling_fn_probabilities"),
            (_RESAMPLING,),
        ),
    }
    for what, (value, known) in rules.items():
        if value not in known:
            raise _refused(f"{what} '{printable(str(value), _LONGEST_NAME)}'")
    # Its name before version 2.
    former = plans.get("foreground_intensity_properties_by_modality")
    statistics = plans.get("foreground_intensity_properties_per_channel", former)
    try:
        schemes, masks = configuration["normalization_schemes"], configuration["use_mask_for_norm"]
        return NnUNetVolume.model_validate(
            {
                "orientation": _READERS[str(reader)],
                "transpose": plans["transpose_forward"],
                "spacing_mm": configuration["spacing"],
                "normalisation": [
                    {
                        "scheme": schemes[number],
                        "use_mask": masks[number],
                        **{
                            key: statistics[str(number)][key]
                            for key in ("mean", "std", "percentile_00_5", "percentile_99_5")
                        },
                    }
                    for number in range(channels)
                ],
                "image_resampling": _resampling(configuration, "resampling_fn_data_kwargs"),
                "logit_resampling": _resampling(
                    configuration, "resampling_fn_probabilities_kwargs"
                ),
            }
        )
    except (ValidationError, LookupError, TypeError) as error:
        raise _fault(error) from error


def _known_layers(planned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the network of plans since version 2.5, whose layers are named by their classes."""
    keywords = planned.get("arch_kwargs")
    if not isinstance(keywords, dict):
        raise _refused("no arch_kwargs")
    name = str(planned.get("network_class_name")).rpartition(".")[2]
    norm, nonlin = keywords.get("norm_op_kwargs"), keywords.get("nonlin_kwargs")
    names = {
        key: str(keywords.get(key)).rpartition(".")[2].rstrip("d123")
        for key in ("conv_op", "norm_op", "dropout_op", "nonlin")
    }
    usual = {
        "conv_op": "Conv",
        "norm_op": "InstanceNorm",
        "dropout_op": "None",
        "nonlin": "LeakyReLU",
    }
    for key, value in names.items():
        if value != usual[key]:
            raise _refused(f"{key} '{printable(str(keywords.get(key)), _LONGEST_NAME)}'")
    if not (isinstance(norm, dict) and norm.get("affine") and set(norm) <= {"eps", "affine"}):
        raise _refused("another normalisation")
    if nonlin is not None and (not isinstance(nonlin, dict) or set(nonlin) - {"inplace"}):
        raise _refused("another nonlinearity")
    blocks = keywords.get("n_conv_per_stage", keywords.get("n_blocks_per_stage"))
    return {
        "unet": name,
        "features": keywords.get("features_per_stage"),
        "kernel_sizes": keywords.get("kernel_sizes"),
        "strides": keywords.get("strides"),
        "blocks": blocks,
        "decoder_blocks": keywords.get("n_conv_per_stage_decoder"),
        "conv_bias": keywords.get("conv_bias", False),
        "norm_eps": norm.get("eps", 1e-5),
    }


def _former(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the network of plans before version 2.5."""
    blocks = configuration.get("n_conv_per_stage_encoder")
    base = configuration.get("UNet_base_num_features")
    most = configuration.get("unet_max_num_features")
    if not (isinstance(blocks, list) and isinstance(base, int) and isinstance(most, int)):
        raise _refused("no architecture")
    return {
        "unet": configuration.get("UNet_class_name"),
        "features": [min(base << stage, most) for stage in range(min(len(blocks), 32))],
        "kernel_sizes": configuration.get("conv_kernel_sizes"),
        "strides": configuration.get("pool_op_kernel_sizes"),
        "blocks": blocks,
        "decoder_blocks": configuration.get("n_conv_per_stage_decoder"),
    }


def _resampling(configuration: Mapping[str, Any], key: str) -> dict[str, Any]:
    given = configuration[key]
    return {name: given[name] for name in ("order", "order_z", "force_separate_z")}


def _refused(what: str) -> MuscleFMError:
    return MuscleFMError(
        f"plans.json has {what}, which is not known here",
        "import an nnU-Net that was planned by nnUNetv2_plan_experiment without own classes",
    )


def _fault(error: Exception) -> MuscleFMError:
    if not isinstance(error, ValidationError):
        return _refused("a configuration that lacks something")
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part)[:_LONGEST_NAME] for part in fault["loc"]) or "architecture"
    return _refused(f"{printable(where, 200)} beyond what is taken ({fault['msg']})")
