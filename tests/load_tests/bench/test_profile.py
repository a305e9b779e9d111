"""Where time went is told by the innermost frame that somebody owns."""

from load_tests.bench.profile import split, table

STACKS = """\
main (app.py:1);run (asyncio/base_events.py:600);step (/x/worker/pipeline/pipeline.py:9) 10
run (threading.py:1);score (/x/worker/model/classifier.py:80);logits (/x/worker/model/session.py:50);run (/y/onnxruntime/capi/session.py:1) 60
run (threading.py:1);__call__ (/x/worker/prepare.py:40);encode (/x/worker/model/tokenizer.py:70) 5
run (asyncio/base_events.py:600);_send (/y/aiokafka/producer/sender.py:3);write (asyncio/selector_events.py:7) 15
run (asyncio/base_events.py:600);_run_once (asyncio/base_events.py:1900) 8
run (asyncio/base_events.py:600);EpollSelector.select (/x/selectors.py:468) 80
run (threading.py:982);_worker (/x/concurrent/futures/thread.py:81) 90
idle (somewhere.py:1) 2"""


def test_each_stack_belongs_to_one_part_unless_it_waits() -> None:
    assert split(STACKS.splitlines()) == {
        "onnxruntime": 60,
        "event loop and threads": 23,
        "pipeline": 10,
        "tokenising": 5,
        "other": 2,
    }


def test_table_shows_shares_the_largest_first() -> None:
    lines = table(split(STACKS.splitlines())).splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["onnxruntime", "60.0%"],
        ["event", "loop", "and", "threads", "23.0%"],
    ]
