"""What the module says of its origin, and how to cite it."""

from __future__ import annotations

CITATION = (
    "Casali N, Brusaferri A, Baselli G, Moscatelli M, Aquino D, Grisoli M, Rizzo G, "
    "Mastropietro A. Exploring foundation models for multi-class muscle segmentation in MR "
    "images of neuromuscular disorders: A comparative analysis of accuracy and uncertainty. "
    "Computer Methods and Programs in Biomedicine 2025, 109035."
)
DOI_ADDRESS = "https://doi.org/10.1016/j.cmpb.2025.109035"

ACKNOWLEDGEMENT = (
    "<p>This module implements the method of the paper below; please cite it. The module is "
    "independent work, not the authors'.</p>"
    f'<p>{CITATION} <a href="{DOI_ADDRESS}">{DOI_ADDRESS}</a></p>'
    "<p>The shipped ensemble was trained on rendered images only, made from label maps of "
    '<a href="https://github.com/Hirriririir/Multimodal-Multiethnic-Thigh-Muscle-MRI-analysis">'
    "Multimodal-Multiethnic-Thigh-Muscle-MRI-analysis</a> (Apache-2.0). The sample is rendered, "
    "too. Research use only, not for clinical use. Licence: Apache-2.0.</p>"
)
"""HTML for ``acknowledgementText`` of the module."""
