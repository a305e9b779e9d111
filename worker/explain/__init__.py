"""Which words of a post carried its score, on the serving session: occlusion, and its colours in a terminal."""

from worker.explain.method import Explanation, Method, WordWeight, explain
from worker.explain.occlusion import Occlusion

__all__ = ["Explanation", "Method", "Occlusion", "WordWeight", "explain"]
