"""One more teacher: logistic regression on TF-IDF of words and characters, fitted on the labelled posts.

Of few posts it learns some words better than an encoder does whose vocabulary cuts them to pieces (Korean slang, say). Where
both are wrong about different posts, a mean of theirs ranks better than either, and a student learns that from copies. Of the
posts that it was fitted on it repeats the labels, as any teacher does.
"""

from collections.abc import Mapping, Sequence

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from worker.core.errors import Fatal
from worker.modeling.evaluation.baseline import FEATURES, tfidf
from worker.modeling.posts.examples import Example, sides
from worker.text.normalise import normalise
from worker.text.options import Normalisation

RECIPE = f"{FEATURES}; liblinear C 4"
"""Part of a run's identity, in place of what this says: other libraries' last bits are no other run.

The penalty is a quarter of the usual one: on 7,900 Korean comments its logits are then as far from 0 as an encoder's.
"""


def mix_in(
    said: Tensor,
    examples: Sequence[Example],
    labels: Sequence[str],
    shares: Mapping[str, float],
    normalisation: Normalisation,
) -> Tensor:
    """Other teachers' logits `said` [posts, labels] in which those of TF-IDF have the `shares`, by label.

    The labelled posts among `examples` know both values of such labels (`check_shares`). Raises Fatal where they hold no word
    twice.
    """
    shares = {label: share for label, share in shares.items() if share}
    if not shares:
        return said
    texts = [normalise(example.text, normalisation).text for example in examples]
    labelled = [i for i, example in enumerate(examples) if example.labelled]
    print(f"TF-IDF: fitting on {len(labelled):,} posts, of {len(texts):,} to speak of", flush=True)
    matrix = tfidf([texts[i] for i in labelled], "--tfidf-share").transform(texts)
    mixed = said.clone()
    for label, share in shares.items():
        column = labels.index(label)
        known = {i: value >= 0.5 for i in labelled if (value := examples[i].labels[column]) is not None}
        model = LogisticRegression(solver="liblinear", C=4.0, random_state=0).fit(matrix[[*known]], [*known.values()])
        own = torch.from_numpy(model.decision_function(matrix)).float()
        mixed[:, column] += share * (own - mixed[:, column])
    return mixed


def check_shares(shares: Mapping[str, float], examples: Sequence[Example], labels: Sequence[str]) -> None:
    """Raise Fatal where the posts do not know both values of a label that has a share."""
    for label, share in shares.items():
        if share and len(sides(examples, labels.index(label))) < 2:
            raise Fatal(f"--tfidf-share {label}: the posts of --train do not know both values of it")
