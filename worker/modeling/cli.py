"""`moderation-model`: make a bundle, step by step."""

import argparse
import sys

from worker.core.errors import Fatal
from worker.modeling.commands import (
    ablate,
    augment,
    average,
    card,
    distill,
    encoders,
    evaluate,
    explain,
    export,
    heads,
    perturb,
    pretrain,
    rebuild,
    restore,
    select,
    suite,
    thresholds,
    train,
    tune,
    warm_start,
)

COMMANDS = (
    warm_start,
    pretrain,
    augment,
    perturb,
    select,
    train,
    tune,
    ablate,
    distill,
    average,
    heads,
    encoders,
    export,
    rebuild,
    restore,
    evaluate,
    thresholds,
    suite,
    explain,
    card,
)
"""In the order of use."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="moderation-model",
        description="Makes the classifier bundles that moderation-worker serves: "
        "warm-start -> train -> export -> evaluate.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2].replace("_", "-")
        command.add(commands.add_parser(name, help=command.HELP, description=command.HELP))
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except Fatal as error:
        print(f"moderation-model {chosen.command}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "worker":
            raise  # ours is missing: a bug, which no installation mends
        print(
            f"moderation-model {chosen.command}: {error.name} is not installed: this command needs more than the "
            "worker: in a clone pip install '.[modeling]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        if hasattr(chosen, "checkpoint_minutes"):
            print(
                f"moderation-model {chosen.command}: interrupted; the same command goes on from its last checkpoint, "
                f"if it has written one (every {chosen.checkpoint_minutes:g} minutes)",
                file=sys.stderr,
            )
        return 130
    return 0
