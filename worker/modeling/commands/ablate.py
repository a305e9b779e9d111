"""`moderation-model ablate`."""

import argparse

from worker.modeling.commands.training_options import add_training_options, read_recipe

HELP = "what each choice of the normaliser, or another of the recipe, is worth: several seeds, a source left out"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    ablation = parser.add_argument_group("ablation")
    ablation.add_argument("--posts", type=int, default=10_000, help="training posts of a run (default 10,000)")
    ablation.add_argument("--seeds", type=int, default=3, help="runs of each variant, from --seed on (default 3)")
    ablation.add_argument("--leave-out", metavar="SOURCE", help=_LEAVE_OUT)
    ablation.add_argument("--only", nargs="*", metavar="OPTION", help=_ONLY)
    ablation.add_argument("--also", nargs="+", default=[], metavar="FIELD=VALUE", help=_ALSO)
    add_training_options(parser)

    def run(chosen: argparse.Namespace) -> None:
        from worker.core.errors import Fatal
        from worker.modeling.search.ablate import Ablation, ablate

        if min(chosen.posts, chosen.seeds) < 1:
            raise Fatal("--posts and --seeds are at least 1")
        only = None if chosen.only is None else tuple(chosen.only)
        what = Ablation(chosen.posts, chosen.seeds, chosen.leave_out, only, tuple(chosen.also))
        print(ablate(read_recipe(chosen), chosen.dev, chosen.out, what, chosen.checkpoint_minutes * 60))

    parser.set_defaults(run=run)


_LEAVE_OUT = "also train without this source (first part of its files' names) and evaluate on its dev file alone"
_ONLY = "options of the normaliser to vary (default: all; none given: none)"
_ALSO = (
    "other changes of the recipe to try, one at a time: encoder=DIR, or a number such as explanation_weight=1 "
    "(tune --help names them)"
)
