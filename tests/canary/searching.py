"""What is looked for: each secret itself, and in every form in which it could be carried out."""

import base64
import hashlib
import json
import os
import pwd
import re
import socket
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, quote_plus

from sst_core import SST

Channel = Literal["sent", "kept", "printed"]


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that telemetry left behind."""

    channel: Channel
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """A leak."""

    place: str
    form: str
    channel: Channel
    name: str


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """Everything that `value` would be recognised by where letters' case counts."""
    content = value.encode()
    yield "plain", content
    for alignment in range(3):
        # Without the digits that depend on what stands before and after.
        whole = content[(3 - alignment) % 3 :]
        whole = whole[: len(whole) // 3 * 3]
        if len(whole) >= 9:
            yield "base64", base64.b64encode(whole)
            yield "base64url", base64.urlsafe_b64encode(whole)
    for algorithm in ("sha1", "sha256"):
        digest = hashlib.new(algorithm, content).digest()
        yield f"{algorithm} raw", digest
        yield f"{algorithm} base64", base64.b64encode(digest).rstrip(b"=")
        yield f"{algorithm} base64url", base64.urlsafe_b64encode(digest).rstrip(b"=")


def folded_forms(value: str) -> Iterator[tuple[str, bytes]]:
    """The same where it doesn't."""
    content = value.encode()
    texts = {
        "casefolded": value,
        "reversed": value[::-1],
        "url-encoded": quote(value, safe=""),
        "url-encoded path": quote(value),
        "url-encoded form": quote_plus(value),
        "JSON": json.dumps(value)[1:-1],
        "JSON in UTF-8": json.dumps(value, ensure_ascii=False)[1:-1],
        "repr": repr(value)[1:-1],
        "hex": content.hex(),
        # Also finds the whole digest.
        "sha1 hex": hashlib.sha1(content, usedforsecurity=False).hexdigest()[:16],
        "sha256 hex": hashlib.sha256(content).hexdigest()[:16],
    }
    for form, text in texts.items():
        yield form, text.casefold().encode()


def search(planted: Mapping[str, Sequence[str]], traces: Iterable[Trace]) -> list[Finding]:
    """Every leak of what is planted: by place, the secret and the wholes that it is a part of."""
    exact, folded = _patterns(planted, forms), _patterns(planted, folded_forms)
    findings = []
    for trace in traces:
        content = trace.name.encode() + b"\n" + b"\n".join(unpacked(trace.content))
        for haystack, patterns in ((content, exact), (_folded(content), folded)):
            findings += [
                Finding(place, form, trace.channel, trace.name)
                for place, form, pattern in patterns
                if pattern in haystack
            ]
    return findings


def search_words(facts: Mapping[str, str], traces: Iterable[Trace]) -> list[Finding]:
    """Every leak of what is too short to be looked for in compressed bytes: as a whole word of what can be read."""
    findings = []
    for trace in traces:
        text = _folded(b"\n".join([trace.name.encode(), *map(_legible, readable(trace.content))]))
        for place, value in facts.items():
            word = re.escape(value.casefold().encode())
            if re.search(rb"(?<![0-9a-z])" + word + rb"(?![0-9a-z])", text):
                findings.append(Finding(place, "word", trace.channel, trace.name))
    return findings


def _legible(content: bytes) -> bytes:
    """Text as it is; of other bytes what a reader would take for text, since two letters stand in them by chance."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return b"\n".join(re.findall(rb"[\t\n\r -~]{8,}", content))
    return content


def unpacked(content: bytes) -> Iterator[bytes]:
    """The bytes as they are, and whatever of them is compressed, decompressed."""
    yield content
    yield from (inner for _, inner, _ in _members(content))


def readable(content: bytes) -> Iterator[bytes]:
    """The bytes with what is compressed replaced by what it says."""
    end = 0
    for start, inner, after in _members(content):
        yield content[end:start]
        yield inner
        end = after
    yield content[end:]


def machine_facts() -> dict[str, str]:
    """What is true of the machine that the tests run on, and that no byte may say."""
    facts = {
        "real user": pwd.getpwuid(os.getuid()).pw_name,
        "real host": socket.gethostname(),
        "kernel release": os.uname().release,
        "kernel version": os.uname().version,
        "network address": f"{uuid.getnode():012x}",
        "network address with colons": ":".join(re.findall("..", f"{uuid.getnode():012x}")),
        "machine id": _first_match("/etc/machine-id", r"(\w+)"),
        "CPU model": _first_match("/proc/cpuinfo", r"model name\s*: (.+)"),
        "memory": _first_match("/proc/meminfo", r"MemTotal:\s+(\d+)"),
    }
    # A user who is called `build` is not betrayed by the word.
    allowed = " ".join(recorded.kind.describe() for recorded in SST.catalogue) + " sst localhost"
    return {place: value for place, value in facts.items() if value and value.casefold() not in allowed}


def _patterns(
    planted: Mapping[str, Sequence[str]], of: Callable[[str], Iterator[tuple[str, bytes]]]
) -> list[tuple[str, str, bytes]]:
    return [(place, *form) for place, values in planted.items() for value in values for form in of(value)]


def _folded(content: bytes) -> bytes:
    return content.decode(errors="replace").casefold().encode()


def _members(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    start = content.find(b"\x1f\x8b\x08")
    while start >= 0:
        stream = zlib.decompressobj(wbits=31)
        try:
            inner, after = stream.decompress(content[start:]), len(content) - len(stream.unused_data)
        except zlib.error:
            after = start + 1
        else:
            yield start, inner, after
        start = content.find(b"\x1f\x8b\x08", after)


def _first_match(path: str, pattern: str) -> str:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return ""
    return found[1].strip() if found else ""
