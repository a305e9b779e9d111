"""The augmentation file: posts of templates, then re-spelled posts."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from worker.core.errors import Fatal
from worker.modeling.augmentation.posts import augmentation_grammar, contrasts_grammar, make_posts
from worker.modeling.augmentation.spelling import abusive_words, disguised_posts
from worker.modeling.writing import write_text


def generate(out: Path, seed: int, posts: int, spelling: Sequence[Path], share: float, contrasts: bool = False) -> str:
    """Write the augmentation to `out`, of the second set of templates where `contrasts`; return a table of what it holds.

    Raises Fatal where an option is out of range, a file is not readable or the templates make no more posts.
    """
    if posts < 0:
        raise Fatal("--posts: 0 or more")
    if not 0 < share <= 1:
        raise Fatal("--spelling-share: more than 0, 1 at most")
    if contrasts and spelling:
        raise Fatal("--contrasts: leave out --spelling: posts are re-spelled beside the first set of templates")
    grammar = contrasts_grammar() if contrasts else augmentation_grammar()
    rows = [post.as_row() for post in make_posts(grammar, posts, seed, "contrasts" if contrasts else "augment")]
    abusive = abusive_words(grammar)
    for path in spelling:
        rows += disguised_posts(path, share, seed, abusive)
    write_text(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    kinds = Counter(row["kind"] for row in rows)
    hateful = Counter(row["kind"] for row in rows if row["labels"].get("hate") == 1)
    lines = ["| kind | posts | hate |", "|---|---|---|"]
    lines += [f"| {kind} | {count:,} | {hateful[kind] / count:.0%} |" for kind, count in kinds.most_common()]
    return "\n".join([*lines, f"| all | {len(rows):,} | {sum(hateful.values()) / max(1, len(rows)):.0%} |"])
