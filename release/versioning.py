"""Holds the version to what has changed in the public API since the last release.

    python release/versioning.py [--tag v1.2.3]

`tests/sst_core/public_api.txt` is the public API (what is exported, hooks, entry-point groups, commands and their
options), and a tag `vN.N.N` a release. A name that is gone is breaking: the next version is a major one (before 1.0, a
minor one). A name that is new, or says something else, is a minor one at least; whether what it says now breaks anybody
is for a person to see, so it is printed. With `--tag`, this is the release, and its changes have to be in
`CHANGELOG.md`.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

API = "tests/sst_core/public_api.txt"
Version = tuple[int, int, int]
_NAME = re.compile(r"(?:@\S+ )*(?:async )?(?:def |class )?(\w+)")


@dataclass(frozen=True, slots=True)
class Difference:
    """Between the public API of the last release and ours."""

    gone: tuple[str, ...]
    different: tuple[str, ...]
    new: tuple[str, ...]

    def least(self, last: Version) -> Version:
        """The least version that may follow `last`."""
        major, minor, patch = last
        if self.gone and major:
            return (major + 1, 0, 0)
        if self.gone or self.different or self.new:
            return (major, minor + 1, 0)
        return (major, minor, patch + 1)

    def __str__(self) -> str:
        told = {"gone": self.gone, "different": self.different, "new": self.new}
        return "\n".join(f"  {what}: {name}" for what, names in told.items() for name in names)


def compared(before: str, now: str) -> Difference:
    """What became of one pinned public API in another."""
    old, current = _by_name(before), _by_name(now)
    return Difference(
        gone=tuple(sorted(old.keys() - current.keys())),
        different=tuple(sorted(name for name in old.keys() & current.keys() if old[name] != current[name])),
        new=tuple(sorted(current.keys() - old.keys())),
    )


def _by_name(api: str) -> dict[str, list[str]]:
    """What each name says; those of a class by `Class.name`."""
    found: dict[str, list[str]] = {}
    outer = ""
    for line in filter(str.strip, api.splitlines()):
        named = _NAME.match(line.strip())
        name = named[1] if named else line.strip()
        if line[0] != " ":
            outer = name
        else:
            name = f"{outer}.{name}"
        found.setdefault(name, []).append(line.strip())  # a property and its setter have one name
    return found


def parsed(version: str) -> Version:
    """`1.2.3`, or `v1.2.3`. Raises ValueError."""
    matched = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if not matched:
        raise ValueError(f"{version} is no version shaped n.n.n")
    return (int(matched[1]), int(matched[2]), int(matched[3]))


def complaint(repository: Path, tag: str | None) -> str | None:
    """What is wrong with the version, or None. Prints what it is compared with."""
    source = (repository / "sst_core" / "__init__.py").read_text()
    (now,) = re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)
    if tag is not None and tag != f"v{now}":
        return f"The tag {tag} is not the version {now}: tag v{now}, or raise __version__ in sst_core/__init__.py."
    if tag is not None and (untold := _untold(repository, now)):
        return f"{untold}: run towncrier build --version {now}, commit, and tag that commit."
    last = _last_release(repository, but=f"v{now}" if tag else None)
    if last is None:
        print(f"{now}: there is no release to compare it with.")
        return None
    difference = compared(_git(repository, "show", f"{last}:{API}"), (repository / API).read_text())
    print(f"{now}, after {last}. The public API: {'as it was' if not str(difference) else ''}\n{difference}".rstrip())
    least = difference.least(parsed(last))
    if parsed(now) >= least or (tag is None and not str(difference) and parsed(now) == parsed(last)):
        return None
    return f"{now} has to be {'.'.join(map(str, least))} at least: raise __version__ in sst_core/__init__.py."


def _untold(repository: Path, version: str) -> str | None:
    """What keeps the changelog from being that of the release, or None."""
    if fragments := sorted(path.name for path in (repository / "changes").glob("*.*.md")):
        return f"{len(fragments)} changes are not in CHANGELOG.md, {fragments[0]} for one"
    headings = re.findall(r"^## (\S+)", (repository / "CHANGELOG.md").read_text(), re.MULTILINE)
    return None if headings[:1] == [version] else f"CHANGELOG.md does not begin with {version}"


def _last_release(repository: Path, but: str | None) -> str | None:
    merged = _git(repository, "tag", "--merged", "HEAD", "--list", "v*").split()
    releases = [tag for tag in merged if re.fullmatch(r"v\d+\.\d+\.\d+", tag) and tag != but]
    return max(releases, key=parsed, default=None)


def _git(repository: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=repository, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Exit with 1 and a sentence when the version is too low."""
    parser = argparse.ArgumentParser(description="Hold the version to what has changed in the public API.")
    parser.add_argument("--tag", help="the tag of the release that is being made")
    sys.exit(complaint(Path(__file__).parents[1], parser.parse_args().tag))


if __name__ == "__main__":
    main()
