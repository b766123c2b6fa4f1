"""The uncertainty in slice views: heat with its legend, or contours."""
