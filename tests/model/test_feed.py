import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.model.feed import INPUTS, feed

BATCHES = st.lists(st.lists(st.integers(0, 30521), min_size=1, max_size=12), min_size=1, max_size=9)


@given(BATCHES)
def test_packed_feed_holds_every_token_once_and_finds_it_again(batch: list[list[int]]) -> None:
    found = feed(batch, "packed")
    assert set(found) == INPUTS["packed"]
    assert found["ids"].tolist() == [token for window in batch for token in window]
    assert found["positions"].tolist() == [position for window in batch for position in range(len(window))]
    rectangle = found["ids"][found["pad"]]
    for row, window in zip(rectangle.tolist(), batch, strict=True):
        assert row == window + [window[0]] * (len(row) - len(window))
    assert rectangle.reshape(-1)[found["unpad"]].tolist() == found["ids"].tolist()
    assert found["ids"][found["first"]].tolist() == [window[0] for window in batch]


@given(BATCHES)
def test_padding_is_masked_in_both_layouts(batch: list[list[int]]) -> None:
    packed, padded = feed(batch, "packed"), feed(batch, "padded")
    assert set(padded) == INPUTS["padded"]
    assert np.array_equal(packed["bias"], padded["bias"])
    longest = max(map(len, batch))
    assert padded["bias"].shape == (len(batch), 1, 1, longest)
    for window, row, bias in zip(batch, padded["ids"].tolist(), padded["bias"][:, 0, 0].tolist(), strict=True):
        assert row == window + [0] * (longest - len(window))
        assert bias == [0.0] * len(window) + [-10_000.0] * (longest - len(window))
    assert all(array.dtype in (np.int32, np.float32) for array in (*packed.values(), *padded.values()))
