"""The folds of an nnU-Net are a model whose every voxel is what nnU-Net itself says of it."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("dynamic_network_architectures", reason="needs nnU-Net's networks")

from made_nnunet import former_plans, network_of, plans_of, write_results
from thigh_images import read_legs
from tiny_ensemble import SCHEME

from musclefm.cli.main import main
from musclefm.errors import MuscleFMError
from musclefm.inference import case
from musclefm.inference.case import load_predictor, run_case
from musclefm.inference.demand import gpu_bytes, operations_per_slice
from musclefm.inference.device import Runtime
from musclefm.inference.field_notes import lie_upside_down
from musclefm.inference.kept_probabilities import KeptProbabilities
from musclefm.models.bundle import Bundle, open_bundle
from musclefm.models.imports.checkpoint import import_checkpoint
from musclefm.networks.nnunet import NnUNetArchitecture
from musclefm.progress import ProgressEvent, WorkCancelledError, silent
from musclefm.training.fitting.initial_weights import trained_architecture
from musclefm.training.recipe import RECIPES
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

CPU = Runtime(torch.device("cpu"), bf16=False)
# nnU-Net adds its patches in half precision, where large logits have steps of 0.03.
HALF = 0.02
TILT = np.radians(20.0)


@pytest.fixture(scope="module")
def scan() -> Volume:
    """Return two legs in air of value 0, 7 x 40 x 64, oblique, flipped, anisotropic."""
    k, j, i = np.indices((7, 40, 64))
    legs = [((j - 20) / 12.0) ** 2 + ((i - middle) / 12.0) ** 2 < 1 for middle in (16, 47)]
    rng = np.random.default_rng(3)
    array = (legs[0] * (1 + 0.1 * k) + legs[1] * (2 - 0.02 * j)) * rng.uniform(0.8, 1.2, k.shape)
    array[0] = 0
    turned = np.array(
        [[-1, 0, 0], [0, np.cos(TILT), np.sin(TILT)], [0, -np.sin(TILT), np.cos(TILT)]]
    )
    grid = Grid(array.shape, (4.0, 5.5, 33.0), (80.0, -40.0, 12.0), tuple(turned.ravel()))
    return Volume(array.astype(np.float32), grid)


def segmented(
    bundle: Bundle, scan: Volume, progress: Any = silent
) -> tuple[EnsembleMaps, npt.NDArray[np.float32]]:
    predictor = load_predictor(bundle, CPU, progress)
    kept = KeptProbabilities(bundle.manifest.temperature)
    channels = np.stack([scan.array] * len(bundle.manifest.input.channels))
    maps = run_case(channels, scan.grid, bundle, predictor, kept)
    return maps, kept.of_case().mean.astype(np.float32)


def by_nnunet(
    plans: dict[str, Any], scan: Volume, outputs: int, seed: int, channels: int = 1
) -> npt.NDArray[np.float32]:
    """Return what nnU-Net's own predictor says of voxels as a file stores them."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(json.loads(json.dumps(plans)))
    labels = {"background": 0} | {f"m{n}": n for n in range(1, outputs)}
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    network = network_of(plans, channels, outputs, seed)
    predictor.manual_initialization(
        network,
        manager,
        manager.get_configuration("made"),
        [network.state_dict()],
        {"labels": labels},
        "nnUNetTrainer",
        None,
    )
    images = np.stack([scan.array] * channels)
    properties = {"spacing": list(scan.grid.spacing[::-1])}
    _, probabilities = predictor.predict_single_npy_array(images, properties, None, None, True)
    return np.asarray(probabilities, np.float32)


@pytest.mark.parametrize(
    ("axes", "unet"), [(3, "PlainConvUNet"), (2, "PlainConvUNet"), (3, "ResidualEncoderUNet")]
)
def test_every_voxel_is_as_nnunet_says(tmp_path: Path, scan: Volume, axes: int, unet: str) -> None:
    plans = plans_of(axes, unet)
    bundle = import_checkpoint(
        write_results(tmp_path / "results", plans, SCHEME), "u", tmp_path / "m", SCHEME.name
    )
    assert [member.fold for member in bundle.manifest.members] == [0, 1]
    maps, mean = segmented(bundle, scan)
    folds = [by_nnunet(plans, scan, SCHEME.class_count, seed) for seed in (0, 1)]
    np.testing.assert_allclose(mean, np.mean(folds, axis=0), atol=HALF)
    assert np.abs(mean - np.mean(folds, axis=0)).mean() < 1e-4
    assert maps.grid == scan.grid
    assert len(np.unique(maps.labels)) > 3
    assert (maps.labels == np.argmax(np.mean(folds, axis=0), axis=0)).mean() > 0.99
    spread = np.var(folds, axis=0).mean(axis=0)
    np.testing.assert_allclose(maps.variance, spread, atol=HALF)
    assert maps.epistemic.max() > 0.05
    assert not maps.labels[0].any(), "what nnU-Net crops away is background"


def test_a_network_of_sides_gives_muscles_on_the_sides_of_the_image(
    tmp_path: Path, scan: Volume
) -> None:
    plans = former_plans(plans_of())
    outputs = 1 + 2 * len(SCHEME.labels)
    results = write_results(tmp_path / "results", plans, SCHEME, folds=1, sided=True)
    bundle = import_checkpoint(results, "sided", tmp_path / "m", SCHEME.name)
    maps, mean = segmented(bundle, scan)
    both = by_nnunet(plans, scan, outputs, 0)
    muscles = len(SCHEME.labels)
    expected = np.concatenate([both[:1], both[1 : muscles + 1] + both[muscles + 1 :]])
    np.testing.assert_allclose(mean, expected, atol=HALF)
    assert set(np.unique(maps.sides)) == {1, 2}


def test_a_reorienting_reader_sees_the_patient_alike_however_stored(
    tmp_path: Path, scan: Volume
) -> None:
    plans = plans_of(reader="NibabelIOWithReorient")
    results = write_results(tmp_path / "results", plans, SCHEME, folds=1)
    bundle = import_checkpoint(results, "ras", tmp_path / "m", SCHEME.name)
    view = canonical_view(scan.grid)
    ras = view.upside_down()
    seen = Volume(np.ascontiguousarray(ras.apply(scan.array)), ras.grid)
    expected = by_nnunet(plans, seen, SCHEME.class_count, 0)
    for stored in (scan, Volume(np.ascontiguousarray(view.apply(scan.array)), view.grid)):
        _, mean = segmented(bundle, stored)
        here = canonical_view(stored.grid).upside_down()
        for plane, truth in zip(mean, expected, strict=True):
            np.testing.assert_allclose(here.apply(plane), truth, atol=HALF)


def test_channels_are_known_by_name(tmp_path: Path, scan: Volume) -> None:
    plans = plans_of(channels=2)
    results = write_results(
        tmp_path / "named", plans, SCHEME, folds=1, channel_names=("OutPhase", "InPhase")
    )
    with pytest.raises(MuscleFMError, match="sees 2 channels, 'OutPhase', 'InPhase'"):
        import_checkpoint(results, "a", tmp_path / "m", SCHEME.name)
    names = ("out-of-phase", "in-phase")
    bundle = import_checkpoint(results, "a", tmp_path / "m", SCHEME.name, channels=names)
    assert bundle.manifest.input.channels == names
    _, mean = segmented(bundle, scan)
    np.testing.assert_allclose(
        mean, by_nnunet(plans, scan, SCHEME.class_count, 0, channels=2), atol=HALF
    )


def test_the_command_imports_and_segments(
    tmp_path: Path, scan: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    results = write_results(tmp_path / "results", plans_of(), SCHEME)
    importing = ["models", "import", str(results), "--name", "unet", "--scheme", SCHEME.name]
    assert main(importing) == 0
    write_volume(scan, tmp_path / "scan.nii.gz")
    out = tmp_path / "out"
    assert (
        main(["segment", str(tmp_path / "scan.nii.gz"), "--model", "unet", "--out", str(out)]) == 0
    )
    assert (out / "report.html").is_file() and (out / "uncertainty.nii.gz").is_file()
    assert main(["models", "show", "unet"]) == 0
    assert "nnunetv2" in json.loads((out / "provenance.json").read_text())["versions"]
    listed = json.loads((tmp_path / "home" / "models" / "unet" / "model.json").read_text())
    assert "intensity" not in listed["input"]


def test_a_prone_patient_is_noticed_by_the_muscles(
    tmp_path: Path, scan: Volume, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, left, _ = read_legs(shared / "anatomies" / "HV002_2_0000.nii.gz")
    labels = np.maximum(right, left).astype(np.uint8)
    assert not lie_upside_down(labels, SCHEME)
    assert lie_upside_down(labels[:, ::-1, ::-1], SCHEME)
    # The knee alone shows no front muscle of those that are asked for.
    assert not lie_upside_down(np.where(labels == 3, labels, 0), SCHEME)
    results = write_results(tmp_path / "results", plans_of(), SCHEME, folds=1)
    bundle = import_checkpoint(results, "u", tmp_path / "m", SCHEME.name)
    for answer in (False, True):
        monkeypatch.setattr(case, "lie_upside_down", lambda *_, answer=answer: answer)
        maps, _ = segmented(bundle, scan)
        assert any("prone" in note for note in maps.notes) is answer


def test_it_is_not_trained_here(tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", plans_of(), SCHEME, folds=1)
    bundle = import_checkpoint(results, "u", tmp_path / "m", SCHEME.name)
    with pytest.raises(MuscleFMError, match="train it by nnUNetv2_train"):
        trained_architecture(bundle, RECIPES["paper"])


def test_an_empty_image_has_no_muscle(tmp_path: Path, scan: Volume) -> None:
    results = write_results(tmp_path / "results", plans_of(), SCHEME, folds=1)
    bundle = import_checkpoint(results, "u", tmp_path / "m", SCHEME.name)
    maps, _ = segmented(bundle, scan.with_array(np.zeros_like(scan.array)))
    assert np.isfinite(maps.total).all() and maps.labels.shape == scan.array.shape


def refusal(results: Path, folder: Path, **options: Any) -> str:
    with pytest.raises(MuscleFMError) as caught:
        import_checkpoint(results, "x", folder / "models", **{"scheme": SCHEME.name} | options)
    assert "\n" not in str(caught.value)
    assert not (folder / "models").exists() or not list((folder / "models").iterdir())
    return str(caught.value)


def test_labels_are_known_or_asked_for(tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", plans_of(), SCHEME, folds=1)
    assert "no label for adductor longus" in refusal(results, tmp_path, scheme="thigh-12")
    dataset = json.loads((results / "dataset.json").read_text())
    labels = dataset["labels"] | {"bone": dataset["labels"]["ignore"]}
    del labels["ignore"]
    (results / "dataset.json").write_text(json.dumps(dataset | {"labels": labels}))
    assert "'bone' of this nnU-Net is no muscle" in refusal(results, tmp_path)
    mapping = tmp_path / "mapping.json"
    for key in ("bone", str(labels["bone"]), "*"):
        mapping.write_text(json.dumps({key: "background"}))
        # What is missing now is the network's output for it.
        assert "tensors differ" in refusal(results, tmp_path, mapping=mapping)
    (results / "dataset.json").write_text(json.dumps(dataset | {"labels": {"a": [1], "b": [1, 2]}}))
    assert "regions that overlap" in refusal(results, tmp_path)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"preprocessor_name": "os.system"}, "preprocessor_name 'os.system'"),
        ({"resampling_fn_data": "eval"}, "resampling_fn_data 'eval'"),
        ({"previous_stage": "3d_lowres"}, "second stage of a cascade"),
        ({"patch_size": [4, 24, 1 << 40]}, "less than or equal to 4096"),
        ({"patch_size": [4, 24, 33]}, "strides must divide"),
        ({"spacing": [0.0, 5.0, 6.0]}, "spacing_mm"),
        ({"inherits_from": "made"}, "inherit from each other"),
        ({"normalization_schemes": []}, "lacks something"),
        ({"architecture": {"arch_kwargs": {"conv_op": "os.system"}}}, "conv_op 'os.system'"),
    ],
)
def test_plans_are_taken_only_as_far_as_known(
    tmp_path: Path, change: dict[str, Any], shown: str
) -> None:
    plans = plans_of()
    results = write_results(tmp_path / "results", plans, SCHEME, folds=1)
    plans["configurations"]["base"] |= change
    (results / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(MuscleFMError, match=shown):
        import_checkpoint(results, "x", tmp_path / "models", SCHEME.name)


def test_what_is_no_training_of_nnunet_is_refused(tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", plans_of(), SCHEME)
    checkpoint = results / "fold_1" / "checkpoint_final.pth"
    content = torch.load(checkpoint, weights_only=False)
    torch.save(content | {"trainer_name": "nnUNetTrainerBN"}, checkpoint)
    assert "'fold_1' was trained otherwise" in refusal(results, tmp_path)

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save(content | {"logging": Trap()}, checkpoint)
    assert "never loaded" in refusal(results, tmp_path)
    assert not (tmp_path / "sprung").exists()
    torch.save(content["network_weights"], checkpoint)
    assert "no weights of nnU-Net's trainer" in refusal(results, tmp_path)
    weights = content["network_weights"]
    name = next(name for name in weights if "all_modules" in name)
    torch.save(content | {"network_weights": weights | {name: weights[name][:1]}}, checkpoint)
    assert "does not fit its plans" in refusal(results, tmp_path)
    checkpoint.unlink()
    (results / "fold_0" / "checkpoint_final.pth").unlink()
    assert "holds 0 trained folds" in refusal(results, tmp_path)


def test_without_nnunet_the_remedy_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = write_results(tmp_path / "results", plans_of(), SCHEME, folds=1)
    bundle = import_checkpoint(results, "u", tmp_path / "m", SCHEME.name)
    monkeypatch.setitem(sys.modules, "nnunetv2.inference.predict_from_raw_data", None)
    with pytest.raises(MuscleFMError, match=r"pip install 'musclefm\[nnunet\]'"):
        load_predictor(bundle, CPU, silent)


def test_work_can_be_cancelled_between_patches(tmp_path: Path, scan: Volume) -> None:
    results = write_results(tmp_path / "results", plans_of(), SCHEME)
    bundle = open_bundle(import_checkpoint(results, "u", tmp_path / "m", SCHEME.name).folder)
    seen: list[ProgressEvent] = []

    def cancel(event: ProgressEvent) -> None:
        seen.append(event)
        if event.stage == "segment" and event.done == 3:
            raise WorkCancelledError

    with pytest.raises(WorkCancelledError):
        segmented(bundle, scan, cancel)
    assert seen[-1].total > 6


@pytest.mark.parametrize("unet", ["PlainConvUNet", "ResidualEncoderUNet"])
def test_what_a_case_will_take_is_known_before(tmp_path: Path, unet: str) -> None:
    results = write_results(tmp_path / "results", plans_of(unet=unet), SCHEME, folds=1)
    bundle = import_checkpoint(results, "u", tmp_path / "m", SCHEME.name)
    architecture = bundle.manifest.architecture
    assert isinstance(architecture, NnUNetArchitecture)
    with FlopCounterMode(display=False) as counter:
        bundle.load_member(0)(torch.zeros(1, 1, *architecture.patch_size))
    # The counter counts multiplications and additions apart.
    assert architecture.operations == pytest.approx(counter.get_total_flops() / 2, rel=0.3)
    assert operations_per_slice(bundle.manifest) > architecture.operations
    assert gpu_bytes(bundle.manifest) > 6e8


def test_the_architecture_is_bounded() -> None:
    with pytest.raises(ValueError, match="strides must divide"):
        NnUNetArchitecture(
            input_size=33,
            unet="PlainConvUNet",
            patch_size=(33, 33),
            features=(8, 8),
            kernel_sizes=((3, 3), (3, 3)),
            strides=((1, 1), (2, 2)),
            blocks=(1, 1),
            decoder_blocks=(1,),
            classes=(0, 1),
        )
