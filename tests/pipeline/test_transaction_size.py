"""How large transactions are, after one failed."""

from worker.pipeline.transaction_size import MOST_RECORDS, TransactionSize


def sizes(size: TransactionSize, count: int) -> list[int]:
    """The next so many, all full and committed."""
    found = []
    for _ in range(count):
        found.append(size.most)
        size.committed(size.most)
    return found


def test_size_doubles_up_to_half_of_the_size_that_failed_then_grows_by_one() -> None:
    size = TransactionSize()
    size.failed()
    assert sizes(size, 11) == [1, 2, 4, 8, 16, 32, 64, 128, 250, 251, 252]
    size.failed()
    assert sizes(size, 9) == [1, 2, 4, 8, 16, 32, 64, 126, 127]


def test_failures_in_a_row_count_once() -> None:
    size = TransactionSize()
    for _ in range(5):
        size.failed()
    assert sizes(size, 4) == [1, 2, 4, 8]


def test_size_never_passes_its_bound() -> None:
    size = TransactionSize()
    assert sizes(size, 3) == [MOST_RECORDS] * 3
    size.failed()
    assert sizes(size, 600)[-1] == MOST_RECORDS


def test_size_does_not_grow_by_transactions_that_had_room_left() -> None:
    size = TransactionSize()
    size.failed()
    size.committed(1)
    size.committed(1)
    assert size.most == 2
