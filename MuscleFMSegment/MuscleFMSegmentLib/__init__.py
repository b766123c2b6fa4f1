"""The parts of the Slicer module: ``scene`` touches MRML, ``widgets`` touches Qt."""
