"""Make the zip that AWS Lambda runs: the same bytes for the same sources, so that a deploy of nothing new is seen."""

import zipfile
from pathlib import Path

ROOT = Path(__file__).parent
TARGET = ROOT / ".sst" / "build" / "orders.zip"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold


def main() -> None:
    """Compile every source, so that a broken one fails the build, and pack them."""
    sources = sorted((ROOT / "src").rglob("*.py"))
    for source in sources:
        compile(source.read_bytes(), str(source), "exec")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sources:
            entry = zipfile.ZipInfo(source.relative_to(ROOT / "src").as_posix(), EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, source.read_bytes())
            print(f"  packed {entry.filename}")
    print(f"built {TARGET.relative_to(ROOT)} ({TARGET.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
