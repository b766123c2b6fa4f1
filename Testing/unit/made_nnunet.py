"""Results folders of nnU-Net with random weights, written as its trainer writes them."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import value_names

STATISTICS = {"max": 9.0, "mean": 0.5, "median": 0.4, "min": 0.0, "std": 0.3} | {
    "percentile_00_5": 0.0,
    "percentile_99_5": 2.0,
}
SPLINES = {"is_seg": False, "order_z": 0, "force_separate_z": None}


def plans_of(
    axes: int = 3, unet: str = "PlainConvUNet", reader: str = "SimpleITKIO", channels: int = 1
) -> dict[str, Any]:
    """Return plans of a U-Net of two stages, of the format since version 2.5."""
    per_stage = "n_conv_per_stage" if unet == "PlainConvUNet" else "n_blocks_per_stage"
    flat = axes == 2
    configuration = {
        "data_identifier": "nnUNetPlans_made",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [24, 32] if flat else [4, 24, 32],
        "median_image_size_in_voxels": [48.0, 96.0] if flat else [6.0, 48.0, 96.0],
        "spacing": [5.0, 6.0] if flat else [40.0, 5.0, 6.0],
        "normalization_schemes": ["ZScoreNormalization"] * channels,
        "use_mask_for_norm": [False] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": SPLINES | {"order": 3},
        "resampling_fn_seg_kwargs": SPLINES | {"order": 1, "is_seg": True},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": SPLINES | {"order": 1},
        "batch_dice": True,
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{unet}",
            "arch_kwargs": {
                "n_stages": 2,
                "features_per_stage": [8, 12],
                "conv_op": f"torch.nn.modules.conv.Conv{axes}d",
                "kernel_sizes": [[3, 3], [3, 3]] if flat else [[1, 3, 3], [3, 3, 3]],
                "strides": [[1, 1], [2, 2]] if flat else [[1, 1, 1], [1, 2, 2]],
                per_stage: [1, 2],
                "n_conv_per_stage_decoder": [1],
                "conv_bias": True,
                "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{axes}d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }
    return {
        "dataset_name": "Dataset700_Made",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": reader,
        "transpose_forward": [0, 2, 1],
        "transpose_backward": [0, 2, 1],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(number): STATISTICS for number in range(channels)
        },
        "configurations": {"base": configuration, "made": {"inherits_from": "base"}},
    }


def former_plans(plans: dict[str, Any]) -> dict[str, Any]:
    """Return plans as versions before 2.5 wrote them."""
    former = copy.deepcopy(plans)
    configuration = former["configurations"]["base"]
    layers = configuration.pop("architecture")["arch_kwargs"]
    configuration |= {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 8,
        "unet_max_num_features": 12,
        "n_conv_per_stage_encoder": layers["n_conv_per_stage"],
        "n_conv_per_stage_decoder": layers["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [0, 1, 1],
        "pool_op_kernel_sizes": layers["strides"],
        "conv_kernel_sizes": layers["kernel_sizes"],
    }
    return former


def write_results(
    folder: Path,
    plans: dict[str, Any],
    scheme: LabelScheme,
    *,
    folds: int = 2,
    sided: bool = False,
    channel_names: tuple[str, ...] = ("T1",),
) -> Path:
    """Write ``dataset.json``, ``plans.json`` and folds whose answers differ from each other."""
    labels = {text: value for value, text in value_names(scheme, sided=sided).items()}
    dataset = {
        "channel_names": {str(number): text for number, text in enumerate(channel_names)},
        "labels": labels | {"ignore": len(labels)},
        "numTraining": 3,
        "file_ending": ".nii.gz",
    }
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(dataset))
    (folder / "plans.json").write_text(json.dumps(plans))
    for fold in range(folds):
        network = network_of(plans, len(channel_names), len(labels), seed=fold)
        checkpoint = {
            "network_weights": network.state_dict(),
            "optimizer_state": {"param_groups": [{"lr": 0.01}]},
            "grad_scaler_state": None,
            # The trainer logs numbers of NumPy.
            "logging": {"train_losses": [np.float32(0.5)], "lrs": [np.float64(0.01)]},
            "_best_ema": np.float64(0.1),
            "current_epoch": 1,
            "init_args": {"plans": plans, "configuration": "made", "fold": fold}
            | {"device": torch.device("cpu"), "unpack_dataset": True},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1),
        }
        (folder / f"fold_{fold}").mkdir()
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def network_of(
    plans: dict[str, Any], channels: int, outputs: int, seed: int = 0
) -> torch.nn.Module:
    """Return the network that nnU-Net itself builds, with weights of a seed."""
    planned = (
        plans["configurations"]["base"].get("architecture")
        or (plans_of()["configurations"]["base"]["architecture"])
    )
    torch.manual_seed(seed)
    network: torch.nn.Module = get_network_from_plans(
        planned["network_class_name"],
        planned["arch_kwargs"],
        planned["_kw_requires_import"],
        channels,
        outputs,
        deep_supervision=False,
    )
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "seg_layers" in name:
                parameter.mul_(50.0)
    return network.eval()
