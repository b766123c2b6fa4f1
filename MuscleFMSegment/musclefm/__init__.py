"""MuscleFMSegment's library: SAM ensembles for thigh muscles, with their uncertainty.

The library knows neither 3D Slicer nor Qt. Research use only.
"""

__version__ = "0.1.0"
