"""aelib.explorer: the map holds what the decoder draws, in one output, and says what it cannot show."""

import base64
import html
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from aelib import explorer, plots

RANDOM = np.random.default_rng(0)
CODES, LABELS = RANDOM.normal(size=(30, 3)), np.arange(30) % 10
PICTURE = plots.code_map(CODES[:, :2], LABELS, alt="Thirty codes")


def images(channels=1):
    return np.random.default_rng(1).random((30, 6, 4, channels), dtype=np.float32)


def decode(codes):
    """Images that tell which code they are of: top half and bottom half in the shade of its coordinates."""
    shades = np.clip(codes, 0, 1)[:, :2]
    return np.repeat(shades, 3, axis=1)[:, :, None, None] * np.ones((1, 1, 4, 1))


def explore(**changes):
    given = {"decode": decode, "codes": CODES, "images": images(), "labels": LABELS, "picture": PICTURE, "points": 5}
    return explorer.explore(**{**given, **changes})


def parts(made):
    """(facts, sheet of decoded images, sheet of the known ones) of an explorer, as arrays from 0 to 1."""
    facts = json.loads(html.unescape(re.search('data-map="([^"]*)"', made.html)[1]))
    addresses = (re.search('src="([^"]*)"', made.html)[1], facts["images"])
    sheets = [Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) for address in addresses]
    return facts, *(np.asarray(sheet) / 255 for sheet in sheets)


def test_each_place_of_the_map_shows_what_is_decoded_there():
    facts, sheet, _ = parts(explore(extent=(0, 1, 0.2, 0.8)))
    assert facts["extent"] == [0, 1, 0.2, 0.8] and facts["size"] == [6, 4] and sheet.shape == (30, 20)
    for row, column in np.ndindex(5, 5):
        tile = sheet[6 * row : 6 * row + 6, 4 * column : 4 * column + 4]
        x, y = column / 4, 0.8 - 0.6 * row / 4
        np.testing.assert_allclose(tile[:3], x, atol=1 / 100)
        np.testing.assert_allclose(tile[3:], y, atol=1 / 100)


def test_dimensions_past_the_second_stay_at_their_mean():
    seen = []
    explore(decode=lambda codes: seen.append(codes) or decode(codes))
    np.testing.assert_allclose(seen[0][:, 2], CODES[:, 2].mean())
    assert seen[0].shape == (25, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_known_images_are_there_in_their_order(channels):
    known = images(channels)
    facts, _, sheet = parts(explore(images=known))
    assert facts["labels"] == LABELS.tolist() and facts["columns"] == 6
    np.testing.assert_allclose(np.reshape(facts["codes"], (30, 2)), CODES[:, :2], atol=1e-4)
    for index, image in enumerate(known):
        row, column = divmod(index, 6)
        tile = sheet[6 * row : 6 * row + 6, 4 * column : 4 * column + 4]
        np.testing.assert_allclose(tile.reshape(image.shape), image, atol=1 / 100)


def test_the_map_reaches_from_the_lowest_to_the_highest_code_and_shows_no_more_than_asked():
    facts, *_ = parts(explore(shown=7))
    low, high = CODES[:7, :2].min(axis=0), CODES[:7, :2].max(axis=0)
    np.testing.assert_allclose(facts["extent"], [low[0], high[0], low[1], high[1]])
    assert len(facts["labels"]) == 7


def test_one_output_holds_the_map_its_script_and_a_picture():
    made = explore()
    data, metadata = made._repr_mimebundle_()
    assert set(data) == {"text/html", "image/png", "text/plain"} and data["text/plain"] == "Thirty codes"
    assert metadata["image/png"]["alt"] == "Thirty codes"
    assert data["text/html"].count("<script>") == 1 and "http" not in data["text/html"]
    assert made.bytes == pytest.approx(len(data["text/html"]) + len(data["image/png"]) * 4 / 3, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codes": CODES[:, :1]}, r"codes must have shape \(n, 2 or more\); received \(30, 1\)"),
        ({"images": images()[:9]}, r"images must have shape \(30, height, width, 1 or 3\); received \(9, 6, 4, 1\)"),
        ({"images": images(2)}, r"received \(30, 6, 4, 2\)"),
        ({"labels": LABELS[:4]}, r"labels must have shape \(30,\), one for each code; received \(4,\)"),
        ({"points": 1}, "points must be a whole number from 2 to 101; received 1"),
        ({"points": 2.5}, "received 2.5"),
        ({"extent": (1, 0, 0, 1)}, r"extent must be \(left, right, bottom, top\).*received \(1, 0, 0, 1\)"),
        (
            {"decode": lambda codes: RANDOM.random((len(codes), 40, 40, 3)), "points": 30},
            "the map takes [0-9,]+ bytes, at most 1,500,000 are allowed",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        explore(**changes)
