"""`moderation-model distill`."""

import argparse
from pathlib import Path

from worker.modeling.commands.training_options import add_training_options, read_recipe

HELP = "let one teacher, or the mean of several, teach a student encoder (resumable; teachers' scores are kept)"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    teachers = parser.add_argument_group("teachers")
    teachers.add_argument("--teacher", type=Path, nargs="*", default=[], help="classifier directories (from train)")
    teachers.add_argument("--scores", type=Path, required=True, help=_SCORES)
    teachers.add_argument("--teacher-weight", type=float, default=0.5, help=_WEIGHT)
    teachers.add_argument("--own-labels", nargs="*", action="extend", default=[], metavar="SOURCE", help=_OWN)
    teachers.add_argument("--tfidf-share", type=_share, nargs="*", default=[], metavar="LABEL=SHARE", help=_TFIDF)
    teachers.add_argument("--unlabelled", type=Path, nargs="*", default=[], help="posts without labels (from select)")
    teachers.add_argument("--hidden-weight", type=float, default=0.0, help=_HIDDEN)
    add_training_options(parser)

    def run(chosen: argparse.Namespace) -> None:
        from worker.core.errors import Fatal
        from worker.modeling.training.teachers import score
        from worker.modeling.training.train import check, train
        from worker.modeling.training.training_set import read_posts, taught_posts

        if chosen.hidden_weight and len(chosen.teacher) != 1:
            raise Fatal("--hidden-weight needs exactly one --teacher: hidden states of several have no mean")
        recipe = read_recipe(
            chosen,
            unlabelled=tuple(map(str, chosen.unlabelled)),
            teacher_scores=str(chosen.scores),
            teacher_weight=chosen.teacher_weight,
            own_labels=tuple(sorted({*chosen.own_labels})),
            tfidf_shares=dict(chosen.tfidf_share),
            hidden_teacher=str(chosen.teacher[0]) if chosen.hidden_weight else None,
            hidden_weight=chosen.hidden_weight,
        )
        check(recipe, chosen.dev)  # before the long work
        taught = taught_posts(read_posts(recipe), recipe)
        if not taught:
            raise Fatal("--own-labels: these are all sources: leave one out, or use `train`, which needs no teacher")
        score(chosen.teacher, taught, chosen.scores, recipe.labels)
        train(recipe, chosen.dev, chosen.out, chosen.checkpoint_minutes * 60)

    parser.set_defaults(run=run)


def _share(text: str) -> tuple[str, float]:
    label, _, value = text.partition("=")
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not (label and 0 <= share <= 1):
        raise argparse.ArgumentTypeError(f"{text!r}: expected LABEL=SHARE, from 0 to 1, such as offensive=0.5")
    return label, share


_SCORES = (
    "file of the teachers' logits by source and id (.npz, no text): read where it exists, and completed by --teacher; "
    "with all posts in it, no teacher is needed"
)
_WEIGHT = "the teachers' share of the target where the source has a label of its own (default 0.5)"
_OWN = (
    "sources of --train (a row's `source`, or else its file's name up to the first dot) whose posts learn their labels "
    "alone, no teacher's scores (default: none); for made-up posts, whose labels are certain, beside --scores that are older"
)
_TFIDF = (
    "let TF-IDF of words and characters, fitted on the labelled posts, be a teacher too, with this share of a label's "
    "logits (default: none; fitted anew at each start, --scores hold nothing of it); for few posts, in a language whose words "
    "the vocabulary cuts to pieces"
)
_HIDDEN = "weight of the difference of hidden states' similarities, student's and teacher's (default 0: off)"
