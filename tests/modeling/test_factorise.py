import json
import random
from pathlib import Path

import pytest
import torch
import zstandard
from transformers import BertConfig, BertModel, ElectraModel

from tests.modeling.published import SHAPE, disturbed, saved, states
from tests.modeling.tiny import write_posts
from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer
from worker.modeling.cli import main
from worker.modeling.encoders import factorise as module
from worker.modeling.encoders.warm_start import warm_start
from worker.modeling.posts.texts import read_texts
from worker.text.options import Normalisation


@pytest.fixture(autouse=True)
def quick_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STEPS", 150)
    monkeypatch.setattr(module, "_BATCH", 512)
    monkeypatch.setattr(module, "_SOLVED", 4096)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "posts.jsonl"
    write_posts(path, random.Random(1), 300)
    return path


@pytest.fixture(scope="module")
def source(tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(disturbed(BertModel(BertConfig(**SHAPE))), tokenizer_file, tmp_path_factory.mktemp("bert"))


def test_embeddings_that_vary_in_few_directions_survive_unchanged(
    tokenizer_file: Path, texts: Path, tmp_path: Path
) -> None:
    original = disturbed(BertModel(BertConfig(**SHAPE)))
    with torch.no_grad():
        basis = torch.randn(7, 32)
        for table in (original.embeddings.word_embeddings, original.embeddings.position_embeddings):
            table.weight.copy_(torch.randn(len(table.weight), 7) @ basis)
        original.embeddings.token_type_embeddings.weight.zero_()
    found = warm_start(
        str(saved(original, tokenizer_file, tmp_path / "in")), tmp_path / "out", dimensions=8, texts=[texts]
    )
    assert found.factorised is not None
    assert found.factorised.word_table_weighted < 1e-6
    assert found.factorised.projected < 1e-4  # LayerNorm of the coordinates is then LayerNorm of the rows
    assert found.factorised.fitted < 0.01
    assert found.factorised.cls_cosine > 0.99
    narrow = ElectraModel.from_pretrained(tmp_path / "out").eval()  # type: ignore[no-untyped-call]
    assert narrow.config.embedding_size == 8
    assert torch.allclose(states(original), states(narrow), atol=0.3)


def test_frequencies_are_of_texts_as_they_will_be_normalised(tokenizer_file: Path, tmp_path: Path) -> None:
    model, file = disturbed(BertModel(BertConfig(**SHAPE))), tmp_path / "posts.txt"
    file.write_text("the suuuuun\n")
    written, squeezed = (
        module.count_tokens(load_tokenizer(tokenizer_file), [file], model, how)
        for how in (Normalisation(), Normalisation(repeats="squeeze"))
    )
    assert len(squeezed[0]) < len(written[0])


def test_the_fit_and_the_weighting_win_back_energy_and_the_report_says_so(
    source: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["warm-start", str(source), "--out", str(out), "--factorise", "16", "--texts", str(texts)]) == 0
    found = json.loads((out / "warm_start.json").read_text())
    lost = found["factorised"]
    assert found["difference"] < 1e-5  # of what was factorised afterwards
    assert lost["dimensions"] == 16
    assert lost["tokens"] > 1000
    assert 0 < lost["word_table_weighted"] < lost["word_table_plain"]
    assert 0 < lost["fitted"] < 0.95 * lost["projected"]
    printed = capsys.readouterr().out
    assert "which is an approximation" in printed
    assert f"{lost['fitted']:.1%} after it" in printed


def test_factorising_twice_gives_the_same_bytes(source: Path, texts: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        warm_start(str(source), tmp_path / name, dimensions=8, texts=[texts])
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]


def test_layers_are_untouched(source: Path, texts: Path, tmp_path: Path) -> None:
    warm_start(str(source), tmp_path / "out", layers=(1,), dimensions=8, texts=[texts])
    narrow = ElectraModel.from_pretrained(tmp_path / "out")
    original = BertModel.from_pretrained(source)
    expected = original.encoder.layer[1].state_dict()
    assert all(torch.equal(expected[name], value) for name, value in narrow.encoder.layer[0].state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--factorise 32 --texts {texts}", "the embeddings have 32 dimensions: want 2 to 31"),
        ("--factorise 8", "--factorise and --texts go together"),
        ("--normalise emoji=names", "--normalise is for --factorise"),
        ("--texts {texts}", "--factorise and --texts go together"),
        ("--factorise 8 --texts {empty}", "hold no text"),
        ("--factorise 8 --texts {missing}", "missing.txt: cannot be read"),
    ],
)
def test_factorising_without_what_it_needs_is_refused_and_nothing_written(
    options: str, message: str, source: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\u200b\n")
    filled = options.format(texts=texts, empty=empty, missing=tmp_path / "missing.txt")
    assert main(["warm-start", str(source), "--out", str(tmp_path / "out"), *filled.split()]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["empty.txt"]


def test_texts_are_read_from_lines_json_and_zstd_alike(tmp_path: Path) -> None:
    texts = ["one\u2028line", "two"]
    lines = "one\u2028line\r\n\n  \ntwo".encode()
    rows = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    compress = zstandard.ZstdCompressor().compress
    files = {
        "a.txt": lines,
        "b.txt.zst": compress(lines) + compress(b"\n"),
        "c.jsonl": rows,
        "d.jsonl.zst": compress(rows),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert list(read_texts([tmp_path / name])) == texts, name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"fine\n\xff\xfe\n", "a.txt:2: not UTF-8"),
        ("a.jsonl", b'{"text": "fine"}\n{"id": 1}\n', 'a.jsonl:2: not a JSON object with "text"'),
        ("a.jsonl", b'{"text": "fine"}\nfine\n', 'a.jsonl:2: not a JSON object with "text"'),
        ("a.jsonl", b'{"text": null}\n', 'a.jsonl:1: not a JSON object with "text"'),
        ("a.txt.zst", b"not compressed", "a.txt.zst: cannot be read"),
    ],
)
def test_texts_that_cannot_be_read_are_named_by_file_and_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Fatal, match=message.replace("(", r"\(")):
        list(read_texts([tmp_path / name]))
