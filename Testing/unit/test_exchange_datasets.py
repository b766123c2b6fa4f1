"""Data sets for MONAI and nnU-Net, judged by MONAI and nnU-Net themselves."""

import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from monai.data import Dataset, load_decathlon_datalist
from monai.transforms import LoadImaged

from musclefm.errors import MuscleFMError
from musclefm.exchange.datalist import write_datalist
from musclefm.exchange.nnunet import write_nnunet
from musclefm.exchange.training_case import TrainingCase
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-12")
MM = 1e-3


@pytest.fixture
def case_of(oblique_volume):
    """Return a function that makes a case with two channels, labels and unreviewed voxels."""

    def make(key, subject="p1", scheme=SCHEME, names=("fat", "water")):
        rng = np.random.default_rng(len(key))
        labels = rng.integers(0, 2 * len(scheme.labels) + 1, oblique_volume.array.shape)
        labels[:2] = 255
        images = {
            name: oblique_volume.with_array(oblique_volume.array + np.float32(number))
            for number, name in enumerate(names)
        }
        volume = oblique_volume.with_array(labels.astype(np.uint8))
        return TrainingCase(key, subject, images, volume, scheme)

    return make


def without_sides(labels):
    """Return the ids that sided values stand for, by their definition."""
    meaning = {value: label.id for value, (_, label) in SCHEME.labels_of_sides().items()}
    meaning |= {0: 0, 255: 255}
    return np.vectorize(meaning.get)(labels)


class TestMonai:
    def test_monai_loads_every_voxel_and_its_place(self, tmp_path, case_of, oblique_volume):
        cases = [case_of("a1", "p1"), case_of("b22", "p2")]
        path = write_datalist(iter(cases), tmp_path / "set")
        items = load_decathlon_datalist(str(path), data_list_key="training")
        assert [item["subject"] for item in items] == ["p1", "p2"]
        for item, case in zip(Dataset(items, LoadImaged(["image", "label"])), cases, strict=True):
            expected = np.stack(
                [image.array.transpose(2, 1, 0) for image in case.channels.values()]
            )
            np.testing.assert_array_equal(item["image"].numpy(), expected)
            expected = without_sides(case.labels.array).transpose(2, 1, 0)
            np.testing.assert_array_equal(item["label"].numpy(), expected)
            np.testing.assert_allclose(
                item["label"].affine, oblique_volume.grid.ijk_to_ras, rtol=0, atol=MM
            )

    def test_the_list_says_what_channels_and_values_are(self, tmp_path, case_of):
        path = write_datalist([case_of("a")], tmp_path / "set", sided=True)
        reported = json.loads(path.read_text("utf-8"))
        assert reported["modality"] == {"0": "fat", "1": "water"}
        assert reported["labels"]["0"] == "background"
        assert reported["labels"]["13"] == "left_vastus_lateralis"
        assert reported["labels"]["255"] == "ignore"
        assert reported["numTraining"] == len(reported["training"]) == 1

    def test_sides_are_kept_on_demand(self, tmp_path, case_of):
        case = case_of("a")
        write_datalist([case], tmp_path / "set", sided=True)
        read = read_volume(tmp_path / "set/labels/a.nii.gz").volume
        np.testing.assert_array_equal(read.array, case.labels.array)


class TestNnunet:
    def test_nnunet_accepts_it(self, tmp_path, case_of):
        from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

        folder = write_nnunet(
            (case_of(key) for key in ("a1", "b22")), tmp_path, dataset_id=7, name="Thighs"
        )
        assert folder == tmp_path / "Dataset007_Thighs"
        reported = io.StringIO()
        with contextlib.redirect_stdout(reported):
            verify_dataset_integrity(str(folder), num_processes=1)
        assert "Warning" not in reported.getvalue()

    @pytest.mark.parametrize("sided", [False, True])
    def test_every_voxel_has_the_value_that_the_json_names(self, tmp_path, case_of, sided):
        case = case_of("a")
        folder = write_nnunet([case], tmp_path, sided=sided)
        reported = json.loads((folder / "dataset.json").read_text("utf-8"))
        named = {value: name for name, value in reported["labels"].items()}
        # nnU-Net wants them without gaps, and to be ignored the highest.
        assert sorted(named) == list(range(len(named)))
        assert named[len(named) - 1] == "ignore"
        read = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "labelsTr/a.nii.gz")))
        meaning = {0: "background", 255: "ignore"}
        for value, (side, label) in SCHEME.labels_of_sides().items():
            meaning[value] = f"{side} {label.name}" if sided else label.name
        expected = np.vectorize(lambda value: meaning[value].replace(" ", "_"))(case.labels.array)
        assert (np.vectorize(named.get)(read) == expected).all()

    def test_channels_are_numbered_as_the_json_names_them(self, tmp_path, case_of):
        case = case_of("a")
        folder = write_nnunet([case], tmp_path)
        reported = json.loads((folder / "dataset.json").read_text("utf-8"))
        for number, name in reported["channel_names"].items():
            path = folder / f"imagesTr/a_{int(number):04d}.nii.gz"
            read = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            np.testing.assert_array_equal(read, case.channels[name].array)


@pytest.mark.parametrize("write", [write_datalist, write_nnunet])
class TestRefusals:
    def test_nothing_is_left_of_a_set_that_fails(self, tmp_path, case_of, write):
        def cases():
            yield case_of("a")
            raise MuscleFMError("the second case is damaged", "leave it out")

        with pytest.raises(MuscleFMError, match="second case"):
            write(cases(), tmp_path / "set")
        assert list(tmp_path.iterdir()) == []

    def test_an_older_set_is_left_alone(self, tmp_path, case_of, write):
        write([case_of("a")], tmp_path / "set")
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        with pytest.raises(MuscleFMError, match="not empty"):
            write([case_of("b")], tmp_path / "set")
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

    def test_cases_must_be_alike(self, tmp_path, case_of, write):
        first = case_of("a")
        for other, reported in (
            (case_of("b", names=("fat",)), "different channels"),
            (case_of("b", scheme=load_scheme("thigh-11")), "different label schemes"),
            (case_of("a"), "same key"),
        ):
            with pytest.raises(MuscleFMError, match=reported):
                write([first, other], tmp_path / "set")

    def test_a_set_needs_a_case(self, tmp_path, write):
        with pytest.raises(MuscleFMError, match="no case"):
            write([], tmp_path / "set")


def test_labels_off_the_image_or_the_scheme_make_no_case(case_of, oblique_volume):
    case = case_of("a")
    moved = Volume(case.labels.array, replace(oblique_volume.grid, origin=(0.0, 0.0, 0.0)))
    with pytest.raises(MuscleFMError, match="another grid"):
        TrainingCase("a", "p", case.channels, moved, SCHEME)
    foreign = case.labels.with_array(np.full_like(case.labels.array, 25))
    with pytest.raises(MuscleFMError, match=r"\[25\]"):
        TrainingCase("a", "p", case.channels, foreign, SCHEME)
