"""What needs a reference: Dice, calibration, statistics, the comparison of models."""
