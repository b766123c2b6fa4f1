"""Stand-ins for Slicer's own Python packages, which are in no wheel."""
