"""Cases, tiles, augmentation, splits, kept embeddings."""
