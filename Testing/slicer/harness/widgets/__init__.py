"""Fakes of CTK's and Slicer's widgets, drawn with plain Qt."""
