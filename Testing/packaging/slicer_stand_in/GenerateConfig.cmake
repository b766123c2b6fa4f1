# Slicer writes here what other extensions would need to build upon this one.
