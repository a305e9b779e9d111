"""Faults without end: a seeded schedule against three workers, and the judgement over what they left."""
