"""Development files while training: AUROC of each label, on the halves that are asked for."""

from collections.abc import Sequence
from pathlib import Path

from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer

from worker.core.errors import Fatal
from worker.modeling.evaluation.known import known_scores
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.posts.examples import digest_of, read_examples, tokenise
from worker.modeling.posts.halves import HALVES, Half, only
from worker.modeling.training.network import Classifier, predict
from worker.modeling.training.recipe import Recipe


class DevSet:
    """A development file, tokenised. Raises Fatal where it cannot be read."""

    def __init__(self, path: Path, recipe: Recipe, tokenizer: Tokenizer) -> None:
        self.name = path.name
        examples = read_examples(path, recipe.labels)
        self.digest = digest_of(examples)
        self._halves = {half: only(examples, half) for half in HALVES}
        self._rows = {
            half: tokenise(tokenizer, found, recipe.max_length, recipe.normalisation)
            for half, found in self._halves.items()
        }

    def auroc(self, model: Classifier, half: Half) -> dict[str, float]:
        """AUROC of each label of which the half knows both values."""
        scores = tuple(map(tuple, predict(model, self._rows[half]).tolist()))
        scored = ScoredSet(self.name, tuple(self._halves[half]), scores)
        known = {label: known_scores(scored, k) for k, label in enumerate(model.config.labels)}
        return {
            label: round(float(roc_auc_score(truth, found)), 4)
            for label, (truth, found) in known.items()
            if len(set(truth.tolist())) > 1
        }


def dev_digest(dev: Sequence[Path], labels: Sequence[str]) -> str:
    """Of the posts and labels of `dev`: measured on others, epochs and variants cannot be compared."""
    return digest_of(post for path in dev for post in read_examples(path, labels))


def refuse_undecided(dev: Sequence[Path], labels: Sequence[str]) -> None:
    """Raise Fatal where the selection halves of `dev` know both values of no label: there is no AUROC to decide by."""
    for path in dev:
        posts = only(read_examples(path, labels), "selection")
        if any(len({v >= 0.5 for post in posts if (v := post.labels[k]) is not None}) > 1 for k in range(len(labels))):
            return
    raise Fatal(
        f"--dev {' '.join(map(str, dev))}: no file has a label with both values in its selection half (by a hash of "
        "the ids), to compare by: give more labelled posts"
    )
