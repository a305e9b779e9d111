import json
from pathlib import Path

import pytest

from worker.demo import samples, samples_korean
from worker.demo.languages import samples_for
from worker.demo.samples import Deleted, Post, Raw, shown
from worker.settings.fields import BUNDLED_MODEL


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("ko", samples_korean.SAMPLES),
        ("ko-KR", samples_korean.SAMPLES),
        ("en", samples.SAMPLES),
        ("kok", samples.SAMPLES),
    ],
)
def test_demo_shows_posts_in_the_language_of_its_bundle(
    language: str, expected: tuple[samples.Sample, ...], tmp_path: Path
) -> None:
    manifest = json.loads((BUNDLED_MODEL / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"language": language}))
    assert samples_for(tmp_path) is expected


def test_demo_leaves_it_to_the_worker_to_refuse_a_broken_bundle(tmp_path: Path) -> None:
    assert samples_for(tmp_path) is samples.SAMPLES
    (tmp_path / "manifest.json").write_text("{}")
    assert samples_for(tmp_path) is samples.SAMPLES


def test_korean_posts_show_what_the_english_ones_do() -> None:
    assert {type(sample) for sample in samples_korean.SAMPLES[:12]} == {Post, Raw, Deleted}
    assert not isinstance(samples_korean.SAMPLES[0], Deleted)  # the post before it is deleted
    assert len(set(map(shown, samples_korean.SAMPLES))) == len(samples_korean.SAMPLES)
