"""Pictures of the main pages: ``make screenshots`` writes them into docs/screenshots.

They show the airports of the demo, as Debian's Chromium draws them.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from examples.airports import loading, make_app
from tests import servers
from tests.conftest import BROWSER_ARGUMENTS

OUT = Path(__file__).parent.parent / "docs" / "screenshots"

DESK = {"width": 1120, "height": 680}
PHONE = {"width": 390, "height": 680}

FILTERED = "/airports/?country=NZ&elevation__gte=500&sort=-elevation&limit=10"
CSV = """\
icao,iata,name,country,latitude,longitude
XX01,,New Field,NZ,-44.1,170.2
XX02,,,NZ,north,170.3
"""


def take(page: Any, url: str) -> Iterator[str]:
    """Go from page to page, and give a name wherever a picture is wanted."""
    page.goto(f"{url}/")
    yield "home"
    page.goto(url + FILTERED)
    yield "list"
    page.get_by_text("Filters", exact=True).click()
    yield "filters"
    page.goto(f"{url}/countries/NZ")
    yield "item"
    yield from take_forms(page, url)
    yield from take_many(page, url)


def take_forms(page: Any, url: str) -> Iterator[str]:
    page.goto(f"{url}/airports/;new_form")
    page.get_by_label("ICAO").fill("NZAA")
    page.get_by_label("Name").fill("Another Auckland")
    page.get_by_label("Country").fill("Nowhere")
    page.get_by_label("Latitude").fill("-37")
    page.get_by_label("Longitude").fill("174.8")
    page.get_by_role("button", name="Save").click()
    page.wait_for_load_state()
    yield "form"
    page.goto(f"{url}/airports/NZQN;edit_form")
    page.get_by_label("City").fill("Frankton")
    page.get_by_label("Elevation").fill("1171")
    change = {"city": "Queenstown Lakes", "elevation": 1170.5}
    page.request.patch(f"{url}/airports/NZQN", data=change)
    page.get_by_role("button", name="Save").click()
    page.wait_for_load_state()
    page.get_by_label("City").scroll_into_view_if_needed()
    yield "conflict"


def take_many(page: Any, url: str) -> Iterator[str]:
    page.goto(url + FILTERED)
    for row in range(2, 5):
        page.get_by_role("checkbox").nth(row).check()
    page.get_by_text("With the ticked rows").click()
    yield "ticked"
    page.get_by_role("button", name="Delete").click()
    page.wait_for_load_state()
    yield "selection"
    page.goto(f"{url}/airports/;import_form")
    file = {"name": "airports.csv", "mimeType": "text/csv", "buffer": CSV.encode()}
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Preview").click()
    page.wait_for_load_state()
    yield "import"


def take_more(page: Any, url: str) -> Iterator[str]:
    """The same on a phone, by night."""
    page.goto(f"{url}/airports/?country=NZ&q=international")
    yield "phone"
    page.goto(f"{url}/airports/NZQN;edit_form")
    yield "phone-form"


def take_german(page: Any, url: str) -> Iterator[str]:
    page.goto(url + FILTERED)
    yield "german"


TOURS: tuple[tuple[Callable[[Any, str], Iterator[str]], dict[str, Any]], ...] = (
    (take, {"viewport": DESK, "locale": "en-GB"}),
    (take_more, {"viewport": PHONE, "color_scheme": "dark", "locale": "en-GB"}),
    (take_german, {"viewport": DESK, "color_scheme": "dark", "locale": "de-DE"}),
)


@contextmanager
def demo() -> Iterator[str]:
    """Serve a fresh copy of the demo."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "airports.db"
        loading.load(path, lambda *_: None)
        engine = loading.connect(path)
        with servers.http(make_app(engine)) as url:
            yield url
        engine.dispose()


def main(out: Path = OUT) -> int:
    """Take all pictures."""
    from playwright.sync_api import sync_playwright  # slow to import, and only needed here

    executable = shutil.which("chromium")
    if executable is None:
        print("screenshots: apt-get install chromium libatomic1", file=sys.stderr)
        return 2
    out.mkdir(parents=True, exist_ok=True)
    with demo() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGUMENTS)
        for tour, options in TOURS:
            page = browser.new_context(reduced_motion="reduce", **options).new_page()
            for name in tour(page, url):
                page.screenshot(path=out / f"{name}.png", animations="disabled")
                print(out / f"{name}.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
