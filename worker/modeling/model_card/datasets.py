"""Where training data came from: what a model card must say, and NOTICE of the data in the bundled model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set, the licence its authors gave it, and what it says in terms of this project's labels.

    `source` is empty where this project makes it.
    """

    title: str
    authors: str
    licence: str
    source: str
    note: str


DATASETS = {
    "hatexplain": Dataset(
        "HateXplain",
        "Mathew et al., AAAI 2021",
        "MIT",
        "https://github.com/hate-alert/HateXplain",
        "posts of Twitter and Gab, the class that most of three annotators chose; hate counts as offensive too",
    ),
    "davidson": Dataset(
        "Hate Speech and Offensive Language",
        "Davidson et al., ICWSM 2017",
        "MIT",
        "https://github.com/t-davidson/hate-speech-and-offensive-language",
        "tweets found by slurs; hate counts as offensive too",
    ),
    "dynahate": Dataset(
        "Dynamically Generated Hate Speech Dataset",
        "Vidgen et al., ACL 2021",
        "CC BY 4.0",
        "https://github.com/bvidgen/Dynamically-Generated-Hate-Speech-Dataset",
        "written by people to fool a classifier; offensive unknown",
    ),
    "mhs": Dataset(
        "Measuring Hate Speech",
        "Kennedy et al. 2020; Sachdeva et al. 2022",
        "CC BY 4.0",
        "https://huggingface.co/datasets/ucberkeley-dlab/measuring-hate-speech",
        "comments of YouTube, Twitter and Reddit, a balanced sample, hate score binarised; offensive known of hate alone",
    ),
    "toxigen": Dataset(
        "ToxiGen",
        "Hartvigsen et al., ACL 2022",
        "MIT",
        "https://github.com/microsoft/TOXIGEN",
        "the part written by people; offensive unknown",
    ),
    "toxic_spans": Dataset(
        "SemEval-2021 Task 5, Toxic Spans (Civil Comments)",
        "Pavlopoulos et al. 2021",
        "CC0",
        "https://github.com/ipavlopoulos/toxic_spans",
        "toxic posts only",
    ),
    "beep_ko": Dataset(
        "BEEP! Korean hate speech",
        "Moon et al. 2020",
        "CC BY-SA 4.0",
        "https://github.com/kocohub/korean-hate-speech",
        "Korean news comments",
    ),
    "reddit": Dataset(
        "Reddit top 2.5 million",
        "umbrae",
        "ODC PDDL",
        "https://github.com/umbrae/reddit-top-2.5-million",
        "posts without labels",
    ),
    "augmentation": Dataset(
        "augmentation",
        "made up by `moderation-model augment`",
        "Apache-2.0 as this project; re-spelled posts as the source that they are copies of",
        "",
        "templates against known blind spots, and spelling tricks on labelled posts",
    ),
    "contrasts": Dataset(
        "contrasts",
        "made up by `moderation-model augment --contrasts`",
        "Apache-2.0 as this project",
        "",
        "more templates: what says hate beside what quotes it, counters it or speaks of something else",
    ),
}
"""By the first part of a training file's name, up to a dot or hyphen."""
