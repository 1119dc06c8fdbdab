"""The pages of a run, opened from disk in a real browser that has no network."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Visit, browser, chromium
from nbformat.v4 import new_code_cell, new_markdown_cell
from throwaway import check, make_series, run

TEXT = """# A title

## First, $\\hat{x} \\in \\mathbb{R}^n$

Some text with `code`, a [link](https://example.org) and $z = f_\\theta(x)$.

$$\\mathcal{L}(x_1, \\dots, x_N) =
 \\frac{1}{N}\\sum_{i=1}^{N} \\lVert x_i - \\hat{x}_i \\rVert^2 + \\lambda \\sum_j |z_j| + \\int_0^1 \\sqrt{t}$$

| a column | another one | a third one with many words | and a fourth one |
|---|---|---|---|
| 1 | 2 | 3 | 4 |

## First, $\\hat{x} \\in \\mathbb{R}^n$

### Below it
"""
# What a notebook's outputs may bring along: each would load or run something if the page let it.
HOSTILE = """
from IPython.display import HTML, SVG, Javascript, Latex, Markdown, display
out = "http://outside.invalid/x"
brought = f'''
<script>window.hacked = 1</script><script src="{out}.js"></script><link rel=stylesheet href="{out}.css">
<img src="{out}.png" onerror="window.hacked = 1"><iframe src="{out}"></iframe><b onclick="hacked=1">bold</b>
<style>@import url({out}); body {{ display: none }}</style><p style="background: url({out})">styled</p>
<div class="aelib-explorer" data-map="no map">broken</div><form action="{out}"><input></form>
<table><tr><th scope="col">head</th></tr><tr><td>cell</td></tr></table>
'''
space = "http://www.w3.org/2000/svg"
drawn = f'<svg xmlns="{space}" width="9" height="9"><script>hacked = 1</script><image href="{out}"/></svg>'
display(HTML(brought), SVG(drawn), Javascript("window.hacked = 1"), Latex("$\\\\frac{1}{2}$"))
display(Markdown("<script>hacked = 1</script>"), Markdown(f"![a]({out}) *it*"))
"""
MAP = """
import numpy as np
from aelib import explorer, plots
random = np.random.default_rng(0)
codes, labels = random.random((60, 2)), np.arange(60) % 10
images = np.ones((60, 8, 8, 1)) * labels[:, None, None, None] / 10
def decode(z):
    return np.ones((len(z), 8, 8, 1)) * z[:, :1, None, None]
picture = plots.code_map(codes, labels, alt="Sixty codes in the unit square")
explorer.explore(decode, codes, images, labels, extent=(0, 1, 0, 1), points=11, picture=picture)
"""
SHAPES = {"desktop": (1280, False), "phone": (360, False), "phone in the dark": (360, True), "dark": (1280, True)}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    chromium()
    folder = tmp_path_factory.mktemp("pages")
    picture = new_code_cell(
        "from aelib import plots\nplots.curves({'a': ([1, 2], [3, 4])}, xlabel='x', ylabel='y', alt='A line')"
    )
    cells = [new_markdown_cell(TEXT), picture, MAP, "print('line ' * 60)", "1 + 1", check()]
    series = make_series(folder / "series", {"reads": cells, "hostile": [HOSTILE, check("0.7")], "raises": ["1 / 0"]})
    for _ in range(2):
        assert run(series, folder / "out", "--jobs", 2).code == 3
    return folder / "out"


@pytest.fixture(scope="module")
def chrome(out):
    with browser() as running:
        yield running


PAGES = ("index", "reads", "hostile", "raises")
each_page = pytest.mark.parametrize("name", PAGES)
each_shape = pytest.mark.parametrize("shape", SHAPES)


@each_shape
@each_page
def test_a_page_opens_without_a_complaint_and_does_not_scroll_sideways(chrome, out, name, shape):
    width, dark = SHAPES[shape]
    with Visit(chrome, out / f"{name}.html", width=width, dark=dark) as visit:
        visit.page.wait_for_timeout(200)
        assert not visit.complaints
        assert all(url.startswith(("file://", "data:")) for url in visit.requests)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


@each_shape
@each_page
def test_a_page_has_no_fault_that_axe_finds(chrome, out, name, shape):
    width, dark = SHAPES[shape]
    with Visit(chrome, out / f"{name}.html", width=width, dark=dark) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = Axe().run(visit.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        assert not found.response["violations"], found.generate_report()


def test_equations_have_a_size_and_no_tex_is_left(chrome, out):
    with Visit(chrome, out / "reads.html") as visit:
        boxes = [each.bounding_box() for each in visit.page.locator("main math").all()]
        assert len(boxes) == 4 and all(box["width"] > 5 and box["height"] > 5 for box in boxes)
        assert "\\" not in visit.page.locator("main > .text").inner_text()


def test_the_contents_lead_to_every_heading(chrome, out):
    with Visit(chrome, out / "reads.html") as visit:
        links = visit.page.locator(".contents a")
        assert links.count() == 3
        targets = [link.get_attribute("href") for link in links.all()]
        assert len(set(targets)) == 3
        for target in targets:
            assert visit.page.locator(target).count() == 1
        links.last.click()
        assert visit.page.url.endswith("#section-below-it")


def test_code_can_be_folded_by_mouse_and_keyboard_and_hidden_at_once(chrome, out):
    with Visit(chrome, out / "reads.html") as visit:
        source, code = visit.page.locator(".source").first, visit.page.locator(".source pre").first
        assert code.is_visible()
        source.locator("summary").click()
        assert not code.is_visible()
        source.locator("summary").press("Enter")
        assert code.is_visible()
        visit.page.get_by_label("Hide code").check()
        assert not any(one.is_visible() for one in visit.page.locator(".source").all())
        assert visit.page.locator(".output img").first.is_visible()


def brightness(page):
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


@pytest.mark.parametrize("dark", [False, True])
def test_colours_follow_the_system_until_one_is_chosen(chrome, out, dark):
    with Visit(chrome, out / "reads.html", dark=dark) as visit:
        assert (brightness(visit.page) < 100) is dark
        for name, expected in (("dark", True), ("light", False), ("automatic", dark)):
            visit.page.get_by_label(name, exact=True).check()
            assert (brightness(visit.page) < 100) is expected, name
        visit.page.emulate_media(media="print", color_scheme="light")
        assert not visit.page.locator(".toolbar").is_visible() and brightness(visit.page) > 200


def test_the_first_tab_leads_past_the_toolbar(chrome, out):
    with Visit(chrome, out / "reads.html") as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.locator(":focus").inner_text() == "Skip to the text"
        visit.page.keyboard.press("Enter")
        assert visit.page.locator("main:focus").count() == 1


def test_nothing_that_an_output_brought_along_runs_or_loads(chrome, out):
    html = (out / "hostile.html").read_text(encoding="utf-8")
    assert "outside.invalid" not in re.sub(r"<details class=\"source\".*?</details>", "", html, flags=re.S)
    with Visit(chrome, out / "hostile.html") as visit:
        assert visit.page.evaluate("window.hacked") is None
        assert (
            visit.page.locator("main").is_visible()
            and visit.page.locator("iframe, form, link[rel=stylesheet]").count() == 0
        )
        assert visit.page.locator("table th").first.inner_text() == "head"
        assert (
            visit.page.locator(".output math").count() == 1
            and visit.page.locator(".output em").last.inner_text() == "it"
        )


def test_the_index_leads_to_the_pages_and_shows_drift(chrome, out):
    with Visit(chrome, out / "index.html") as visit:
        assert visit.page.locator("h1").inner_text() == "1 of 3 targets reached"
        assert visit.page.locator(".card").count() == 3
        charts = visit.page.locator("svg[role=img]")
        said = [chart.get_attribute("aria-label") for chart in charts.all()]
        assert "error = 0.5 reached its target <= 0.6 by 0.1, baseline 0.9" in said
        assert any(re.match("error in the last 2 runs like this one: from 0.5 to 0.5", one) for one in said)
        assert visit.page.get_by_text("1 earlier run in this folder").count() == 3
        visit.page.locator("a", has_text="Read the notebook").first.click()
        assert visit.page.url.endswith("reads.html")


def shade(page, name):
    """Mean gray of a canvas of the map, from 0 to 1."""
    pixels = page.locator(f"canvas.{name}").evaluate(
        "(one) => Array.from(one.getContext('2d').getImageData(0, 0, one.width, one.height).data)"
    )
    return np.reshape(pixels, (-1, 4))[:, :3].mean() / 255


@pytest.mark.parametrize("width", [1280, 360])
def test_the_map_answers_to_the_mouse(chrome, out, width):
    codes, labels = np.random.default_rng(0).random((60, 2)), np.arange(60) % 10
    with Visit(chrome, out / "reads.html", width=width) as visit:
        plane = visit.page.locator("canvas.map")
        plane.scroll_into_view_if_needed()
        box = plane.bounding_box()
        for x, y in itertools.product((0.0, 0.3, 1.0), (0.1, 0.8)):
            # The map has a margin of 10 of its 480 pixels.
            across, down = (10 + 460 * x) / 480, (10 + 460 * (1 - y)) / 480
            visit.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            distances = np.hypot(*(codes - (x, y)).T)
            nearest = labels[distances.argmin()]
            assert visit.page.get_by_text(f"decoded at ({x:.3f}, {y:.3f})").count() == 1
            assert visit.page.get_by_text(f"nearest test image: a {nearest}, {distances.min():.3f} away").count() >= 1
            assert abs(shade(visit.page, "decoded") - x) < 0.01
            assert abs(shade(visit.page, "nearest") - nearest / 10) < 0.01
        assert not visit.complaints


def test_the_map_answers_to_the_keyboard_and_says_where_it_is(chrome, out):
    with Visit(chrome, out / "reads.html") as visit:
        plane = visit.page.locator("canvas.map")
        plane.focus()
        before = visit.page.evaluate("scrollY")
        for key, place in (
            ("ArrowRight", (0.6, 0.5)),
            ("ArrowUp", (0.6, 0.6)),
            ("Shift+ArrowLeft", (0.1, 0.6)),
            ("Shift+ArrowLeft", (0, 0.6)),
            ("ArrowDown", (0, 0.5)),
        ):
            plane.press(key)
            assert visit.page.get_by_text(f"decoded at ({place[0]:.3f}, {place[1]:.3f})").count() == 1
            said = visit.page.get_by_role("status").filter(has_text="nearest").inner_text()
            assert said.startswith(f"At {place[0]:.3f}, {place[1]:.3f}. The nearest test image: a ")
        assert visit.page.evaluate("scrollY") == before


def test_what_broke_is_said_in_its_cell(chrome, out):
    with Visit(chrome, out / "raises.html") as visit:
        assert visit.page.locator(".verdict").inner_text().startswith("failed: cell 1 raised ZeroDivisionError")
        assert visit.page.locator(".source strong").all_inner_texts() == ["failed"]


def test_this_file_knows_every_page(out):
    assert {path.stem for path in Path(out).glob("*.html")} == set(PAGES)
