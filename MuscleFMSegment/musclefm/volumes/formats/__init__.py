"""NIfTI, NRRD and MetaImage: headers checked before voxels are read."""
