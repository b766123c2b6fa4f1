"""The patient's right and left, as values of a map of sides."""

RIGHT, LEFT = 1, 2
"""Values of a map of sides, ``(K, J, I) uint8``: the patient's right and left thigh."""
