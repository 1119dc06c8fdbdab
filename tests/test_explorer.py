"""aelib.explorer: a figure holds the images it was given, in one output, and refuses what it cannot show."""

import base64
import html
import io
import json
import re

import keras
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from aelib import explorer, plots

RANDOM = np.random.default_rng(0)
CODES, LABELS = RANDOM.normal(size=(30, 3)), np.arange(30) % 10
PICTURE = plots.code_map(CODES[:, :2], LABELS, alt="Thirty codes")


def images(channels=1):
    return np.random.default_rng(1).random((30, 6, 4, channels), dtype=np.float32)


def decode(codes):
    """Return images that identify their code: the top half is its first coordinate, the bottom half the second."""
    shades = np.clip(codes, 0, 1)[:, :2]
    return np.repeat(shades, 3, axis=1)[:, :, None, None] * np.ones((1, 1, 4, 1))


def explore(**changes):
    given = {"decode": decode, "codes": CODES, "images": images(), "labels": LABELS, "picture": PICTURE, "points": 5}
    return explorer.explore(**{**given, **changes})


def parts(explorer):
    """Return the data of an explorer, and its tiled decoded and given images as arrays from 0 to 1."""
    data = json.loads(html.unescape(re.search('data-map="([^"]*)"', explorer.html)[1]))
    addresses = (re.search('src="([^"]*)"', explorer.html)[1], data["images"])
    sheets = [Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) for address in addresses]
    return data, *(np.asarray(sheet) / 255 for sheet in sheets)


def test_the_map_shows_what_is_decoded_at_each_point():
    data, sheet, _ = parts(explore(extent=(0, 1, 0.2, 0.8)))
    assert data["extent"] == [0, 1, 0.2, 0.8] and data["size"] == [6, 4] and sheet.shape == (30, 20)
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
def test_the_map_holds_the_images_in_their_order(channels):
    given_images = images(channels)
    data, _, sheet = parts(explore(images=given_images))
    assert data["labels"] == LABELS.tolist() and data["columns"] == 6
    np.testing.assert_allclose(np.reshape(data["codes"], (30, 2)), CODES[:, :2], atol=1e-4)
    for index, image in enumerate(given_images):
        row, column = divmod(index, 6)
        tile = sheet[6 * row : 6 * row + 6, 4 * column : 4 * column + 4]
        np.testing.assert_allclose(tile.reshape(image.shape), image, atol=1 / 100)


def test_the_map_reaches_from_the_lowest_to_the_highest_code_and_shows_no_more_images_than_asked():
    data, *_ = parts(explore(max_images=7))
    low, high = CODES[:7, :2].min(axis=0), CODES[:7, :2].max(axis=0)
    np.testing.assert_allclose(data["extent"], [low[0], high[0], low[1], high[1]])
    assert len(data["labels"]) == 7


def test_one_output_holds_the_map_its_script_and_a_picture():
    result = explore()
    data, metadata = result._repr_mimebundle_()
    assert set(data) == {"text/html", "image/png", "text/plain"} and data["text/plain"] == "Thirty codes"
    assert metadata["image/png"]["alt"] == "Thirty codes"
    assert data["text/html"].count("<script>") == 1 and "http" not in data["text/html"]
    assert result.bytes == pytest.approx(len(data["text/html"]) + len(data["image/png"]) * 4 / 3, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codes": CODES[:, :1]}, r"codes must have shape \(n, 2 or more\); received \(30, 1\)"),
        ({"codes": np.full((30, 2), np.nan)}, "codes must be finite; received 60 values"),
        ({"images": images()[:9]}, r"images must have shape \(30, height, width, channels\); received \(9, 6, 4, 1\)"),
        ({"images": images(2)}, r"images must have 1 or 3 channels.*received shape \(30, 6, 4, 2\)"),
        ({"images": images()[0]}, r"images must have shape.*received \(6, 4, 1\)"),
        ({"images": 255 * images()}, r"images must lie in \[0, 1\]; received values from .*divide by 255"),
        ({"decode": lambda codes: 255 * decode(codes) + 20}, r"decode\(codes\) must lie in \[0, 1\]; received"),
        ({"labels": LABELS[:4]}, r"labels must have shape \(30,\), one for each code; received \(4,\)"),
        ({"points": 1}, "points must be an integer from 2 to 101; received 1"),
        ({"points": 2.5}, "points must be .* received 2.5"),
        ({"max_images": 0}, "max_images must be .* received 0"),
        ({"extent": (1, 0, 0, 1)}, r"extent must be \(left, right, bottom, top\).*received \(1, 0, 0, 1\)"),
        ({"extent": (0, 1)}, r"extent must be \(left, right, bottom, top\).*received \(0, 1\)"),
        ({"codes": np.zeros((30, 2))}, "extent must be .*, left < right, bottom < top; received .0.0, 0.0, 0.0, 0.0."),
        (
            {"decode": lambda codes: RANDOM.random((len(codes), 40, 40, 3)), "points": 30},
            "the map takes [0-9,]+ bytes, at most 1,500,000 are allowed",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        explore(**changes)


CLOTHES = ["T-shirt", "Trouser", "Bag"]


@pytest.mark.parametrize(
    ("labels", "names", "marks"),
    [
        ([CLOTHES[k % 3] for k in range(30)], ["Bag", "T-shirt", "Trouser"], ["Ba", "T-", "Tr"]),
        (np.arange(30) + 100, [str(k) for k in range(100, 130)], [str(k) for k in range(100, 130)]),
        (np.arange(30) % 2 * 5.0, ["0", "5"], ["0", "5"]),
    ],
)
def test_labels_of_any_kind_have_a_mark_and_a_color(labels, names, marks):
    data, *_ = parts(explore(labels=labels))
    assert (data["names"], data["marks"]) == (names, marks)
    assert [data["names"][index] for index in data["labels"]] == [
        f"{x:g}" if not isinstance(x, str) else x for x in labels
    ]
    assert len(data["colors"]) == len(names) and set(data["colors"]) <= set(plots.COLORS)
    assert len(set(data["colors"])) == min(10, len(names))


def test_the_map_uses_the_colors_of_the_code_map_and_no_other():
    data, *_ = parts(explore())
    drawn = [to_hex(group.get_facecolor()[0]).upper() for group in PICTURE.axes[0].collections]
    assert data["colors"] == drawn
    outlines = {"#767676", "#3584e4"}
    assert set(re.findall("#[0-9a-fA-F]{3,6}\\b", explorer.SCRIPT)) == outlines


@pytest.mark.backend
def test_tensors_that_require_a_gradient_are_shown():
    codes, pixels = (keras.Variable(values).value for values in (CODES, images()))
    weights = keras.Variable(np.ones((3, 24)) / 9).value

    def decode_tensor(z):
        return keras.ops.reshape(keras.ops.sigmoid(keras.ops.matmul(z, weights)), (-1, 6, 4, 1))

    expected = explore(images=images(), decode=lambda z: keras.ops.convert_to_numpy(decode_tensor(z)))
    found = explore(codes=codes, images=pixels, decode=decode_tensor)
    for one, other in zip(parts(found)[1:], parts(expected)[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1 / 60)


def test_the_former_name_of_max_images_warns():
    with pytest.warns(DeprecationWarning, match="max_images"):
        assert len(parts(explore(shown=7))[0]["labels"]) == 7


ITEMS, STEPS = 12, [0, 0.1, 0.25]


def panel(*shape):
    return np.random.default_rng(2).random((ITEMS, *shape), dtype=np.float32)


def browse(**changes):
    given = {
        "thumbnails": panel(5, 5, 1),
        "panels": {"wide": panel(3, 4, 40, 1), "fixed": panel(6, 4, 3)},
        "steps": STEPS,
        "step_name": "noise",
        "captions": {"wide": [[f"error {item}.{step}" for step in range(3)] for item in range(ITEMS)]},
        "picture": PICTURE,
    }
    if "panels" in changes:
        del given["captions"]  # which are those of "wide"
    return explorer.browse(**{**given, **changes})


def browser_data(explorer):
    return json.loads(html.unescape(re.search('data-browse="([^"]*)"', explorer.html)[1]))


def images_of(sheet, count):
    """Return the first images of a sheet, as explorer.js finds them."""
    whole = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["images"].split(",")[1])))) / 255
    height, width = sheet["size"]
    places = [divmod(index, sheet["columns"]) for index in range(count)]
    found = [whole[y * height : (y + 1) * height, x * width : (x + 1) * width] for y, x in places]
    return np.reshape(found, (count, height, width, -1))


def test_the_browser_holds_every_image_of_every_step():
    thumbnails, wide, fixed = panel(5, 5, 1), panel(3, 4, 40, 1), panel(6, 4, 3)
    data = browser_data(browse())
    shown = {one["title"]: one for one in data["panels"]}
    assert list(shown) == ["wide", "fixed"] and [one["steps"] for one in data["panels"]] == [3, 1]
    for sheet, expected in (
        (data["thumbnails"], thumbnails),
        (shown["wide"], wide.reshape(36, 4, 40, 1)),  # the steps of an item follow each other
        (shown["fixed"], fixed),
    ):
        np.testing.assert_allclose(images_of(sheet, len(expected)), expected, atol=1 / 100)
    height, width = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["wide"]["images"].split(",")[1])))).shape
    assert 1 / 4 < width / height < 4  # browsers refuse images that are very long


def test_the_browser_holds_labels_captions_and_names():
    data = browser_data(browse(initial_step=np.int64(2), names=np.arange(ITEMS)))
    assert data["steps"] == ["0", "0.1", "0.25"] and data["step_name"] == "noise" and data["step"] == 2
    assert data["names"] == [str(item) for item in range(ITEMS)]
    assert data["panels"][0]["captions"][7] == ["error 7.0", "error 7.1", "error 7.2"]
    captions = {"fixed": np.array([["a", "b", "c"]] * ITEMS), "wide": ["always"] * ITEMS}
    data = browser_data(browse(step_name="", captions=captions, steps=np.array(["x", "y", "z"])))
    assert data["steps"] == ["x", "y", "z"] and data["step_name"] == "step"
    assert [one["captions"][3] for one in data["panels"]] == [["always"], ["a", "b", "c"]]
    assert data["names"][:2] == ["item 1", "item 2"]


@pytest.mark.parametrize("shape", [(4, 40, 1), (1, 4, 40, 1)])
def test_a_browser_without_steps_has_one_image_of_each_item(shape):
    images, captions = panel(*shape), [f"class {item}" for item in range(ITEMS)]
    data = browser_data(browse(steps=None, panels={"wide": images}, captions={"wide": captions}))
    assert data["steps"] == [] and data["step"] == 0
    np.testing.assert_allclose(images_of(data["panels"][0], ITEMS), images.reshape(ITEMS, 4, 40, 1), atol=1 / 100)
    assert data["panels"][0]["captions"] == [[text] for text in captions]


def test_one_output_holds_the_browser_its_script_and_the_picture_twice():
    result = browse()
    data, _ = result._repr_mimebundle_()
    assert set(data) == {"text/html", "image/png", "text/plain"} and data["text/html"].count("<script>") == 1
    address = re.search('<img src="data:image/png;base64,([^"]*)" alt="Thirty codes" width="[0-9]+">', result.html)[1]
    assert base64.b64decode(address) == data["image/png"]  # for a page that shows the HTML without its script


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"thumbnails": panel(5, 5)}, r"thumbnails must have shape \(n, height, width, channels\); .* \(12, 5, 5\)"),
        ({"thumbnails": 255 * panel(5, 5, 1)}, r"thumbnails must lie in \[0, 1\]; received .*divide by 255"),
        ({"panels": {}}, "panels must be a dictionary whose keys are one title or more; received the keys .."),
        ({"panels": panel(4, 4, 1)}, "panels must be a dictionary .*; received ndarray"),
        ({"panels": {3: panel(4, 4, 1)}}, r"panels must be a dictionary .*; received the keys \[3\]"),
        ({"panels": {"a": panel(4, 4)}}, r"panels\['a'\] must have shape \(12, height, .* received \(12, 4, 4\)"),
        (
            {"panels": {"a": panel(4, 4, 4, 1)}},
            r"panels\['a'\] must have shape .* or \(12, 3, height, width, channels\).* received \(12, 4, 4, 4, 1\)",
        ),
        ({"panels": {"a": panel(4, 4, 1)[:9]}}, r"panels\['a'\] must have shape \(12,.* received \(9, 4, 4, 1\)"),
        ({"panels": {"a": panel(4, 4, 2)}}, r"panels\['a'\] must .* 1 or 3 channels; received \(12, 4, 4, 2\)"),
        ({"panels": {"a": 255 * panel(3, 4, 4, 1)}}, r"panels\['a'\] must lie in \[0, 1\]; received .*divide by 255"),
        (
            {"panels": {"a": np.full((12, 4, 4, 1), np.nan)}},
            r"panels\['a'\] must lie in \[0, 1\]; received values from nan",
        ),
        ({"steps": None}, r"panels\['wide'\] must have shape \(12, height, .*; received \(12, 3, 4, 40, 1\)"),
        ({"steps": [1, 2]}, r"panels\['wide'\] must .*\(12, 2, height, .*; received \(12, 3, 4, 40, 1\)"),
        ({"steps": [1]}, r"steps must be two labels or more; received \['1'\]"),
        ({"steps": 5}, r"steps must be numbers or texts of shape \(n,\); received shape \(\)"),
        ({"step_name": 7}, "step_name must be a text; received 7"),
        ({"captions": ["a"] * 12}, "captions must be a dictionary .*; received list"),
        ({"captions": {"wdie": ["a"] * 12}}, r"captions must have .*\['wide', 'fixed'\]; received \['wdie'\]"),
        ({"captions": {"wide": ["a"] * 5}}, r"captions\['wide'\] must be 12 lists of 3 texts.*; received 5 of them"),
        ({"captions": {"wide": "a" * 12}}, r"captions\['wide'\] must be 12 lists of 3 texts.*; received str"),
        ({"captions": {"wide": [["a"] * 3] * 11 + [["a"] * 2]}}, r"captions\['wide'\] .* received 2 texts for item 11"),
        ({"captions": {"wide": [[1, 2, 3]] * 12}}, r"captions\['wide'\] must be .* received \[1, 2, 3\] for item 0"),
        ({"names": ["a", "b"]}, r"names must be .* of shape \(12,\), one for each item; received shape \(2,\)"),
        ({"initial_step": 3}, "initial_step must be an integer from 0 to 2; received 3"),
        ({"initial_step": -1}, "initial_step must be an integer from 0 to 2; received -1"),
        ({"picture": "a.png"}, "picture must be a figure of aelib.plots; received str"),
        (
            {"panels": {"wide": np.random.default_rng(0).random((12, 3, 128, 128, 3))}},
            "the figure takes [0-9,]+ bytes, at most 1,500,000 are allowed; reduce the number of items",
        ),
    ],
)
def test_arguments_of_the_browser_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ValueError, match=words) as error:
        browse(**changes)
    assert "\n" not in str(error.value) and len(str(error.value)) < 250


@pytest.mark.backend
def test_the_browser_shows_tensors_that_require_a_gradient():
    expected = browser_data(browse(captions=None))
    tensors = {
        title: keras.Variable(values).value
        for title, values in (("wide", panel(3, 4, 40, 1)), ("fixed", panel(6, 4, 3)))
    }
    found = browser_data(browse(thumbnails=keras.Variable(panel(5, 5, 1)).value, panels=tensors))
    assert found == expected
