"""Where training data came from: what a model card must say."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dataset:
    """A published data set and the licence its authors gave it."""

    title: str
    authors: str
    licence: str
    note: str


DATASETS = {
    "hatexplain": Dataset(
        "HateXplain", "Mathew et al., AAAI 2021", "MIT", "posts of Twitter and Gab; three annotators"
    ),
    "davidson": Dataset(
        "Hate Speech and Offensive Language", "Davidson et al., ICWSM 2017", "MIT", "tweets found by slurs"
    ),
    "dynahate": Dataset(
        "Dynamically Generated Hate Speech Dataset",
        "Vidgen et al., ACL 2021",
        "CC BY 4.0",
        "written by people to fool a classifier",
    ),
    "mhs": Dataset(
        "Measuring Hate Speech",
        "Kennedy et al. 2020; Sachdeva et al. 2022",
        "CC BY 4.0",
        "balanced sample of YouTube, Twitter and Reddit comments; labels binarised",
    ),
    "toxigen": Dataset("ToxiGen", "Hartvigsen et al., ACL 2022", "MIT", "the part written by people"),
    "toxic_spans": Dataset(
        "SemEval-2021 Task 5, Toxic Spans (Civil Comments)", "Pavlopoulos et al. 2021", "CC0", "toxic posts only"
    ),
    "beep_ko": Dataset("BEEP! Korean hate speech", "Moon et al. 2020", "CC BY-SA 4.0", "Korean news comments"),
}
"""By the first part of a training file's name."""
