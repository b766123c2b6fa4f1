"""Entropies of an ensemble, and what is derived from them voxel by voxel."""
