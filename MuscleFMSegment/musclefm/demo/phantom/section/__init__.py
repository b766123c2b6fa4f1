"""What lies around the labelled muscles in a section of a thigh, for slices to train on."""
