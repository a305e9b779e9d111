"""Encoders side by side: size, speed, parity, quality."""
