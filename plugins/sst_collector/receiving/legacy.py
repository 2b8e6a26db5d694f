"""The original client, `@serverless-stack/core` 1.18.4: its envelope, turned into a run of our catalogue.

It names more than the public page does and keeps one id for good. What the catalogue does not have is dropped here, at
the door, and the id becomes a keyed hash whose key lives for a week (see :mod:`sst_collector.site_key`). It knows no
`distro` and no `pythonVersion`: those are null.
"""

import hmac
from typing import Annotated

import msgspec

from sst_collector.receiving.schema import RejectedLine
from sst_core import EVENT_NAME, Bucket, Catalogue, Choice, RandomId, Version

_OTHER = "other"

CI_SERVICES = {
    "AWS CodeBuild": "codebuild",
    "AppVeyor": "appveyor",
    "Azure Pipelines": "azure-pipelines",
    "Bitbucket Pipelines": "bitbucket-pipelines",
    "Buildkite": "buildkite",
    "CircleCI": "circleci",
    "Drone": "drone",
    "GitHub Actions": "github-actions",
    "GitLab CI": "gitlab",
    "Jenkins": "jenkins",
    "TeamCity": "teamcity",
    "Travis CI": "travis",
}
"""What its library, ci-info 3, calls the services of our closed list."""

_REASON = "an envelope of the original client: not what it sends"


def is_legacy(line: bytes) -> bool:
    """Whether a line that our own schema refuses is worth decoding as the original client's."""
    return b'"projectId"' in line


def decoder_for(catalogue: Catalogue) -> "LegacyDecoder | None":
    """The decoder for collectors of the program that the original client was; None for those of any other."""
    return LegacyDecoder(catalogue) if "sstVersion" in (field.key for field in catalogue) else None


class LegacyDecoder:
    """Decodes what the original client sends, with a name and a command that the catalogue has, and nothing else."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._commands = _choice(catalogue, "command")
        self._platforms = _choice(catalogue, "systemPlatform")
        self._architectures = _choice(catalogue, "systemArchitecture")
        cpus = catalogue["cpuCount"].kind
        assert isinstance(cpus, Bucket)
        self._cpus = cpus
        self._envelope = msgspec.json.Decoder(_Envelope)

    def record(self, line: bytes, key: bytes) -> bytes:
        """The run that `line` holds as the journal keeps it, its machine's id hashed with the week's `key`.

        Raises :class:`RejectedLine`.
        """
        try:
            envelope = self._envelope.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RejectedLine(_REASON) from None
        (event,) = envelope.events
        if event.name != EVENT_NAME:
            raise RejectedLine("events[0].name: not what the catalogue allows")
        if not self._commands.accepts(event.properties.command):
            raise RejectedLine("events[0].properties.command: not what the catalogue allows")
        values = self._values(envelope, key)
        return msgspec.json.encode({field.key: field.check(values.get(field.key)) for field in self._catalogue})

    def _values(self, envelope: "_Envelope", key: bytes) -> dict[str, object]:
        environment = envelope.environment
        return {
            "anonymousId": weekly_id(key, envelope.context.anonymousId),
            # Random in every run, so half of its digits are as good a key to count by as all of them.
            "sessionId": envelope.context.sessionId[: 2 * RandomId.BYTES],
            "sstVersion": environment.sstVersion,
            "systemPlatform": self._platforms.nearest(environment.systemPlatform),
            "systemArchitecture": self._architectures.nearest(environment.systemArchitecture),
            "cpuCount": self._cpus.of(environment.cpuCount),
            "isCI": environment.isCI,
            "ciName": CI_SERVICES.get(environment.ciName or "", _OTHER) if environment.isCI else None,
            "command": envelope.events[0].properties.command,
        }


def weekly_id(key: bytes, permanent: str) -> str:
    """What stands for the machine that calls itself `permanent`, for as long as `key` is there to tell."""
    return hmac.digest(key, permanent.encode(), "sha256")[: RandomId.BYTES].hex()


def _choice(catalogue: Catalogue, key: str) -> Choice:
    kind = catalogue[key].kind
    assert isinstance(kind, Choice)
    return kind


_Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Number = f"[0-9]{{1,{Version.MAX_DIGITS}}}"
_Semver = Annotated[str, msgspec.Meta(pattern=rf"\A{_Number}\.{_Number}\.{_Number}\Z")]


class _Context(msgspec.Struct, forbid_unknown_fields=True):
    anonymousId: _Id
    projectId: str
    sessionId: _Id


class _Environment(msgspec.Struct, forbid_unknown_fields=True):
    systemPlatform: str
    systemRelease: str
    systemArchitecture: str
    cpuCount: Annotated[int, msgspec.Meta(ge=0, le=1 << 20)]
    cpuModel: str | None
    cpuSpeed: float | None
    memoryInMb: float
    isCI: bool
    ciName: str | None
    sstVersion: _Semver


class _Properties(msgspec.Struct, forbid_unknown_fields=True):
    command: str


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    properties: _Properties


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    context: _Context
    environment: _Environment
    events: tuple[_Event]
