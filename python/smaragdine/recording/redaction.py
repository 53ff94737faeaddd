"""Secrets in command lines, left out before anything of them leaves the process.

What only looks like a secret is left out as well: a word too few in a record is no harm, a key in it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

REDACTED = "[redacted]"
# More words, and longer ones, tell nobody what ran.
MOST_WORDS = 1000
MOST_CHARACTERS = 2000

_SECRET_WORDS = {
    "token", "secret", "secrets", "password", "passwords", "passwd", "passphrase", "pass", "pwd", "pw", "apikey",
    "apitoken", "accesskey", "secretkey", "privatekey", "authtoken", "accesstoken", "credential", "credentials", "cred",
    "creds", "auth", "authorization", "authentication", "bearer", "cookie", "signature", "sig", "dsn", "userpass",
}  # fmt: skip
_SECRET_PAIRS = {
    (first, second)
    for first in ("api", "access", "secret", "private", "auth", "encryption", "license", "account", "storage", "ssh",
                  "master", "signing", "shared", "service", "client", "deploy", "webhook", "session")
    for second in ("key", "keys")
}  # fmt: skip
# Those of a vocabulary: `--pad-token`.
_VOCABULARY = {"pad", "eos", "bos", "unk", "mask", "sep", "cls", "special", "stop", "image", "per"}
_SHAPES = re.compile(
    r"""
    \b(?:
        (?:hf|npm|gsk|r8|dop_v1|shpat|lip|rk_live|rk_test|sk_live|sk_test|pk_live|tgp_v1|wandb_v1|gh[pousr])_[A-Za-z0-9_-]{10,}
      | github_pat_[A-Za-z0-9_]{20,} | glpat-[A-Za-z0-9_.-]{16,} | nvapi-[A-Za-z0-9_-]{16,} | pypi-[A-Za-z0-9_-]{16,}
      | (?:sk|ak|as|xai)-[A-Za-z0-9_-]{16,} | xox[a-z]-[A-Za-z0-9-]{10,}
      | (?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{12,} | AIza[A-Za-z0-9_-]{30,} | ya29\.[A-Za-z0-9_.-]{10,}
      | SG\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,} | eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?
    )
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----.*
    """,
    re.VERBOSE | re.DOTALL,
)
# Names and passwords in addresses: up to the last `@` of the host's part, and those with a slash in the password.
_USERINFO = re.compile(r"""\b([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/?\#'"@:]*:(?!\d+/)[^\s'"]*|[^\s/?\#'"]*)@""")
_BARE_USERINFO = re.compile(r"""(?<![\w/:.])[\w.+-]+:[^\s@/:'"]+@(?!sha\d+:)(?=[\w.-]+)""")
_VALUE = r"""("[^"]*"|'[^']*'|[^\s"'&;|,)}\]]+)"""
_ASSIGNED = re.compile(
    rf"""(?<![\w.-])([\w.-]+)(\\?["']?\s*(?:=|:(?!//))\s*\\?)(?:(?:Bearer|Basic|Token)\s+)?{_VALUE}""", re.I
)
_OPTION = re.compile(rf"""(?<!\S)(--?[\w.-]+)(\s+)(?!-){_VALUE}""")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}")
_LOOKS_RANDOM = re.compile(r"(?=.*\d)[A-Za-z0-9+/=_-]{16,}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def redacted(words: Iterable[str]) -> list[str]:
    """The words of a command line, bounded in number and length, `[redacted]` where a secret may have been."""
    kept = [word[: MOST_CHARACTERS * 4] for _, word in zip(range(MOST_WORDS), words, strict=False)]
    return [_shortened(word) for word in _without_secrets(kept)]


def _without_secrets(words: list[str]) -> Iterator[str]:
    hides = several = False
    before = ""
    for word in words:
        if hides and not (word.startswith("--") or (word.startswith("-") and len(word) <= 2)):
            yield REDACTED
            hides = several
            before = word
            continue
        name = word if word.startswith("-") and "=" not in word and " " not in word else ""
        hides = bool(name) and _is_secret(name)
        several = hides and name.lower().endswith("s")
        yield REDACTED if _follows_a_key(before, word) else _text(word)
        before = word


def _follows_a_key(before: str, word: str) -> bool:
    if before in ("-u", "--user", "--proxy-user"):
        return ":" in word
    keyed = before.startswith("-") and _words(before)[-1:] == ["key"]
    return (keyed or before == "login") and _LOOKS_RANDOM.fullmatch(word) is not None


def _text(text: str) -> str:
    """Secrets within one word, which may itself be a program or an address."""
    text = _SHAPES.sub(REDACTED, text)
    text = _USERINFO.sub(rf"\1{REDACTED}@", text)
    text = _BARE_USERINFO.sub(f"{REDACTED}@", text)
    text = _ASSIGNED.sub(_assigned, text)
    text = _OPTION.sub(_assigned, text)
    return _BEARER.sub(rf"\1 {REDACTED}", text)


def _assigned(match: re.Match[str]) -> str:
    name, between, value = match[1], match[2], match[3]
    if _is_secret(name) or (_words(name)[-1:] == ["key"] and _LOOKS_RANDOM.fullmatch(value.strip("\"'"))):
        return f"{name}{between}{REDACTED}"
    return match[0]


def _is_secret(name: str) -> bool:
    words = _words(name)
    if set(pairwise(words)) & _SECRET_PAIRS:
        return True
    return any(
        word in _SECRET_WORDS and not (word == "token" and place and words[place - 1] in _VOCABULARY)
        for place, word in enumerate(words)
    )


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", _CAMEL.sub("-", name).lower()) if word]


def _shortened(word: str) -> str:
    if len(word) <= MOST_CHARACTERS:
        return word
    return f"{word[:MOST_CHARACTERS]}… [{len(word) - MOST_CHARACTERS} more]"
