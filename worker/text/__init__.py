"""Text before the model: normalisation and windows."""
