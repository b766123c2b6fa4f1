"""Nothing in the store of corrections tells who the patient is."""

import dataclasses
import json
import re

import numpy as np
import pytest
from made_corrections import GRID, content, corrected_case

from musclefm.corrections.identity import case_key, subject_key, without_identity
from musclefm.corrections.review_log import ReviewLog
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.volumes.volume import Volume

SALT = bytes(range(32))


def test_a_case_is_known_by_its_voxels_whatever_file_held_them():
    case = corrected_case(1)
    moved = dataclasses.replace(GRID, origin=(1e-6, 0.0, 0.0))
    elsewhere = {name: Volume(volume.array, moved) for name, volume in case.channels.items()}
    backwards = dict(reversed(case.channels.items()))
    key = case_key(SALT, case.channels)
    assert key == case_key(SALT, elsewhere) == case_key(SALT, backwards)
    assert re.fullmatch("[0-9a-f]{32}", key)
    changed = case.channels["fat"].array.copy()
    changed[-1, -1, -1] += 1
    other = case.channels | {"fat": Volume(changed, GRID)}
    others = {
        case_key(SALT, other),
        case_key(SALT, {"fat": case.channels["fat"]}),
        case_key(SALT[::-1], case.channels),
        subject_key(SALT, key),
    }
    assert len(others) == 4 and key not in others


def test_a_person_is_known_only_with_the_salt():
    key = subject_key(SALT, "Rossi, Mario")
    assert key == subject_key(SALT, "Rossi, Mario")
    assert key not in (subject_key(SALT, "Rossi, Maria"), subject_key(SALT[::-1], "Rossi, Mario"))


def test_provenance_keeps_what_made_the_labels():
    kept = corrected_case().provenance
    assert without_identity(kept) == kept
    assert without_identity(without_identity(kept)) == kept
    assert without_identity({}) == {}


@pytest.mark.parametrize(
    "leak",
    [
        {"patient": "Rossi"},
        {"created": "for Rossi"},
        {"input": {"path": "/home/rossi/scan.nii.gz", "sha256": "rossi"}},
        {"versions": {"rossi": "rossi", "Rossi Mario": "1.0", "torch": "/home/rossi/torch"}},
        {"versions": "rossi"},
        {"model": {"name": "C:\\rossi\\model", "title": "Rossi", "file": "rossi"}},
        {"model": {"version": "of Rossi", "members": ["rossi"], "sha256": {"rossi": "rossi"}}},
        {"model": ["rossi"]},
        {"parameters": {"input": "rossi", "device": "rossi's computer"}},
        {"parameters": {"flag_rule": {"of": "rossi", "for Rossi": 1.0}}},
        {"parameters": {"temperature": float("nan")}, "rossi": 1},
    ],
)
def test_provenance_drops_what_could_name_a_patient(tmp_path, leak):
    store = CorrectionStore(tmp_path / "store")
    stored = store.add(corrected_case(provenance=leak))
    assert "rossi" not in stored.record.model_dump_json().lower()
    assert store.load(stored.id).provenance == stored.record.provenance
    written = (store.folder / "samples" / stored.id / "sample.json").read_text()
    assert "rossi" not in written.lower() and "NaN" not in written


@pytest.mark.parametrize("name", ["Mario Rossi", "rossi/mario", "Röntgen", "a" * 33, "-", "x\n"])
def test_a_reader_gives_a_pseudonym(name):
    with pytest.raises(MuscleFMError, match="pseudonym"):
        ReviewLog(reader=name)


def test_a_file_holds_voxels_and_geometry_and_nothing_else(tmp_path):
    store = CorrectionStore(tmp_path)
    stored = store.add(corrected_case())
    files = content(store.folder / "samples" / stored.id)
    assert set(files) == {
        "sample.json", "image-water.nrrd", "image-fat.nrrd", "labels.nrrd",
        "model-labels.nrrd", "uncertainty.nrrd",
    }  # fmt: skip
    known = {
        "type", "dimension", "space", "sizes", "space directions", "kinds", "endian",
        "encoding", "space origin",
    }  # fmt: skip
    for name, raw in files.items():
        if name.endswith(".nrrd"):
            lines = raw.split(b"\n\n", 1)[0].decode().splitlines()[1:]
            assert {line.partition(":")[0] for line in lines} == known
    fields = set(json.loads(files["sample.json"]))
    assert fields == set(type(stored.record).model_fields)


def test_the_same_case_stored_by_anybody_has_the_same_voxels(tmp_path):
    """What is not in the case cannot be in the files: they are the same bytes elsewhere."""
    files = []
    for place in ("Rossi-Mario", "other"):
        store = CorrectionStore(tmp_path / place)
        stored = store.add(corrected_case(), subject=place)
        files.append(content(store.folder / "samples" / stored.id))
    for name in files[0].keys() - {"sample.json"}:
        assert files[0][name] == files[1][name]
    assert np.all([b"rossi" not in raw.lower() for raw in files[0].values()])
