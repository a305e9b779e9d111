"""`moderation-model select`."""

import argparse
from pathlib import Path

from worker.modeling.commands.numbers import count, positive_integer

HELP = (
    "choose unlabelled posts for distill: half doubtful, a quarter likely, a quarter random; and clean ones for train"
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--bundle", type=Path, help="the baseline that scores the posts")
    how.add_argument("--scores", type=Path, help="teachers' scores (distill): choose the posts that they are of")
    parser.add_argument("--texts", type=Path, nargs="+", required=True, help="lines or .jsonl, plain or .zst")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file for distill --unlabelled")
    fresh = parser.add_argument_group("what to choose (with --bundle: --scores name the posts themselves)")
    fresh.add_argument("--count", type=count, help="posts to choose (default 24000)")
    parser.add_argument("--clean-out", type=Path, help="JSON Lines file for train --clean")
    fresh.add_argument("--clean", type=count, help="clean posts to choose, with --clean-out (default 8000)")
    fresh.add_argument("--pool", type=positive_integer, help="random posts to score and choose from (default 60000)")
    fresh.add_argument("--seed", type=int, help="of the draws (default 0)")
    parser.add_argument(
        "--longest", type=positive_integer, default=300, help="characters of a post, at most (default 300)"
    )
    parser.add_argument(
        "--labels", nargs="+", default=["hate", "offensive"], help="labels that clean posts lack: of those scored"
    )

    def run(chosen: argparse.Namespace) -> None:
        from worker.core.errors import Fatal
        from worker.modeling.bundles import load_named
        from worker.modeling.posts.examples import check_labels, source_of
        from worker.modeling.training.select import Selection, select, select_again, write
        from worker.modeling.training.teacher_scores import TeacherScores

        given = {
            name: value for name in ("count", "clean", "pool", "seed") if (value := getattr(chosen, name)) is not None
        }
        if chosen.scores and given:
            raise Fatal(f"--{next(iter(given))}: --scores name the posts themselves: leave it out, or give --bundle")
        if not chosen.clean_out and given.setdefault("clean", 0):
            raise Fatal("--clean: needs --clean-out, where clean posts are written")
        wanted = Selection(longest=chosen.longest, **given)
        scored = TeacherScores.read(chosen.scores) if chosen.scores else load_named(chosen.bundle)
        try:
            check_labels(chosen.labels if chosen.clean_out else (), scored.labels)
        except ValueError as error:
            raise Fatal(f"--labels: {error}") from error
        if isinstance(scored, TeacherScores):
            names = [source_of(path) for path in (chosen.out, chosen.clean_out) if path]
            found, *clean = (select_again(chosen.texts, wanted, scored, name) for name in names)
        else:
            found, *clean = select(scored, chosen.texts, wanted)
        if chosen.clean_out:
            write(chosen.clean_out, clean[0], chosen.labels)
            print(f"{chosen.clean_out}: {len(clean[0]):,} posts")
        write(chosen.out, found)  # the last: where it is, the command has done its work
        print(f"{chosen.out}: {len(found):,} posts")

    parser.set_defaults(run=run)
