"""What a voxel's value means: label schemes, sides, ignore, names of segments."""
