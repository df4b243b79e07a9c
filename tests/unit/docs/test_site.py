"""The documentation becomes a site: what links to nothing, and a page that is not in the navigation, is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(  # noqa: S603 - our own configuration
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    places = {page.parent if page.name in ("index", "README") else page for page in pages}
    assert not [place for place in places if not (tmp_path / place / "index.html").exists()]
