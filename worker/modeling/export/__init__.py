"""From a classifier to a bundle: quantization, calibration of scores, parity, golden posts."""
