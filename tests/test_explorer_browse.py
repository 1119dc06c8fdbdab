"""What explorer.browse makes in a real browser: mouse, keys and fingers, light and dark, and several on one page."""

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Visit, browser, chromium, drag

from aelib import explorer, plots
from aelib.series.page import harmless

COUNT, STEPS = 30, [0, 1, 2, 5, 10]
PICTURE = plots.curves({"a": ([1, 2], [3, 4])}, xlabel="x", ylabel="y", alt="A line")
PHONE = {"viewport": {"width": 390, "height": 700}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
FOCUS = "canvas:focus, input:focus"  # not the element around them, which has the focus, too
SHAPES = {"desktop": (1280, False), "phone": (390, False), "phone in the dark": (390, True), "dark": (1280, True)}


def shade(item, step=0):
    """Gray, from 0 to 1, of the images of an item at a step."""
    return (item + step / 8) / COUNT


def figure(**changes):
    """Return a figure whose images are uniform: "sum" changes with item and step, "patch" with the item."""
    items = np.ones((COUNT, 10, 10, 1)) * shade(np.arange(COUNT))[:, None, None, None]
    grays = shade(np.arange(COUNT)[:, None], np.arange(len(STEPS)))
    given = {
        "panels": {"patch": items, "sum": np.ones((COUNT, 5, 10, 30, 1)) * grays[:, :, None, None, None]},
        "steps": STEPS,
        "step_name": "active atoms",
        "captions": {"sum": [[f"error {item}.{step}" for step in range(5)] for item in range(COUNT)]},
        "names": [f"patch {item}" for item in range(COUNT)],
        "initial_step": 2,
    }
    return explorer.browse(items, picture=PICTURE, **{**given, **changes})


def plane():
    codes, labels = np.random.default_rng(0).random((60, 2)), np.arange(60) % 10
    images = np.zeros((60, 8, 8, 1))
    decode = lambda z: np.ones((len(z), 8, 8, 1)) * z[:, :1, None, None]  # noqa: E731
    return explorer.explore(decode, codes, images, labels, extent=(0, 1, 0, 1), points=11, picture=PICTURE)


def page_of(folder, *figures):
    """Write a page that is longer than a screen, with figures as a notebook stores them, and return its path."""
    parts = [made._repr_mimebundle_()[0]["text/html"] for made in figures]
    head = '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Figure</title>'
    style = "<style>:root { color-scheme: light dark } body { margin: 16px }</style>"
    space = '<p style="height: 900px">text</p>'
    path = folder / "page.html"
    path.write_text(f"{head}{style}<body><main>{space}{''.join(parts)}{space}</main></body></html>", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chrome():
    chromium()
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("figure"), figure())


@pytest.fixture
def page(chrome, path):
    with Visit(chrome, path) as visit:
        ready(visit.page)
        yield visit.page
        assert not visit.complaints


@pytest.fixture
def phone(chrome, path):
    context = chrome.new_context(**PHONE, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    ready(page)
    yield page
    context.close()


def ready(page):
    page.get_by_role("option").first.scroll_into_view_if_needed()


def option(page, item):
    return page.get_by_role("option", name=f"patch {item}", exact=True)


def assert_shown(page, item, step):
    """Check all that the page shows of an item at a step: images, name, caption and the slider's label."""
    views = {"patch": (shade(item), f"patch {item}"), "sum": (shade(item, step), f"patch {item}")}
    for title, (gray, name) in views.items():
        view = page.get_by_role("img", name=f"{title}: {name}, active atoms {STEPS[step]}", exact=True)
        pixels = view.evaluate(
            "(one) => Array.from(one.getContext('2d').getImageData(0, 0, one.width, one.height).data)"
        )
        assert np.ptp(pixels[::4]) == 0 and abs(pixels[0] / 255 - gray) <= 1 / 126, title
    assert page.locator(".name").inner_text() == f"patch {item}"
    assert page.locator("figcaption span:not(.space)").all_inner_texts() == [f"error {item}.{step}"]
    assert page.locator(".value").inner_text() == str(STEPS[step])
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == str(STEPS[step])


def chosen(page):
    found = page.locator("[role=option][aria-selected=true]")
    assert found.count() == 1 and page.locator("[role=option][tabindex='0']").count() == 1
    assert found.get_attribute("tabindex") == "0"
    return found.get_attribute("aria-label")


def said(page):
    return page.get_by_role("status").inner_text()


def test_the_mouse_previews_an_item_and_a_click_chooses_it(page):
    assert_shown(page, 0, 2)
    assert said(page) == ""
    option(page, 7).hover()
    assert_shown(page, 7, 2)
    assert chosen(page) == "patch 0" and said(page) == ""
    page.mouse.move(5, 5)
    assert_shown(page, 0, 2)
    option(page, 29).click()
    page.mouse.move(5, 5)
    assert_shown(page, 29, 2)
    assert chosen(page) == "patch 29"
    assert said(page) == "patch 29, active atoms 2. sum: error 29.2."


def test_the_slider_answers_to_the_mouse_and_to_its_keys(page):
    option(page, 3).click()
    slider = page.get_by_role("slider", name="active atoms", exact=True)
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 3, middle, steps=5)
    assert_shown(page, 3, 4)
    assert said(page) == "patch 3, active atoms 2. sum: error 3.2."  # not at every move
    page.mouse.up()
    assert said(page) == "patch 3, active atoms 10. sum: error 3.4."
    for key, step in (("Home", 0), ("ArrowRight", 1), ("ArrowUp", 2), ("ArrowLeft", 1), ("End", 4)):
        slider.press(key)
        assert_shown(page, 3, step)
        assert said(page) == f"patch 3, active atoms {STEPS[step]}. sum: error 3.{step}."


def test_arrow_keys_walk_over_the_thumbnails_and_stay_inside_them(page):
    page.set_viewport_size({"width": 390, "height": 900})
    tops = [one.bounding_box()["y"] for one in page.get_by_role("option").all()]
    row = tops.count(tops[0])
    assert 4 < row < COUNT / 3
    option(page, 0).focus()
    before = page.evaluate("scrollY")
    item = 0
    for key, move in (
        ("ArrowLeft", 0),
        ("ArrowUp", 0),
        ("ArrowRight", 1),
        ("ArrowDown", row),
        ("ArrowDown", row),
        ("ArrowUp", -row),
        ("ArrowLeft", -1),
        ("Enter", 0),
        (" ", 0),
    ):
        item += move
        page.keyboard.press(key)
        assert_shown(page, item, 2)
        assert chosen(page) == page.locator(FOCUS).get_attribute("aria-label") == f"patch {item}"
    assert said(page) == f"patch {item}, active atoms 2. sum: error {item}.2."
    for key, item in (("End", COUNT - 1), ("ArrowRight", COUNT - 1), ("ArrowDown", COUNT - 1), ("Home", 0)):
        page.keyboard.press(key)
        assert_shown(page, item, 2)
    assert page.evaluate("scrollY") == before


def test_the_tab_key_stops_at_the_chosen_thumbnail_and_at_the_slider(page):
    option(page, 5).click()
    page.keyboard.press("Tab")
    assert page.locator(FOCUS).get_attribute("type") == "range"
    page.keyboard.press("Shift+Tab")
    assert page.locator(FOCUS).get_attribute("aria-label") == "patch 5"
    page.keyboard.press("Shift+Tab")
    assert page.locator(FOCUS).count() == 0


def test_only_the_keys_that_a_control_uses_stay_from_the_page(page):
    page.evaluate("window.keys = []; addEventListener('keydown', (event) => keys.push(event.key))")
    used = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]
    for control, more in ((option(page, 0), ["Enter", " "]), (page.get_by_role("slider"), ["PageUp", "PageDown"])):
        control.focus()
        for key in [*used, *more]:
            page.keyboard.press(key)
        assert page.evaluate("keys") == []
        for key in ("a", "Escape", "Control+ArrowDown", "Shift+Enter"):
            page.keyboard.press(key)
        assert [key for key in page.evaluate("keys.splice(0)") if key not in ("Control", "Shift")] == [
            *("a", "Escape", "ArrowDown", "Enter")
        ]
        page.get_by_role("option").first.click()


def test_a_tap_chooses_and_a_finger_moves_the_slider(phone):
    option(phone, 12).tap()
    assert_shown(phone, 12, 2)
    assert chosen(phone) == "patch 12" and said(phone) == "patch 12, active atoms 2. sum: error 12.2."
    slider = phone.get_by_role("slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    drag(phone, *((x, middle) for x in np.linspace(box["x"] + box["width"] / 2, box["x"] + 3, 8)))
    assert_shown(phone, 12, 0)
    assert said(phone) == "patch 12, active atoms 0. sum: error 12.0."


def test_a_finger_that_swipes_over_the_thumbnails_scrolls_the_page_and_chooses_nothing(phone):
    phone.evaluate("document.querySelector('.aelib-explorer').scrollIntoView()")
    before = phone.evaluate("scrollY")
    box = option(phone, 25).bounding_box()
    x, y = box["x"] + 20, box["y"] + 20
    session = phone.context.new_cdp_session(phone)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    phone.wait_for_timeout(50)
    assert_shown(phone, 0, 2)
    session.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})
    drag(phone, *((x, y - distance) for distance in range(0, int(y) - 5, 15)))
    assert phone.evaluate("scrollY") > before + 50
    assert_shown(phone, 0, 2)
    assert chosen(phone) == "patch 0"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_figure_fits_its_page_in_the_colors_of_its_text_and_has_no_fault_that_axe_finds(chrome, path, shape):
    width, dark = SHAPES[shape]
    with Visit(chrome, path, width=width, dark=dark) as visit:
        page = visit.page
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert all(url.startswith(("file:", "data:")) for url in visit.requests) and not visit.complaints
        outline = option(page, 0).evaluate("(one) => getComputedStyle(one).outlineColor")
        assert outline == page.evaluate("getComputedStyle(document.body).color")
        assert (outline == "rgb(255, 255, 255)") is dark
        for view in [*page.get_by_role("img").all(), *page.get_by_role("option").all()]:
            box = view.bounding_box()
            assert min(box["width"], box["height"]) >= 24 and box["x"] + box["width"] <= width
            assert view.evaluate("(one) => getComputedStyle(one).imageRendering") == "pixelated"
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        assert not found.response["violations"], found.generate_report()


def test_a_wide_panel_shrinks_to_the_page_and_a_small_one_is_enlarged_by_a_whole_number(chrome, tmp_path):
    images = np.zeros((2, 28, 28, 1))
    panels = {"top-activating digits": np.zeros((2, 28, 12 * 28, 1)), "digit": images}
    path = page_of(tmp_path, explorer.browse(images, panels, picture=PICTURE))
    for width, wide in ((1280, 2 * 12 * 28), (390, 390 - 2 * 16)):
        with Visit(chrome, path, width=width) as visit:
            ready(visit.page)
            assert visit.page.get_by_role("slider").count() == 0
            boxes = [one.bounding_box() for one in visit.page.get_by_role("img").all()]
            assert [box["width"] for box in boxes] == [wide, 5 * 28]
            assert boxes[0]["width"] / boxes[0]["height"] == pytest.approx(12, rel=0.08)
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_map_and_two_browsers_on_one_page_are_each_started_once_and_answer_alone(chrome, tmp_path):
    with Visit(chrome, page_of(tmp_path, figure(), plane(), figure())) as visit:
        page = visit.page
        first, second, third = page.locator(".aelib-explorer").all()
        ready(page)
        page.evaluate(explorer.SCRIPT)  # as of a fourth output
        page.wait_for_timeout(200)
        counts = [[one.locator(which).count() for which in (".map", ".items", "img")] for one in (first, second, third)]
        assert counts == [[0, 1, 1], [1, 0, 1], [0, 1, 1]]
        option(third, 9).click()
        second.locator(".map").focus()
        page.keyboard.press("ArrowRight")
        assert [one.locator(".name").inner_text() for one in (first, third)] == ["patch 0", "patch 9"]
        assert second.get_by_text("decoded at (0.600, 0.500)").count() == 1
        assert [one.get_by_role("status").inner_text()[:8] for one in (first, second, third)] == [
            "",
            "At 0.600",
            "patch 9,",
        ]
        assert not visit.complaints


def test_a_report_shows_the_figure_and_without_a_script_its_picture(chrome, tmp_path):
    made = figure()
    for script in (True, False):
        html = harmless(made.html) + f"<script>{explorer.SCRIPT}</script>" * script
        path = tmp_path / "report.html"
        path.write_text(f"<!doctype html><title>Report</title>{html}", encoding="utf-8")
        with Visit(chrome, path) as visit:
            image = visit.page.get_by_role("img", name="A line", exact=True)
            if script:
                ready(visit.page)
                option(visit.page, 4).click()
                assert_shown(visit.page, 4, 2)
                assert not image.is_visible()
            else:
                image.wait_for()
                assert image.bounding_box()["width"] == PICTURE._repr_mimebundle_()[1]["image/png"]["width"]


def test_titles_names_steps_and_captions_are_text_and_no_markup(chrome, tmp_path):
    bad = "<b onclick='hacked=1'>\"&amp;</b></div><script>window.hacked = 1</script>"
    images = np.zeros((2, 8, 8, 1))
    made = explorer.browse(
        images,
        {bad: images},
        steps=[bad, "0"],
        step_name=bad,
        captions={bad: [bad, "x"]},
        names=[bad, "y"],
        picture=plots.curves({"a": ([1, 2], [3, 4])}, xlabel="x", ylabel="y", alt=bad),
    )
    with Visit(chrome, page_of(tmp_path, made)) as visit:
        ready(visit.page)
        for place in (".title", ".name", "label", ".value", "figcaption span:not(.space)"):
            assert visit.page.locator(place).inner_text() == re.sub(r"\s+", " ", bad), place
        assert visit.page.get_by_role("option").first.get_attribute("aria-label") == bad
        assert visit.page.locator("b").count() == 0 and visit.page.evaluate("window.hacked") is None
        assert not visit.complaints
