"""How much one transaction holds."""

MOST_RECORDS = 500
"""Bounds what an abort does again."""


class TransactionSize:
    """The most records that one partition's transaction holds: what TCP does with what it may have in flight (RFC 5681).

    After a failure one; twice as many after each that was full and got through, up to half of the size that failed; then one more
    each time. Where brokers throttle, one that is too large for the request timeout would fail each time it is tried again.
    """

    def __init__(self) -> None:
        self.most = MOST_RECORDS
        self._slow_from = MOST_RECORDS

    def failed(self) -> None:
        """One came to nothing. Where it was of one record, nothing is learnt about larger ones."""
        if self.most > 1:
            self._slow_from = max(2, self.most // 2)
        self.most = 1

    def committed(self, records: int) -> None:
        """One of so many records got through."""
        if records >= self.most:
            grown = self.most + 1 if self.most >= self._slow_from else min(2 * self.most, self._slow_from)
            self.most = min(grown, MOST_RECORDS)
