"""The map of the latent plane on a phone: a finger moves the point, not the page, and the signs are named."""

import re

import numpy as np
import pytest
from browser import browser, chromium, drag

from aelib import explorer, plots

CODES, LABELS = np.random.default_rng(0).random((60, 2)), np.arange(60) % 10
PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def document(codes=CODES, labels=LABELS):
    """Return a page that is longer than a screen, with a map in its middle."""
    made = explorer.explore(
        lambda z: np.ones((len(z), 8, 8, 1)) * z[:, :1, None, None].clip(0, 1),
        codes,
        np.zeros((len(codes), 8, 8, 1)),
        labels,
        extent=(0, 1, 0, 1),
        points=11,
        picture=plots.code_map(codes[:, :2], labels, alt="Sixty codes"),
    )
    head = '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Map</title>'
    space = '<p style="height: 900px">text</p>'
    return f"{head}<body>{space}{made._repr_mimebundle_()[0]['text/html']}{space}</body></html>"


@pytest.fixture(scope="module")
def chrome():
    chromium()
    with browser() as running:
        yield running


@pytest.fixture
def phone(chrome, tmp_path):
    """A function that opens a page on a phone."""
    contexts = []

    def opened(html):
        (tmp_path / "page.html").write_text(html, encoding="utf-8")
        contexts.append(chrome.new_context(**PHONE, offline=True))
        page = contexts[-1].new_page()
        page.goto((tmp_path / "page.html").as_uri())
        page.locator("canvas.map").scroll_into_view_if_needed()
        return page

    yield opened
    for context in contexts:
        context.close()


def place(page, x, y):
    """Return the pixel of a point of the map, whose margin is 10 of 480 pixels."""
    box = page.locator("canvas.map").bounding_box()
    return box["x"] + (10 + 460 * x) / 480 * box["width"], box["y"] + (10 + 460 * (1 - y)) / 480 * box["height"]


def test_a_finger_moves_the_point_and_the_page_stays(phone):
    page = phone(document())
    before = page.evaluate("scrollY")
    drag(page, *(place(page, 0.5, y) for y in np.linspace(0.1, 0.7, 13)))
    assert page.evaluate("scrollY") == before
    assert page.get_by_text("decoded at (0.500, 0.700)").count() == 1
    distances = np.hypot(*(CODES - (0.5, 0.7)).T)
    said = page.get_by_role("status").inner_text()
    assert said.startswith(f"At 0.500, 0.700. The nearest test image: a {LABELS[distances.argmin()]}, ")

    drag(page, *(place(page, x, 0.7) for x in np.linspace(0.5, 1.3, 13)))  # and past the border
    assert page.get_by_text("decoded at (1.000, 0.700)").count() == 1


def test_a_finger_beside_the_map_scrolls_the_page(phone):
    page = phone(document())
    before = page.evaluate("scrollY")
    _, top = place(page, 0, 1)
    drag(page, *((180, top - 20 - distance) for distance in range(0, 200, 15)))
    assert page.evaluate("scrollY") > before + 50


def test_a_tap_chooses_a_point_and_a_second_finger_does_not(phone):
    page = phone(document())
    page.touchscreen.tap(*place(page, 0.2, 0.9))
    assert page.get_by_text("decoded at (0.200, 0.900)").count() == 1
    session = page.context.new_cdp_session(page)
    places = (place(page, 0.3, 0.3), place(page, 0.8, 0.8))
    fingers = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(places)]
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers[:1]})
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers})
    page.wait_for_timeout(100)
    assert page.get_by_text("decoded at (0.300, 0.300)").count() == 1


def test_the_legend_names_the_signs_and_the_help_names_every_way_to_move(phone):
    page = phone(document())
    legend = page.locator(".legend")
    assert re.fullmatch(r"\s*the chosen point, .* the nearest test code\. .* drawn as its class\.", legend.inner_text())
    path, circle = legend.locator("path"), legend.locator("circle")
    assert path.is_visible() and circle.is_visible()
    described = page.locator("canvas.map").get_attribute("aria-label")
    assert all(word in described for word in ("mouse", "finger", "arrow keys"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_legend_spells_out_classes_that_are_drawn_by_their_first_letters(phone):
    page = phone(document(labels=np.array(["bag", "trouser"] * 30)))
    assert page.locator(".legend").inner_text().endswith("as its class: ba bag, tr trouser.")


@pytest.mark.parametrize(("dimensions", "words"), [(3, "the third at its mean"), (64, "the other 62 at their means")])
def test_the_page_says_where_the_dimensions_are_that_the_map_leaves_out(phone, dimensions, words):
    codes = np.concatenate([CODES, np.random.default_rng(1).random((60, dimensions - 2))], axis=1)
    page = phone(document(codes))
    text = page.get_by_text(f"the first two of {dimensions} latent dimensions")
    assert words in text.inner_text() and "nearest one found, by the first two alone" in text.inner_text()
    assert words in page.locator("canvas.map").get_attribute("aria-label")
    assert phone(document()).get_by_text("latent dimensions").count() == 0
