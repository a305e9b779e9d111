"""Fine-tuning and distillation: from an encoder and posts to a classifier."""
