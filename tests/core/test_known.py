from array import array

from worker.core.known import Known, fingerprint


def test_same_ids_have_the_same_fingerprint_however_they_are_held() -> None:
    assert fingerprint([1, 2, 3]) == fingerprint((1, 2, 3)) == fingerprint(array("i", [1, 2, 3]))
    assert len({fingerprint(ids) for ids in ([1, 2, 3], [1, 2], [3, 2, 1], [1, 2, 3, 0], [0, 1, 2, 3])}) == 5


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    known = Known(2)
    known.put(b"a", (0.1,))
    known.put(b"b", (0.2,))
    assert known.get(b"a") == (0.1,)
    known.put(b"c", (0.3,))
    assert (known.get(b"a"), known.get(b"b"), known.get(b"c")) == ((0.1,), None, (0.3,))
    assert len(known) == 2


def test_a_window_scored_twice_takes_one_place() -> None:
    known = Known(2)
    for scores in ((0.1,), (0.1,)):
        known.put(b"a", scores)
    known.put(b"b", (0.2,))
    assert (known.get(b"a"), len(known)) == ((0.1,), 2)
