"""The command line: parse, import the command's module, call it, turn its end into an exit code. No logic."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from worker import __version__
from worker.core.errors import Fatal, Reason

Command: TypeAlias = Callable[[argparse.Namespace], int]

PROGRAM = "moderation-worker"
FAILED = 1
INTERRUPTED = 130

DESCRIPTION = """\
Reads posts from a Kafka topic, scores them with a small text classifier, and writes a verdict for each to an
output topic: allow, review or block. Nothing is lost: a post's offset is committed only after its verdict is
stored, and a record that cannot be a post goes to a dead-letter topic with the reason.
"""

EPILOG = """\
examples:
  moderation-worker demo                                  see it work; needs no Kafka
  echo '{"id": "1", "text": "Hi!"}' | moderation-worker classify
                                                          score posts from a file or a pipe
  MODERATION_BOOTSTRAP_SERVERS=kafka:9092 moderation-worker check
                                                          are settings, model, topics and brokers in order?
  MODERATION_BOOTSTRAP_SERVERS=kafka:9092 moderation-worker run
                                                          work until SIGTERM
  MODERATION_BOOTSTRAP_SERVERS=kafka:9092 moderation-worker redrive --dry-run
                                                          what dead letters could be put back?

exit codes: 0 done, 1 failed (the message says what to change), 2 wrong usage, 130 interrupted by Ctrl-C
"""

RUN = """\
Joins the consumer group and works until SIGTERM or Ctrl-C; then finishes what is in flight, commits and leaves.
Serves /metrics, /livez and /readyz. Configured by environment variables and secret files.

example:
  MODERATION_BOOTSTRAP_SERVERS=kafka:9092 MODERATION_INPUT_TOPIC=comments moderation-worker run
"""

DEMO = """\
Feeds sample posts to the real worker and shows the verdicts as they come. Without --bootstrap-servers it brings
a Kafka cluster of its own, inside the process. Ends on Ctrl-C, or after --posts posts.

examples:
  moderation-worker demo --posts 20
  moderation-worker demo --bootstrap-servers localhost:9092 --rate 50
"""

CLASSIFY = """\
Scores posts without Kafka, by the very code that `run` uses. Input: JSON Lines, a post on each line (id and text,
and optionally title, language, revision, created_at). Output: JSON Lines, a verdict for each post, in order. Lines
that are no post stop nothing and leave the exit code 0; the summary on stderr counts them as dead letters.
With --explain a verdict also says which words carried its score: for each, by how much the label's log-odds fall when
it is left out. A terminal shows them in colour (red for the label, blue against it; NO_COLOR=1: in brackets).

examples:
  moderation-worker classify posts.jsonl --explain hate > verdicts.jsonl
  moderation-worker classify posts.jsonl --output verdicts.jsonl --dead-letters bad.jsonl
  zcat posts.jsonl.gz | moderation-worker classify | jq 'select(.action != "allow")'
"""

CHECK = """\
Says whether settings, model bundle, topics and the connection to the brokers are in order, and what to change
where they are not. Reads nothing from the input topic and writes nothing, and may run beside a worker. Marks:
✓ in order, ! a warning, ✗ wrong, - not checked. Exit code 0 only if nothing is wrong.

example:
  MODERATION_BOOTSTRAP_SERVERS=kafka:9092 moderation-worker check
"""

REDRIVE = """\
Puts dead letters back into the input topic once their cause is mended: key, value and headers as they were, and one
more header, `redriven`, that tells where and why each try failed. None is put back twice, whenever it is stopped or
killed and whatever is chosen next time; one that fails again is a new dead letter. What was cut cannot be put back.
Reads up to where the dead-letter topic ends when it starts. The last line, on stdout, is a summary in JSON.

examples:
  moderation-worker redrive --dry-run
  moderation-worker redrive --reason model_failed --since 2026-01-31T08:00:00Z --rate 50
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; wrong usage raises SystemExit(2), as argparse does."""
    _end_when_told()
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        return command(arguments)
    except Fatal as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left, as `head` does: nothing more to say, also not at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _end_when_told() -> None:
    """The first process of a container gets no default action from the kernel: SIGTERM during start-up would be lost.

    Ends on the spot, as that action would: SystemExit crashes a native module that is just being imported.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))


def _run(arguments: argparse.Namespace) -> int:
    from worker import app, settings

    del arguments
    return app.run(settings.load())


def _demo(arguments: argparse.Namespace) -> int:
    from worker import demo

    return demo.main(arguments)


def _classify(arguments: argparse.Namespace) -> int:
    from worker import classify

    return classify.main(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from worker import check

    del arguments
    return check.main()


def _redrive(arguments: argparse.Namespace) -> int:
    from worker import redrive

    return redrive.main(arguments)


class _Parser(argparse.ArgumentParser):
    """Keeps the texts' line breaks; a command that is set up by variables lists them in its help."""

    lists_settings = False

    def __init__(self, **options: object) -> None:
        super().__init__(**{**options, "formatter_class": argparse.RawDescriptionHelpFormatter})  # type: ignore[arg-type]

    def format_help(self) -> str:
        if self.lists_settings:
            from worker.settings.describe import help_text

            self.epilog = f"settings:\n{help_text()}"
        return super().format_help()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="work: read posts from Kafka, write verdicts", description=RUN)
    run.lists_settings = True
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="watch it work on sample posts, without a Kafka", description=DEMO)
    demo.add_argument("--posts", type=_positive_int, metavar="N", help="end after N posts (default: on Ctrl-C)")
    demo.add_argument("--rate", type=_positive, default=3.0, metavar="R", help="posts per second (default 3)")
    demo.add_argument("--bootstrap-servers", metavar="HOST:PORT", help="a real Kafka instead of the one inside")
    demo.add_argument("--http-port", type=_port, default=0, metavar="PORT", help="for /metrics (default: a free one)")
    demo.set_defaults(command=_demo)

    classify = commands.add_parser("classify", help="score posts from a file, without Kafka", description=CLASSIFY)
    classify.add_argument("file", nargs="?", default="-", metavar="FILE", help="JSON Lines; - (default) is stdin")
    classify.add_argument(
        "--bundle",
        metavar="NAME|DIR",
        help="a bundled model (default, ko) or a bundle directory (default: MODERATION_BUNDLE, else the bundled)",
    )
    classify.add_argument("--output", default="-", metavar="FILE", help="where verdicts go; - (default) is stdout")
    classify.add_argument(
        "--dead-letters",
        metavar="FILE",
        help="where bad lines go, whole (default: nowhere; stderr names the line number and reason of each)",
    )
    classify.add_argument(
        "--explain",
        nargs="?",
        const="",
        metavar="LABEL",
        help="also say which words carried the score of LABEL (default: of each label over its threshold); slower: "
        "a model run for each word",
    )
    classify.add_argument("--no-progress", action="store_true", help="no progress bar, also on a terminal")
    classify.set_defaults(command=_classify)

    check = commands.add_parser("check", help="find what is wrong before it runs", description=CHECK)
    check.set_defaults(command=_check)

    redrive = commands.add_parser("redrive", help="put dead letters back once mended", description=REDRIVE)
    redrive.add_argument(
        "--reason",
        action="append",
        choices=[reason.value for reason in Reason],
        metavar="REASON",
        help=f"only those with this reason; may be repeated: {', '.join(Reason)}",
    )
    redrive.add_argument("--since", type=_time, metavar="TIME", help="only those written at TIME (RFC 3339) or later")
    redrive.add_argument("--until", type=_time, metavar="TIME", help="only those written before TIME")
    redrive.add_argument("--dry-run", action="store_true", help="count them by reason, write nothing")
    redrive.add_argument("--rate", type=_positive, metavar="R", help="at most R records a second (default: no bound)")
    redrive.add_argument("--limit", type=_positive_int, metavar="N", help="at most N records")
    redrive.set_defaults(command=_redrive)
    return parser


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} is no time with its zone, such as 2026-01-31T08:00:00Z")
    return found


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to 65,535")
    return number
