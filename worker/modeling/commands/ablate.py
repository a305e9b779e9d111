"""`moderation-model ablate`."""

import argparse

from worker.modeling.commands.training_options import add_training_options, read_recipe

HELP = "measure what each choice of the normaliser is worth, by training without and with it (resumable)"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    ablation = parser.add_argument_group("ablation")
    ablation.add_argument("--posts", type=int, default=10_000, help="training posts of a run (default 10,000)")
    ablation.add_argument("--seeds", type=int, default=3, help="runs of each variant, from --seed on (default 3)")
    ablation.add_argument("--leave-out", metavar="SOURCE", help=_LEAVE_OUT)
    ablation.add_argument("--only", nargs="+", default=[], metavar="OPTION", help="options to vary (default: all)")
    add_training_options(parser)

    def run(chosen: argparse.Namespace) -> None:
        from worker.core.errors import Fatal
        from worker.modeling.search.ablate import Ablation, ablate

        if min(chosen.posts, chosen.seeds) < 1:
            raise Fatal("--posts and --seeds are at least 1")
        what = Ablation(chosen.posts, chosen.seeds, chosen.leave_out, tuple(chosen.only))
        print(ablate(read_recipe(chosen), chosen.dev, chosen.out, what))

    parser.set_defaults(run=run)


_LEAVE_OUT = "also train without this source (first part of its files' names) and evaluate on its dev file alone"
