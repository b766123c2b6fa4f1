"""Checkpoints of others as bundles: SAM, MedSAM, the published folds."""
