"""Command lines lose what may be a secret, and keep what tells what ran."""

from __future__ import annotations

import pytest

from smaragdine.recording.redaction import MOST_CHARACTERS, MOST_WORDS, REDACTED, redacted

HEX = "0123456789abcdef0123456789abcdef01234567"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
# Each holds S3CRET, or a key of a known shape, and no secret is left of it.
SECRETS = [
    ["train.py", "--token", "S3CRET"],
    ["train.py", "--token=S3CRET"],
    ["train.py", "--api-key=S3CRET", "--steps", "3"],
    ["train.py", "--api_key", "S3CRET"],
    ["train.py", "--apiKey", "S3CRET"],
    ["train.py", "--wandb.apiKey=S3CRET"],
    ["train.py", "--hf-token", "S3CRET with blanks"],
    ["train.py", "--password", "-S3CRET"],
    ["train.py", "-password", "S3CRET"],
    ["train.py", "--db-passwd", "S3CRET"],
    ["train.py", "--secrets", "S3CRET", "S3CRETTOO", "--steps", "3"],
    ["train.py", "+logger.wandb.api_key=S3CRET"],
    ["env", "PASSWORD=S3CRET", "python", "train.py"],
    ["env", "AWS_SECRET_ACCESS_KEY=S3CRET", "python"],
    ["env", "MY_DB_PASS='S3CRET word'", "python"],
    ["bash", "-c", "export HF_TOKEN=S3CRET; python train.py"],
    ["bash", "-c", 'python train.py --token S3CRET && python x.py --api-key "S3CRET two"'],
    ["python", "-c", "login(token='S3CRET')"],
    ["python", "-c", 'config = {"api_key": "S3CRET", "steps": 3}'],
    ["python", "-c", r'json.loads("{\"password\": \"S3CRET\"}")'],
    ["curl", "-H", "Authorization: Bearer S3CRETS3CRET"],
    ["curl", "-H", "X-Api-Key: S3CRET"],
    ["curl", "-u", "me:S3CRET", "host"],
    ["train.py", "https://me:S3CRET@example.org/data"],
    ["train.py", "--data=postgres://me:pa/S3CRET@ss@db.example.org:5432/x"],
    ["train.py", "https://S3CRET@example.org"],
    ["train.py", "redis://:S3CRET@cache:6379/0"],
    ["train.py", "me:S3CRET@db.example.org/table"],
    ["train.py", "https://x.blob.core.windows.net/c?sv=1&sig=S3CRET%3D&se=2"],
    ["train.py", "https://s3.example.org/x?X-Amz-Credential=S3CRET&X-Amz-Signature=S3CRET"],
    ["train.py", f"--note=hf_{'S3CRET' * 3}"],
    ["train.py", f"sk-proj-{'S3CRET' * 4}"],
    ["train.py", f"ghp_{'S3CRET' * 6}"],
    ["train.py", f"x-github_pat_{'S3CRET' * 6}"],
    ["train.py", "AKIAS3CRETS3CRETS3CR"],
    ["train.py", f"xoxb-{'S3CRET' * 3}"],
    ["train.py", f"glpat-{'S3CRET' * 4}"],
    ["train.py", "-----BEGIN RSA PRIVATE KEY-----\nS3CRET\n-----END RSA PRIVATE KEY-----"],
]


@pytest.mark.parametrize("words", SECRETS, ids=lambda words: " ".join(words)[:50])
def test_nothing_is_left_of_a_secret_and_something_of_what_ran(words: list[str]) -> None:
    told = redacted(words)
    assert not any("S3CR" in word for word in told), told
    assert len(told) == len(words) and any(REDACTED in word for word in told)
    assert told[0] == words[0]


def test_keys_of_known_shapes_go_wherever_they_stand() -> None:
    assert redacted([f"a={JWT}"]) == [f"a={REDACTED}"]
    assert redacted(["wandb", "login", HEX]) == ["wandb", "login", REDACTED]
    assert redacted(["train.py", "--wandb-key", HEX, "--key", "epoch"]) == [
        "train.py", "--wandb-key", REDACTED, "--key", "epoch"
    ]  # fmt: skip
    assert redacted([f"WANDB_KEY={HEX}"]) == [f"WANDB_KEY={REDACTED}"]


KEPT = [
    ["python", "train.py", "--learning-rate", "1e-4", "--max-tokens=128", "--tokenizer", "bert-base-uncased"],
    ["torchrun", "--nproc_per_node=8", "train.py", "--author", "me", "--passes", "3", "--pad-token", "<pad>"],
    ["python", "train.py", "--data", "s3://bucket/path", "--url", "http://localhost:8080/v1", "--key", "val_loss"],
    ["python", "train.py", "--commit", HEX, "--monkey", "x", "--compass=north", "lr=0.1", "time: 12:30"],
    ["docker", "run", "image:1.2@sha256:abcdef0123456789", "me@example.org"],
]


@pytest.mark.parametrize("words", KEPT, ids=lambda words: " ".join(words)[:50])
def test_what_is_no_secret_is_kept_as_it_was(words: list[str]) -> None:
    assert redacted(words) == words


def test_a_command_line_without_end_is_bounded_and_says_so() -> None:
    told = redacted(["x" * 10_000_000, *(str(number) for number in range(100_000))])
    assert len(told) == MOST_WORDS
    assert told[0].startswith("x" * MOST_CHARACTERS) and told[0].endswith("more]") and len(told[0]) < 2200


def test_a_secret_at_the_cut_is_not_cut_into_something_that_nobody_knows() -> None:
    word = "x" * (MOST_CHARACTERS - 30) + " token=" + "S3CRET" * 1000
    assert "S3CR" not in redacted([word])[0]


def test_words_that_are_no_text_are_words_all_the_same() -> None:
    assert redacted(["caf\udce9.py", "--token", "\udcff"]) == ["caf\udce9.py", "--token", REDACTED]


def test_hostile_words_take_no_time() -> None:
    parts = ("a:", "=", "--token ", "'", "eyJa.", "x://", "a", "-", "a-", "hf_", "token=", "\\")
    for part in parts:
        redacted([part * (8000 // len(part))])
