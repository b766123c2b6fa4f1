"""Maps that the library wrote come back with every value, whatever it is."""

import numpy as np
import pytest

from musclefm.errors import MuscleFMError
from musclefm.volumes.stored import read_stored
from musclefm.volumes.writing import write_volume

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")


@pytest.mark.parametrize("ending", ENDINGS)
def test_undefined_voxels_and_empty_labels_are_kept(tmp_path, oblique_volume, ending):
    fat = np.where(oblique_volume.array > 200, np.float32(np.nan), oblique_volume.array)
    none = np.zeros(fat.shape, np.uint8)
    regions = np.arange(fat.size, dtype=np.uint16).reshape(fat.shape)
    for array in (fat, none, regions):
        write_volume(oblique_volume.with_array(array), tmp_path / f"map{ending}")
        found = read_stored(tmp_path / f"map{ending}", "the map")
        np.testing.assert_array_equal(found.array, array)
        assert found.grid.matches(oblique_volume.grid, 1e-3)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_map_that_is_missing_or_damaged_is_reported_without_its_name(
    tmp_path, oblique_volume, ending
):
    path = tmp_path / f"jane-doe{ending}"
    with pytest.raises(MuscleFMError, match="the map cannot be opened") as missing:
        read_stored(path, "the map")
    write_volume(oblique_volume, path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(MuscleFMError, match="the map is") as damaged:
        read_stored(path, "the map")
    for raised in (missing, damaged):
        assert "doe" not in str(raised.value) and "\n" not in str(raised.value)
