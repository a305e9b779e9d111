import pytest

from load_tests.sizing import MOST_PODS, RATES, Assumptions, main, size, table


def test_a_small_rate_still_has_two_pods_and_three_brokers() -> None:
    found = size(10, Assumptions(per_cpu=100))
    assert (found.pods, found.cpus, found.partitions, found.brokers, found.groups) == (2, 2, 6, 3, 1)


def test_pods_carry_the_peak_with_room_to_catch_up() -> None:
    found = size(1_000, Assumptions(per_cpu=100))
    assert found.pods * found.cpus * 100 >= 1_500 > (found.pods - 1) * found.cpus * 100
    assert found.partitions >= 2 * found.pods


@pytest.mark.parametrize("rate", RATES)
def test_no_group_is_larger_than_it_may_be(rate: float) -> None:
    found = size(rate, Assumptions(per_cpu=90))
    assert found.pods / found.groups <= MOST_PODS
    assert found.partitions / found.groups >= found.pods / found.groups
    assert found.pods * found.cpus * 90 >= 1.5 * rate


def test_pods_grow_before_groups_do_and_no_further_than_one_event_loop_can_feed() -> None:
    light, heavy = Assumptions(per_cpu=100, event_loop_ms=0.1), Assumptions(per_cpu=100, event_loop_ms=1.5)
    assert size(200_000, light).cpus == 8
    assert size(200_000, light).groups == 1
    assert size(200_000, heavy).cpus == 4
    assert size(200_000, heavy).groups == 2


def test_brokers_follow_the_bytes() -> None:
    assert size(100_000, Assumptions()).brokers < size(100_000, Assumptions(post_bytes=5_000)).brokers
    assert size(100_000, Assumptions()).brokers < size(100_000, Assumptions(readers=4)).brokers


def test_the_table_has_a_row_for_each_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["500", "2000", "--per-cpu", "50"]) == 0
    expected = table([size(rate, Assumptions(per_cpu=50)) for rate in (500, 2_000)])
    assert capsys.readouterr().out == expected + "\n"
    with pytest.raises(SystemExit, match="2"):
        main(["--per-cpu", "0"])
