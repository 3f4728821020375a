"""Builds the documentation site and checks it: no warning, no broken link, no heavy page.

    python -m pip install '.[docs]'
    python docs/build.py                 # to build/site; open build/site/index.html
    python docs/build.py --no-notebooks  # without running the notebooks: quick, while writing

Needs no network. A page weighs what a browser loads to show it: the page, its style sheets, scripts and images.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["HEAVIEST", "faults_of", "main", "page_weights"]

HERE = Path(__file__).resolve().parent
HEAVIEST = 1_000_000
"""Bytes of a page and all it shows."""


class _Page(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found and tag != "meta"}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("img", "script", "source") and "src" in found:
            self.loads.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(found["href"])


def faults_of(site: Path) -> list[str]:
    """What is wrong with a built site: links and images that lead nowhere, files from elsewhere, heavy pages."""
    pages = _read(site)
    faults = []
    for path, page in pages.items():
        name = path.relative_to(site)
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads and parts.scheme != "data":
                    faults.append(f"{name}: loads {link} from another host")
                continue
            target = _target(path, link)
            anchor = unquote(parts.fragment)
            if not target.is_file():
                faults.append(f"{name}: {link} leads to no file")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                faults.append(f"{name}: {link} leads to no anchor")
    for name, weight in page_weights(site).items():
        if weight > HEAVIEST:
            faults.append(f"{name}: weighs {weight:,} bytes, at most {HEAVIEST:,} are allowed")
    return faults


def page_weights(site: Path) -> dict[str, int]:
    """Bytes of every page with the files that it loads, the heaviest first."""
    weights = {}
    for path, page in _read(site).items():
        loaded = {_target(path, each) for each in page.loads if not urlsplit(each).scheme}
        if path.name == "search.html":
            loaded.add(site / "searchindex.js")
        weights[str(path.relative_to(site))] = sum(each.stat().st_size for each in {path, *loaded} if each.is_file())
    return dict(sorted(weights.items(), key=lambda each: -each[1]))


def main() -> None:
    """Build and check; ends with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "site", help="folder of the site")
    parser.add_argument("--no-notebooks", action="store_true", help="do not run the notebooks")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    words = ["-W", "--keep-going", "-q", "-j", "auto", "-b", "html", "-d", str(options.out.parent / "doctrees")]
    if options.no_notebooks:
        words += ["-D", "nb_execution_mode=off"]
    built = subprocess.run([sys.executable, "-m", "sphinx", *words, str(HERE), str(options.out)], check=False)
    if built.returncode:
        sys.exit(f"The site was not built without a warning (exit code {built.returncode}); see above.")
    faults = faults_of(options.out)
    print("\n".join(faults), file=sys.stderr)
    weights = page_weights(options.out)
    name, weight = next(iter(weights.items()))
    print(f"{len(weights)} pages in {options.out}; the heaviest, {name}, weighs {weight:,} bytes.")
    sys.exit(1 if faults else 0)


def _read(site: Path) -> dict[Path, _Page]:
    return {path.resolve(): _Page(path.read_text("utf-8")) for path in sorted(site.resolve().rglob("*.html"))}


def _target(page: Path, link: str) -> Path:
    """The file that a link of a page leads to."""
    path = unquote(urlsplit(link).path)
    found = (page.parent / path).resolve() if path else page
    return found / "index.html" if found.is_dir() else found


if __name__ == "__main__":
    main()
