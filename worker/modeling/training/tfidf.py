"""One more teacher: logistic regression on TF-IDF of words and characters, fitted on the labelled posts.

Of few posts it learns some words better than an encoder does whose vocabulary cuts them to pieces (Korean slang, say). Where
both are wrong about different posts, a mean of theirs ranks better than either, and a student learns that from copies.
"""

from collections.abc import Mapping, Sequence

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union
from torch import Tensor

from worker.core.errors import Fatal
from worker.modeling.posts.examples import Example

_MOST_FEATURES = 200_000
"""Of words and of characters each, the most frequent."""
_STRENGTH = 4.0
"""Inverse of the penalty: logits as far from 0 as an encoder's are."""


def mix_in(said: Tensor, examples: Sequence[Example], labels: Sequence[str], shares: Mapping[str, float]) -> Tensor:
    """Other teachers' logits `said` [posts, labels] in which those of TF-IDF have the `shares`, by label.

    Raises Fatal where the labelled posts among `examples` know one value of such a label alone, or hold no word twice.
    """
    mixed = said.clone()
    for label, share in shares.items():
        column = labels.index(label)
        known = [(e.text, value >= 0.5) for e in examples if (value := e.labels[column]) is not None]
        if len({truth for _, truth in known}) < 2:
            raise Fatal(f"--tfidf-share {label}: the posts of --train do not know both values of it")
        features = make_union(
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=_MOST_FEATURES, sublinear_tf=True),
            TfidfVectorizer(
                analyzer="char", ngram_range=(1, 5), min_df=2, max_features=_MOST_FEATURES, sublinear_tf=True
            ),
        )
        model = LogisticRegression(solver="liblinear", C=_STRENGTH, random_state=0)
        try:
            model.fit(features.fit_transform([text for text, _ in known]), [truth for _, truth in known])
        except ValueError as error:  # no word twice
            raise Fatal(f"--tfidf-share {label}: the posts of --train are too few: {error}") from error
        own = torch.from_numpy(model.decision_function(features.transform([e.text for e in examples])))
        mixed[:, column] += share * (own.float() - mixed[:, column])
    return mixed
