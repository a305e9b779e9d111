import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.modeling.tiny import write_posts
from worker.model.bundle import load_bundle
from worker.modeling.cli import main
from worker.modeling.export.parity import TELLING


@pytest.fixture(scope="module")
def bundle(classifier: Path, posts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "bundle"
    status = main(
        f"export --classifier {classifier} --out {out} --calibration {posts} --dev {posts} --block hate "
        "--name tiny --version 1.2.3 --overlap 8".split()
    )
    assert status == 0
    return out


def test_export_makes_the_bundle_that_was_asked_for(bundle: Path) -> None:
    found = load_bundle(bundle)
    assert (found.name, found.version) == ("tiny", "1.2.3")


def test_export_left_to_its_defaults_makes_a_bundle_for_every_cpu(bundle: Path) -> None:
    assert load_bundle(bundle).manifest.quantization == "int8-static-7bit"


def test_export_help_says_which_fleets_may_use_eight_bits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "int8-7bit (default)" in text
    assert "only for fleets whose x86 CPUs all have VNNI" in text


def test_export_help_says_which_files_its_bounds_hold_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert f"any label and file of --dev that holds {TELLING} posts or more" in " ".join(
        capsys.readouterr().out.split()
    )


def test_bundle_and_floor_are_measured_and_carded(
    bundle: Path, classifier: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, floor, train = tmp_path / "ours.json", tmp_path / "floor.json", tmp_path / "more.jsonl"
    write_posts(train, random.Random(8), 500)
    assert main(f"evaluate --bundle {bundle} --data {posts} --json {ours}".split()) == 0
    printed = capsys.readouterr().out
    assert "| posts.jsonl | hate |" in printed
    assert f"review thresholds (hate {load_bundle(bundle).policy.thresholds[0].review}, offensive " in printed
    assert main(f"evaluate --bundle {bundle} --data {posts} --reference {bundle}".split()) == 0
    assert "0.0000 on average and 0.000 at most, 0.00% of actions differ" in capsys.readouterr().out
    assert main(f"evaluate --baseline --train {train} --train-posts 400 --data {posts} --json {floor}".split()) == 0
    assert "even sample of 400" in capsys.readouterr().out
    rows = json.loads(floor.read_text())["rows"]
    assert {row["label"] for row in rows} == {"hate", "offensive"}
    assert all(row["auroc"] > 0.7 for row in rows)  # the labels follow from the words

    about = tmp_path / "about.toml"
    about.write_text(
        'encoder = "a random one (CC0)"\nvocabulary = "letters (CC0)"\nmake = "make ours"\n'
        'limits = "Reads letters only."\nprobes = ["the sun", "going home"]\n'
    )
    arguments = ["card", "--bundle", str(bundle), "--classifier", str(classifier), "--about", str(about)]
    assert main([*arguments, "--metrics", f"Our own posts={ours}", f"Floor={floor}"]) == 0
    card = (bundle / "MODEL_CARD.md").read_text()
    assert card.startswith("# tiny 1.2.3\n")
    assert (
        "`hatexplain.train.jsonl`: [HateXplain](https://github.com/hate-alert/HateXplain) (Mathew et al., AAAI 2021), MIT"
        in card
    )
    for heading in ("## Our own posts", "## Floor", "## Limits", "## Make it again"):
        assert heading in card
    assert "The encoder is a random one (CC0)" in card
    assert "The vocabulary is letters (CC0)" in card
    assert "| learning_rate | " in card
    assert "Reads letters only." in card
    assert "| the sun | 0." in card
    again = card.partition("## Make it again")[2]
    assert "```sh\nmake ours\n```" in again
    assert '{"id": "a1", "text": "a post", "labels": {"hate": 0, "offensive": null}}' in again
    assert str(posts.parent) not in card
    load_bundle(bundle)


NAMED = (
    ("thresholds", "--data {posts} --precision 0.9 --out {missing}"),
    ("select", "--texts {posts} --out {missing}"),
    ("suite", ""),
    ("explain", "--text bad"),
    ("rebuild", "--out {missing} --version 2"),
    ("restore", "--out {missing}"),
    ("card", "--classifier {missing} --about {missing} --metrics A={empty}"),
)
"""Commands that take a bundle, and what else each wants."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("evaluate --bundle {missing} --data {posts}", "give --bundle a directory made by"),
        ("evaluate --bundle {bundle} --reference {missing} --data {posts}", "give --reference a directory made by"),
        *((f"{command} --bundle {{missing}} {more}", "give --bundle a directory made by") for command, more in NAMED),
        ("evaluate --baseline --train {empty} --data {posts}", "--train"),
        ("evaluate --bundle {bundle} --data {empty}", "--data"),
        (
            "card --bundle {bundle} --classifier {missing} --about {missing} --metrics A={empty}",
            "--about {missing}: cannot be read",
        ),
        (
            "card --bundle {bundle} --classifier {missing} --about {empty} --metrics A={empty}",
            "--about {empty}: encoder: Field required (keys: encoder, vocabulary, licence, teachers, data, use, make, limits, probes)",
        ),
        ("card --bundle {bundle} --classifier {missing} --about {empty} --metrics nonsense", "HEADING=FILE"),
        (
            "select --bundle {bundle} --texts {posts} --out {missing} --clean-out {missing} --labels hate ofensive",
            "--labels: unknown label 'ofensive': the labels are hate, offensive",
        ),
        ("export --classifier {missing} --out {missing} --name a --version 1", "not a trained classifier"),
    ],
)
def test_failure_is_one_line_that_says_what_to_change(
    bundle: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    filled = arguments.format(bundle=bundle, posts=posts, empty=empty, missing=tmp_path / "missing")
    assert main(filled.split()) == 1
    error = capsys.readouterr().err
    assert message.format(empty=empty, missing=tmp_path / "missing") in error
    assert "MODERATION_BUNDLE" not in error


@pytest.mark.parametrize(
    "arguments",
    [
        "explain --bundle {path} --data {path} --posts -1",
        "select --bundle {path} --texts {path} --out {path} --count -4",
        "select --bundle {path} --texts {path} --out {path} --clean -4",
        "select --bundle {path} --texts {path} --out {path} --pool 0",
        "select --bundle {path} --texts {path} --out {path} --longest -1",
        "warm-start {path} --out {path} --layers a",
        "warm-start {path} --out {path} --layers -1",
    ],
)
def test_count_that_cannot_be_is_refused_by_its_option(
    arguments: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments.format(path=tmp_path / "missing").split())
    *_, option, value = arguments.split()
    assert re.search(rf"argument {option}: '{value}' is no whole number from [01] on", capsys.readouterr().err)


WITHOUT_MODELING = """
import sys
sys.modules.update(dict.fromkeys(["onnx", "safetensors", "sklearn", "torch", "transformers"]))
from worker.modeling.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        "warm-start all-minilm-l6-v2 --out {path}",
        "train --encoder {path} --train {path} --out {path}",
        "export --classifier {path} --out {path} --name a --version 1",
        "evaluate --bundle {path} --data {path}",
        "evaluate --baseline --train {path} --data {path}",
        "card --bundle {path} --classifier {path} --about {path} --metrics A={path}",
    ],
)
def test_command_without_the_modeling_extra_says_how_to_install_it(tmp_path: Path, arguments: str) -> None:
    command = [sys.executable, "-c", WITHOUT_MODELING, *arguments.format(path=tmp_path).split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not installed" in done.stderr
    assert "pip install '.[modeling]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_module_of_our_own_that_is_missing_is_no_matter_of_installing(
    monkeypatch: pytest.MonkeyPatch, posts: Path
) -> None:
    monkeypatch.setitem(sys.modules, "worker.modeling.evaluation.run", None)
    with pytest.raises(ModuleNotFoundError, match=r"worker\.modeling\.evaluation"):
        main(f"evaluate --bundle anything --data {posts}".split())


@pytest.mark.parametrize(
    ("command", "interrupted"),
    [
        ("train --train a --encoder a --checkpoint-minutes 5", "worker.modeling.training.train.train"),
        ("distill --train a --encoder a --scores a", "worker.modeling.training.train.check"),
        ("ablate --train a --encoder a", "worker.modeling.search.ablate.ablate"),
        ("tune --train a --encoder a", "worker.modeling.search.tune.search"),
        ("pretrain --texts a", "worker.modeling.pretraining.pretrain.pretrain"),
    ],
)
def test_interrupt_says_how_to_go_on(
    command: str, interrupted: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(interrupted, interrupt)
    assert main([*command.split(), "--out", str(tmp_path)]) == 130
    minutes = 5 if "--checkpoint-minutes" in command else 10
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        f"the same command goes on from its last checkpoint, if it has written one (every {minutes} minutes)"
    )


def test_interrupt_ends_with_the_shells_status(monkeypatch: pytest.MonkeyPatch, posts: Path) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("worker.model.classifier.Classifier.load", interrupt)
    assert main(f"evaluate --bundle anything --data {posts}".split()) == 130
