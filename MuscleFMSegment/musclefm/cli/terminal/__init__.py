"""What all commands share: arguments, progress, output, interruption."""
