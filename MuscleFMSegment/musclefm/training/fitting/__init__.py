"""One member: loss, schedule, validation, checkpoint, temperature."""
