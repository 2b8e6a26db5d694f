import hashlib
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

import community
from collecting import StartCollector, a_run
from sst_core.testing import PROGRAM
from trees import tree


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("community") / "data"
    community.fill(folder, datetime(2026, 11, 25, 12, tzinfo=UTC), weeks=5)
    return folder


def run(*arguments: str | Path, exit_code: int = 0, **environ: str) -> tuple[str, str]:
    ended = subprocess.run(
        [PROGRAM, "collector", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"SST_TELEMETRY_DISABLED": "1"} | environ,
    )
    assert ended.returncode == exit_code, ended.stderr
    return ended.stdout, ended.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestExport:
    def test_the_same_snapshot_gives_the_same_bytes(self, data: Path, tmp_path: Path) -> None:
        for name, seed in (("one", "1"), ("two", "2")):
            out, _ = run("export", tmp_path / name, "--data", data, PYTHONHASHSEED=seed, TZ="Asia/Tokyo", LC_ALL="C")
            assert out == f"{tmp_path / name}/index.html\n"
        assert contents(tmp_path / "one") == contents(tmp_path / "two")
        assert (tmp_path / "one" / "stats.json").read_bytes() == (data / "snapshot.json").read_bytes()

    def test_the_manifest_has_the_digest_of_every_file(self, data: Path, tmp_path: Path) -> None:
        run("export", tmp_path, "--data", data)
        files = contents(tmp_path)
        manifest = json.loads(files.pop("manifest.json"))
        assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        assert {"index.html", "365-days.html", "catalogue.html", "stats.csv", "command.json"} <= files.keys()

    def test_it_is_what_a_running_collector_serves(self, start_collector: StartCollector, tmp_path: Path) -> None:
        collector = start_collector("--snapshot-every", "3600")
        collector.wait_until(lambda: collector.stats()["snapshot"] is not None)
        run("export", tmp_path / "site", "--data", collector.data)
        files = contents(tmp_path / "site")
        del files["manifest.json"]
        assert files == {name: collector.client.get(f"/{name}").content for name in files}
        assert collector.client.get("/").content == files["index.html"]

    def test_no_link_of_the_site_leads_nowhere(self, data: Path, tmp_path: Path) -> None:
        import re

        run("export", tmp_path, "--data", data)
        for page in tmp_path.glob("*.html"):
            for link in re.findall(r'(?:href|src)="([^"#]*)', page.read_text()):
                assert link == "" or (tmp_path / link).is_file(), (page.name, link)

    def test_an_export_replaces_the_one_before(self, data: Path, tmp_path: Path) -> None:
        run("export", tmp_path, "--data", data)
        before = contents(tmp_path)
        manifest = json.loads(before["manifest.json"])
        manifest["files"]["of-an-older-version.html"] = ""
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        (tmp_path / "of-an-older-version.html").touch()
        (tmp_path / "index.html").unlink()
        run("export", tmp_path, "--data", data)
        assert contents(tmp_path) == before

    @pytest.mark.parametrize("stranger", ["notes.txt", "index.html", "manifest.json"])
    def test_a_folder_with_something_else_in_it_is_left_alone(self, stranger: str, data: Path, tmp_path: Path) -> None:
        (tmp_path / stranger).write_text("{}")
        _, said = run("export", tmp_path, "--data", data, exit_code=2)
        assert f"{tmp_path} holds something else ({stranger}). Name an empty one." in said
        assert contents(tmp_path) == {stranger: b"{}"}

    @pytest.mark.parametrize("name", ["", "journal", "site"])
    def test_no_site_is_written_into_the_collectors_own_folder(self, name: str, data: Path, tmp_path: Path) -> None:
        before = tree(data)
        (tmp_path / "link").symlink_to(data)
        _, said = run("export", tmp_path / "link" / name, "--data", data, exit_code=2)
        assert "is in the collector's own folder; name another" in " ".join(said.split())
        assert tree(data) == before

    def test_a_folder_that_is_a_link_to_itself_is_an_error_in_words(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "link")
        _, said = run("export", tmp_path / "link", "--data", data, exit_code=1)
        assert f"The site can't be written to {tmp_path}/link: " in said

    def test_a_folder_that_can_not_be_made_is_an_error_in_words(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        _, said = run("export", tmp_path / "file" / "site", "--data", data, exit_code=1)
        assert said.startswith("sst: error: The site can't be written to")


@pytest.mark.parametrize("command", ["export", "stats"])
def test_the_help_has_an_example(command: str) -> None:
    assert f"Example: sst collector {command} " in run(command, "--help")[0]


class TestStats:
    def test_it_prints_what_is_published_of_a_window(self, data: Path) -> None:
        stats = json.loads((data / "snapshot.json").read_bytes())
        for window in ("30", "365"):
            out, _ = run("stats", "--data", data, "--window", window)
            build = next(total for total in stats["windows"][window]["command"] if total["value"] == "build")
            (line,) = [line for line in out.splitlines() if line.split()[:1] == ["build"]]
            assert line.split() == ["build", f"{build['runs']:,}", f"{build['machines']:,}"]
        assert f"{stats['withheld']} cells" in out

    @pytest.mark.parametrize(
        ("min_machines", "when"),
        [
            (
                10,
                "Numbers come out a week at a time, when the week is over. This one, 2026-W48, is over on 30 November "
                "2026 at 00:00 UTC; what at least 10 machines did in it shows here soon after.",
            ),
            (1, "What is sent shows here with the next snapshot."),
        ],
    )
    def test_where_nothing_is_published_it_says_when_numbers_come(
        self, tmp_path: Path, min_machines: int, when: str
    ) -> None:
        community.fill(tmp_path / "data", datetime(2026, 11, 25, 12, tzinfo=UTC), weeks=0, min_machines=min_machines)
        assert run("stats", "--data", tmp_path / "data")[0] == (
            f"Nothing is published yet.\n{when}\nCells withheld: 0. Lines rejected: 0.\n"
        )

    def test_a_window_without_a_week_says_so(self, data: Path, tmp_path: Path) -> None:
        later = json.loads((data / "snapshot.json").read_bytes()) | {"snapshot": "2027-03-01T00:00:00+00:00"}
        (tmp_path / "snapshot.json").write_text(json.dumps(later))
        assert run("stats", "--data", tmp_path)[0].startswith("Nothing of the last 30 days is published.\nNumbers come")
        assert " runs " in run("stats", "--data", tmp_path, "--window", "365")[0]

    def test_json_is_stats_json(self, data: Path) -> None:
        assert run("stats", "--data", data, "--json")[0].encode() == (data / "snapshot.json").read_bytes() + b"\n"

    def test_the_server_may_run(self, start_collector: StartCollector) -> None:
        collector = start_collector()
        collector.post(a_run())
        collector.wait_until(lambda: collector.runs() == {"build": 1})
        assert (
            json.loads(run("stats", "--data", collector.data, "--json")[0])["windows"] == collector.stats()["windows"]
        )

    def test_a_folder_without_a_snapshot_is_an_error_in_words(self, tmp_path: Path) -> None:
        _, said = run("stats", "--data", tmp_path, exit_code=1)
        assert said.startswith(f"sst: error: Nothing was published in {tmp_path} yet.")

    def test_of_another_program_the_command_that_is_advised_is_ours(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text(
            "import typer, sst_core\nrun = sst_core.adopt(typer.Typer(), 'shop', version='1', target='shop:run')\n"
        )
        _, said = run("stats", "--data", tmp_path, "--product", "shop:run", exit_code=1, PYTHONPATH=str(tmp_path))
        assert said.endswith(f": sst collector serve --data {tmp_path} --product shop:run\n")

    @pytest.mark.parametrize("content", ["{}", '{"snapshot":null,"windows":{},"withheld":0,"rejected":0}'])
    def test_a_file_that_is_no_snapshot_is_an_error_in_words(self, content: str, tmp_path: Path) -> None:
        (tmp_path / "snapshot.json").write_text(content)
        for command in (("export", tmp_path / "site"), ("stats",)):
            _, said = run(*command, "--data", tmp_path, exit_code=1)
            assert "is not a snapshot of this version" in said
        assert not (tmp_path / "site").exists()
