"""How much may be in flight: posts and bytes between reading and acknowledgement."""


class Budget:
    """Counts what is in flight against configured limits.

    Records arrive in polls, so the limits can be passed by one poll: `room` says how many records the next may bring.
    """

    def __init__(self, max_posts: int, max_bytes: int) -> None:
        self._max_posts = max_posts
        self._max_bytes = max_bytes
        self.posts = 0
        self.bytes = 0

    def room(self) -> int:
        """Records that may still be taken in; 0 when either limit is reached."""
        return max(0, self._max_posts - self.posts) if self.bytes < self._max_bytes else 0

    def take(self, size: int) -> None:
        """Charge one record of `size` bytes."""
        self.posts += 1
        self.bytes += size

    def give(self, size: int) -> None:
        """Return what `take` charged."""
        self.posts -= 1
        self.bytes -= size
