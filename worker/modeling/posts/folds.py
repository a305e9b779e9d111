"""Parts of the training posts, so that each post has a teacher that never saw it.

A teacher asked about the posts it was trained on repeats their labels: its doubts, which a student learns most from, are
gone. With two teachers, each trained without one half, every post is scored by the one that did not see it.
"""

import hashlib

from worker.modeling.posts.examples import Example


def fold_of(example: Example, folds: int) -> int:
    """The part a post belongs to, by a hash of its source and id: the same in whatever order files are read."""
    return int.from_bytes(hashlib.sha256(f"{example.source}/{example.id}".encode()).digest()[:4], "big") % folds
