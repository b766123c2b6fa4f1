"""What is used where nothing else is chosen: by the commands, the API, the report and Slicer.

Importing this takes no time: the module's parameters are read when Slicer starts.
"""

DEFAULT_MODEL = "thigh-demo"
"""The shipped ensemble."""

DEFAULT_SCHEME = "thigh-11"
"""The label scheme of the shipped ensemble."""

PUBLISHED_SCHEME = "thigh-12"
"""The label scheme of the published muscle checkpoints, and of what is trained from SAM."""

DEFAULT_DEVICE = "auto"
"""A GPU where there is one, else the CPU."""

WORKER_IDLE_S = 600.0
"""So long a worker without a case keeps its ensemble, and the GPU memory, before it ends."""

UNCERTAIN_FROM = 0.25
"""Least total uncertainty of an uncertain voxel, normalised to [0, 1] by ln(classes)."""

HEAT_OPACITY = 0.6
"""Of the uncertainty over the slices in Slicer."""
