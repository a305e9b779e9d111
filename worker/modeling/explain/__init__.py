"""Explanations beyond serving's: integrated gradients on a checkpoint, an HTML page, and how good explanations are."""
