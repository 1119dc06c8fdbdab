"""Interactive figures in a real JupyterLab: a stored output answers without a kernel, once it is trusted."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import numpy as np
import psutil
import pytest
from browser import browser, chromium
from nbformat.v4 import new_code_cell, new_notebook, new_output

from aelib import explorer, plots


def stored(name, made):
    """Return a cell that shows a figure, as Jupyter stores it."""
    data, metadata = made._repr_mimebundle_()
    data = {"text/html": data["text/html"], "text/plain": data["text/plain"]}
    output = new_output("execute_result", data=data, metadata=metadata, execution_count=1)
    return new_code_cell(name, outputs=[output], execution_count=1)


def stored_figures():
    """Return a notebook whose cells show a map of the latent plane and thumbnails to choose from."""
    codes, labels = np.random.default_rng(0).random((20, 2)), np.arange(20) % 10
    plane = explorer.explore(
        lambda z: np.ones((len(z), 8, 8, 1)) * z[:, :1, None, None],
        codes,
        np.zeros((20, 8, 8, 1)),
        labels,
        extent=(0, 1, 0, 1),
        points=11,
        picture=plots.code_map(codes, labels, alt="Twenty codes"),
    )
    images = np.random.default_rng(0).random((20, 8, 8, 1))
    thumbnails = explorer.browse(
        images,
        {"image": images},
        steps=[0, 1, 2],
        step_name="noise",
        picture=plots.curves({"a": ([1, 2], [3, 4])}, xlabel="x", ylabel="y", alt="A line"),
    )
    cells = [stored("the_map", plane), stored("the_thumbnails", thumbnails), new_code_cell("last")]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab in a folder with one trusted and one untrusted notebook."""
    chromium()
    for name in ("trusted", "strange"):
        nbformat.write(stored_figures(), tmp_path / f"{name}.ipynb")
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    environment = {**os.environ, **own, "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces")}
    trust = [sys.executable, "-m", "jupyter", "trust", "trusted.ipynb"]
    subprocess.run(trust, cwd=tmp_path, env=environment, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--IdentityProvider.token=",
        "--ServerApp.port_retries=0",
    ]
    command = [sys.executable, "-m", "jupyter", "lab", *options, "--LabApp.extension_manager=readonly"]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/api", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < end and server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        # Its kernels, too, and at once: asked politely it waits for each of them.
        for process in [*psutil.Process(server.pid).children(recursive=True), server]:
            process.kill()
        server.wait(30)


def opened(running, address, name):
    context = running.new_context(viewport={"width": 1280, "height": 900})
    context.route(re.compile(rf"^(?!{re.escape(address)})https?:"), lambda route: route.abort())
    page = context.new_page()
    page.goto(f"{address}/lab/tree/{name}.ipynb?reset")
    page.locator(".jp-Notebook .jp-OutputArea-output").first.wait_for(timeout=60_000)
    return page


def test_trusted_figures_answer_and_keep_their_keys_and_strange_ones_are_pictures(lab):
    with browser() as running:
        page = opened(running, lab, "trusted")
        plane = page.locator("canvas.map")
        plane.wait_for(timeout=30_000)
        box = plane.bounding_box()
        page.mouse.move(box["x"] + 0.31 * box["width"], box["y"] + 0.21 * box["height"])
        assert page.get_by_text("decoded at (0.300, 0.800)").count() == 1
        plane.focus()
        plane.press("ArrowRight")
        assert page.get_by_text("decoded at (0.400, 0.800)").count() == 1

        page.get_by_role("option", name="item 3", exact=True).click()
        cell = page.locator(".jp-Notebook-cell.jp-mod-active")
        assert "the_thumbnails" in cell.inner_text()
        name = page.locator(".name")
        for key, shown in (("ArrowRight", "item 4"), ("ArrowUp", "item 4"), ("End", "item 20"), ("Enter", "item 20")):
            page.keyboard.press(key)
            assert name.inner_text() == shown
        slider = page.get_by_role("slider", name="noise")
        slider.click()
        for key, step in (("Home", "0"), ("ArrowUp", "1"), ("ArrowRight", "2"), ("ArrowDown", "1")):
            page.keyboard.press(key)
            assert slider.get_attribute("aria-valuetext") == step
        assert "the_thumbnails" in cell.inner_text()
        page.context.close()

        page = opened(running, lab, "strange")
        for output in page.locator(".jp-OutputArea-output").all():
            output.locator("img").wait_for(timeout=30_000)
        assert page.locator("canvas.map, [role=option]").count() == 0
