"""Fine-tuning of ensembles."""
