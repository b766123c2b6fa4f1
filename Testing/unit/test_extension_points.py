"""What a researcher adds from outside, without an edit to the package, works all the way."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from added_from_outside import (
    ConvArchitecture,
    ConvNetwork,
    RankIntensity,
    read_numpy,
    write_numpy,
)
from made_corrections import corrected_case
from made_training import made_store, plan_of
from tiny_ensemble import SCHEME

from musclefm.cli.main import main
from musclefm.corrections.export import export_samples
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.exchange.formats import (
    DATASET_FORMATS,
    FORMATS,
    DatasetFormat,
    LabelFormat,
)
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.exchange.training_case import TrainingCase
from musclefm.inference.case import run_case
from musclefm.inference.device import Runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.models.bundle import Bundle, open_bundle, save_bundle
from musclefm.models.intensity import INTENSITY_RULES, PercentileIntensity
from musclefm.models.manifest import BundleCard, ModelInput, ThighTiles, WholeSlice
from musclefm.models.member_files import MemberState
from musclefm.models.registry import find_bundle
from musclefm.networks.architecture import Architecture
from musclefm.networks.families import FAMILIES, Family, build
from musclefm.progress import silent
from musclefm.results.export import export_case
from musclefm.results.tables import muscles_from_csv
from musclefm.storage.user_data import HOME_VARIABLE
from musclefm.training.plan import TrainingPlan
from musclefm.training.train import train_ensemble
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

CPU = Runtime(torch.device("cpu"), bf16=False)


@pytest.fixture
def conv(monkeypatch: pytest.MonkeyPatch) -> ConvArchitecture:
    """Return an architecture of a family that only the tests know."""
    monkeypatch.setitem(FAMILIES, "conv", Family(ConvArchitecture, ConvNetwork))
    return ConvArchitecture(input_size=32, input_channels=1, width=8)


@pytest.fixture
def image() -> Volume:
    """Return noise in two discs, which are found as thighs."""
    grid = Grid((4, 40, 80), (4.0, 4.0, 8.0), (-160.0, -80.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:40, :80]
    inside = np.hypot(rows - 20, np.abs(columns - 39.5) - 20) < 15
    return Volume((inside * rng.gamma(9.0, 20.0, grid.shape)).astype(np.float32), grid)


def saved(folder: Path, architecture: Architecture, scheme: str, **model_input: Any) -> Bundle:
    """Save two networks as a bundle."""
    card = BundleCard(
        name="mine",
        title="Mine",
        version="1",
        description="Random weights, for tests.",
        architecture=architecture,
        scheme=scheme,
        input=ModelInput(**({"framing": ThighTiles(spacing_mm=5.0)} | model_input)),
        training_data="none",
        licence="Apache-2.0",
    )
    members = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        members.append(
            MemberState(build(architecture, load_scheme(scheme).class_count).state_dict())
        )
    return save_bundle(folder, card, members, precision="fp32")


def probabilities(bundle: Bundle, image: Volume) -> npt.NDArray[np.float32]:
    """Segment an image and return the mean probabilities, ``(C, K, J, I) float32``."""
    slices: dict[int, npt.NDArray[np.float32]] = {}
    maps = run_case(
        image.array[None],
        image.grid,
        bundle,
        EnsemblePredictor(bundle, CPU, silent),
        lambda _: lambda k, mean, _: slices.__setitem__(k, mean.numpy()),
    )
    assert maps.labels.shape == image.array.shape
    return np.stack([slices[k] for k in sorted(slices)], axis=1)


def test_a_network_family(conv: ConvArchitecture, image: Volume, tmp_path: Path) -> None:
    saved(tmp_path / "mine", conv, "thigh-11")
    bundle = find_bundle(str(tmp_path / "mine"))
    assert bundle.manifest.architecture == conv
    found = probabilities(bundle, image)
    assert found.shape == (12, *image.array.shape)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    assert np.ptp(found[1][image.array > 0]) > 0, "the network's answers are in it"


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 9), ("input_size", 8), ("input_size", 10**6), ("input_channels", 99), ("extra", 1)],
)
def test_limits_of_architectures_hold_for_every_family(
    conv: ConvArchitecture, tmp_path: Path, field: str, value: int
) -> None:
    bundle = saved(tmp_path / "mine", conv, "thigh-11")
    path = bundle.folder / "model.json"
    document = json.loads(path.read_text())
    document["architecture"][field] = value
    path.write_text(json.dumps(document))
    with pytest.raises(MuscleFMError, match=f"architecture.{field}"):
        open_bundle(bundle.folder)


def _plan(tmp_path: Path, architecture: Architecture, **recipe: Any) -> TrainingPlan:
    start = saved(tmp_path / "mine", architecture, SCHEME.name)
    store = made_store(tmp_path / "store", 3)
    return plan_of(tmp_path, start, store, epochs=4, learning_rate=0.05, **recipe)


def test_a_network_family_is_fine_tuned(conv: ConvArchitecture, tmp_path: Path) -> None:
    plan = _plan(tmp_path, conv, trained="decoder")
    bundle = train_ensemble(plan, CPU, silent)
    assert bundle.manifest.architecture == conv
    before, after = (x.load_member(0).state_dict() for x in (plan.start, bundle))
    torch.testing.assert_close(
        before["image_encoder.weight"], after["image_encoder.weight"], rtol=1e-3, atol=1e-4
    )
    assert not torch.allclose(before["head.weight"], after["head.weight"], atol=1e-2)


def test_adapters_are_refused_where_a_family_takes_none(
    conv: ConvArchitecture, tmp_path: Path
) -> None:
    with pytest.raises(MuscleFMError, match="'conv', which takes no low-rank adapters: train the"):
        train_ensemble(_plan(tmp_path, conv, trained="lora"), CPU, silent)


@pytest.mark.parametrize("whole", [False, True])
def test_an_intensity_rule(
    conv: ConvArchitecture,
    image: Volume,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: bool,
) -> None:
    monkeypatch.setitem(INTENSITY_RULES, "rank", RankIntensity)
    changes: dict[str, Any] = {"framing": WholeSlice()} if whole else {}
    architecture = conv.model_copy(update={"input_channels": 3 if whole else 1})
    bundles = [
        saved(tmp_path / rule.kind, architecture, "thigh-11", intensity=rule, **changes)
        for rule in (RankIntensity(power=2.0), PercentileIntensity())
    ]
    RankIntensity.used.clear()
    ranked, plain = (probabilities(open_bundle(bundle.folder), image) for bundle in bundles)
    assert set(RankIntensity.used) == {2.0}, "the parameter of the manifest"
    assert not np.allclose(ranked, plain, atol=1e-3)
    monkeypatch.delitem(INTENSITY_RULES, "rank")
    with pytest.raises(MuscleFMError, match="intensity rule 'rank', which this musclefm does not"):
        open_bundle(bundles[0].folder)


CALF = ("soleus", "tibialis anterior", "medial gastrocnemius")


@pytest.fixture
def calf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a scheme of other muscles into the user's folder and return its name."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    labels = [
        {
            "id": number,
            "name": name,
            "abbreviation": name[:2].upper(),
            "colour": [40 * number, 100, 200],
            "code": {"value": f"calf-{number}", "scheme": "99TEST", "meaning": name},
            "medial_lateral": 0.0,
        }
        for number, name in enumerate(CALF, start=1)
    ]
    document = {"name": "calf-3", "title": "Calf", "source": "A test.", "labels": labels}
    folder = tmp_path / "home" / "label-schemes"
    folder.mkdir(parents=True)
    (folder / "calf-3.json").write_text(json.dumps(document))
    return "calf-3"


def test_a_label_scheme(conv: ConvArchitecture, calf: str, image: Volume, tmp_path: Path) -> None:
    bundle = saved(tmp_path / "mine", conv, calf)
    write_volume(image, tmp_path / "scan.nii.gz")
    results, exported = tmp_path / "results", tmp_path / "exported"
    segment = ["segment", tmp_path / "scan.nii.gz", "--model", bundle.folder, "--out", results]
    assert main([str(argument) for argument in (*segment, "--device", "cpu")]) == 0
    rows = muscles_from_csv((results / "muscles.csv").read_text())
    names = {row.name for row in rows}
    assert names and names <= set(CALF)
    export = ["export", "--case", results, "--format", "nifti", "--out", exported]
    assert main(list(map(str, export))) == 0
    table = json.loads((exported / "labels.json").read_text())
    assert table["1"] == "right soleus" and table["6"] == "left medial gastrocnemius"


@pytest.fixture
def numpy_format(monkeypatch: pytest.MonkeyPatch) -> None:
    added = LabelFormat("NumPy", ".npz", write_numpy, read_numpy)
    monkeypatch.setitem(FORMATS, "numpy", added)


@pytest.mark.usefixtures("numpy_format")
def test_an_export_format_for_the_results_of_a_case(tmp_path: Path) -> None:
    labels, scheme = corrected_case().labels, load_scheme("thigh-11")
    results = tmp_path / "results"
    results.mkdir()
    made_by = {"model": {"label_scheme": scheme.name, "sha256": "a" * 64}}
    (results / "provenance.json").write_text(json.dumps(made_by | {"input": {"sha256": "b" * 64}}))
    write_seg_nrrd(results / "labels.seg.nrrd", labels, scheme)
    export = ["export", "--case", results, "--format", "numpy", "--out", tmp_path / "command"]
    assert main(list(map(str, export))) == 0
    export_case(results, tmp_path / "function", "numpy")
    for out in ("command", "function"):
        read = read_labels(tmp_path / out / "labels.npz", scheme)
        np.testing.assert_array_equal(read.volume.array, labels.array)
        assert read.volume.grid.matches(labels.grid)
    with pytest.raises(MuscleFMError, match="written already"):
        export_case(results, tmp_path / "function", "numpy")
    with pytest.raises(MuscleFMError, match=r"'other': use one of nifti, seg.nrrd, dicom, numpy"):
        export_case(results, tmp_path / "none", "other")


@pytest.mark.usefixtures("numpy_format")
def test_an_export_format_for_the_corrections(tmp_path: Path) -> None:
    case = corrected_case()
    store = CorrectionStore(tmp_path / "store")
    name = store.add(case).id
    export = ["corrections", "export", "--format", "numpy", "--store", tmp_path / "store"]
    assert main([*map(str, export), "--out", str(tmp_path / "command")]) == 0
    export_samples(store, store.newest(), tmp_path / "function", "numpy")
    for out in ("command", "function"):
        folder = tmp_path / out / name
        assert {path.name for path in folder.iterdir()} == {
            "labels.npz", "image-water.npy", "image-fat.npy",
        }  # fmt: skip
        read = read_labels(folder / "labels.npz", load_scheme("thigh-11"))
        np.testing.assert_array_equal(read.volume.array, case.labels.array)


def test_a_format_of_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(cases: Iterable[TrainingCase], folder: Path, sided: bool) -> None:
        folder.mkdir()
        lines = [f"{case.key},{sided},{'+'.join(case.channels)}" for case in cases]
        (folder / "cases.csv").write_text("\n".join(lines))

    monkeypatch.setitem(DATASET_FORMATS, "csv", DatasetFormat("CSV", write))
    name = CorrectionStore(tmp_path / "store").add(corrected_case()).id
    export = ["corrections", "export", "--format", "csv", "--sided", "--store", tmp_path / "store"]
    assert main([*map(str, export), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "cases.csv").read_text() == f"{name},True,water+fat"


def test_a_scheme_of_the_user_must_be_what_it_is_called(calf: str, tmp_path: Path) -> None:
    assert isinstance(load_scheme(calf), LabelScheme)
    folder = tmp_path / "home" / "label-schemes"
    (folder / "calf-3.json").rename(folder / "calf-4.json")
    with pytest.raises(MuscleFMError, match="'calf-4' calls itself 'calf-3'"):
        load_scheme("calf-4")
    (folder / "calf-5.json").write_text("{}")
    with pytest.raises(MuscleFMError, match="'calf-5' is damaged"):
        load_scheme("calf-5")
    with pytest.raises(MuscleFMError, match="calf-4, calf-5, thigh-11"):
        load_scheme("../calf-3")
