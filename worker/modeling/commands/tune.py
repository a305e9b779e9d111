"""`moderation-model tune`."""

import argparse

from worker.modeling.commands.training_options import add_training_options, read_recipe

HELP = "search for a recipe of train: Ray Tune, random draws, poor ones stopped early (resumable)"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    search = parser.add_argument_group("search")
    search.add_argument("--search", nargs="+", metavar="FIELD=CHOICE", help=_SEARCH)
    search.add_argument("--trials", type=int, default=16, help="recipes to draw (default 16)")
    search.add_argument("--concurrency", type=int, default=1, help="at a time; they share the CPUs (default 1)")
    search.add_argument("--grace", type=int, default=1, help="epochs that every trial gets (default 1)")
    search.add_argument("--reduction", type=int, default=3, help="1/N of the trials go on at each rung (default 3)")
    search.add_argument("--search-seed", type=int, default=0, help="of the draws; --seed is that of each training")
    add_training_options(parser)

    def run(chosen: argparse.Namespace) -> None:
        from worker.core.errors import Fatal
        from worker.modeling.search.tune_space import DEFAULT_SEARCH, parse_dimension

        if min(chosen.trials, chosen.concurrency, chosen.grace) < 1 or chosen.reduction < 2:
            raise Fatal("--trials, --concurrency and --grace are at least 1, --reduction at least 2")
        space = tuple(map(parse_dimension, chosen.search or DEFAULT_SEARCH))
        recipe = read_recipe(chosen)  # before Ray is imported, which takes seconds
        from worker.modeling.search.tune import Search, search

        what = Search(space, chosen.trials, chosen.concurrency, chosen.grace, chosen.reduction, chosen.search_seed)
        print(search(recipe, chosen.dev, chosen.out, what, chosen.checkpoint_minutes * 60))

    parser.set_defaults(run=run)


_SEARCH = (
    "number fields of the recipe as FIELD=a,b,c, FIELD=low..high or FIELD=low..high:log; also source_weights.NAME and "
    "positive_weights.NAME; default: learning_rate=3e-5..3e-4:log epochs=2,3,4 dropout=0.1,0.2,0.3 weight_decay=0,0.01,0.1; "
    "what is searched takes no notice of its own option (--epochs, say)"
)
