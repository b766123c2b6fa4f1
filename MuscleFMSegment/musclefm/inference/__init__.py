"""From a volume to an ensemble's labels and uncertainty."""
