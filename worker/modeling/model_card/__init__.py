"""The model card of a bundle, from what was measured."""
