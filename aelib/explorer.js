// Brings every .aelib-explorer of the page to life, once: the element's data in, a map that answers out.
(() => {
  // Okabe and Ito's colours and three more, as in aelib.plots; each point is also drawn as its label.
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B07800", "#2C8FC7", "#000000", "#8C6D31", "#7B4173", "#637939"];
  const SIDE = 480, EDGE = 10; // pixels of the map, and of its margin, so that a point at the border is whole
  const LOOK = `
    :host { display: block; font: 15px/1.4 system-ui, sans-serif; color: inherit; max-width: 720px; }
    * { box-sizing: border-box; }
    .row { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; }
    canvas { display: block; background: #fff; }
    .map { width: min(${SIDE}px, 100%); height: auto; aspect-ratio: 1; cursor: crosshair; border: 1px solid #767676; }
    .map:focus-visible { outline: 3px solid #3584e4; outline-offset: -3px; }
    .side { display: flex; flex-wrap: wrap; gap: 16px; flex: 1 1 150px; }
    figure { margin: 0; width: 150px; }
    figure canvas { width: 140px; height: auto; image-rendering: pixelated; border: 1px solid #767676; }
    figcaption { min-height: 4.2em; }
    p { margin: 8px 0 0; }
    .said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }`;
  let count = 0;

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  async function start(host) {
    const facts = JSON.parse(host.dataset.map);
    const [left, right, bottom, top] = facts.extent;
    const [height, width] = facts.size;
    const decoded = host.querySelector("img");
    const known = new Image();
    known.src = facts.images;
    await Promise.all([decoded.decode(), known.decode()]);

    const help = "Move the pointer over the map, or choose it and use the arrow keys (with Shift: five steps).";
    const map = element("canvas", {
      class: "map", width: 2 * SIDE, height: 2 * SIDE, tabindex: 0, role: "application",
      "aria-label": `Map of the latent plane. ${help}`,
    });
    const drawn = element("canvas", { class: "decoded", width, height, role: "img", "aria-label": "The decoded image" });
    const near = element("canvas", { class: "nearest", width, height, role: "img", "aria-label": "The nearest image" });
    const here = element("figcaption", {}), there = element("figcaption", {});
    const said = element("p", { class: "said", role: "status" });
    const shadow = host.attachShadow({ mode: "open" });
    shadow.append(
      element("style", {}, LOOK),
      element("div", { class: "row" }, map,
        element("div", { class: "side" }, element("figure", {}, drawn, here), element("figure", {}, near, there))),
      element("p", {}, help), said);

    const across = (x) => 2 * (EDGE + ((x - left) / (right - left)) * (SIDE - 2 * EDGE));
    const down = (y) => 2 * (EDGE + ((top - y) / (top - bottom)) * (SIDE - 2 * EDGE));
    const pen = map.getContext("2d");
    const step = 1 / (facts.points - 1);
    let column = Math.round((facts.points - 1) / 2), row = column;

    const points = document.createElement("canvas");
    points.width = points.height = 2 * SIDE;
    const paint = points.getContext("2d");
    paint.font = "22px system-ui, sans-serif";
    paint.textAlign = "center";
    paint.textBaseline = "middle";
    facts.labels.forEach((label, index) => {
      paint.fillStyle = COLOURS[((label % 10) + 10) % 10];
      paint.fillText(label, across(facts.codes[2 * index]), down(facts.codes[2 * index + 1]));
    });

    function show(aloud) {
      const x = left + column * step * (right - left), y = top - row * step * (top - bottom);
      let best = 0, least = Infinity;
      facts.labels.forEach((_, index) => {
        const distance = Math.hypot(facts.codes[2 * index] - x, facts.codes[2 * index + 1] - y);
        if (distance < least) [best, least] = [index, distance];
      });
      drawn.getContext("2d").drawImage(decoded, column * width, row * height, width, height, 0, 0, width, height);
      near.getContext("2d").drawImage(
        known, (best % facts.columns) * width, Math.floor(best / facts.columns) * height, width, height, 0, 0, width, height);
      here.textContent = `decoded at (${x.toFixed(3)}, ${y.toFixed(3)})`;
      there.textContent = `nearest test image: a ${facts.labels[best]}, ${least.toFixed(3)} away`;
      if (aloud) said.textContent = `At ${x.toFixed(3)}, ${y.toFixed(3)}. The ${there.textContent}.`;

      pen.clearRect(0, 0, 2 * SIDE, 2 * SIDE);
      pen.drawImage(points, 0, 0);
      pen.lineWidth = 2;
      pen.strokeStyle = "#595959";
      pen.beginPath();
      pen.moveTo(across(x), 0); pen.lineTo(across(x), 2 * SIDE);
      pen.moveTo(0, down(y)); pen.lineTo(2 * SIDE, down(y));
      pen.stroke();
      pen.strokeStyle = "#000000";
      pen.lineWidth = 4;
      pen.beginPath();
      pen.arc(across(facts.codes[2 * best]), down(facts.codes[2 * best + 1]), 18, 0, 7);
      pen.stroke();
    }

    const clamp = (place) => Math.max(0, Math.min(facts.points - 1, place));
    const nearest = (share) => clamp(Math.round(((share * SIDE - EDGE) / (SIDE - 2 * EDGE)) * (facts.points - 1)));
    function follow(event) {
      const box = map.getBoundingClientRect();
      column = nearest((event.clientX - box.left) / box.width);
      row = nearest((event.clientY - box.top) / box.height);
      show(false);
    }
    map.addEventListener("pointermove", follow);
    map.addEventListener("pointerdown", follow);
    const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    map.addEventListener("keydown", (event) => {
      const move = KEYS[event.key];
      if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
      const by = event.shiftKey ? 5 : 1;
      column = clamp(column + by * move[0]);
      row = clamp(row + by * move[1]);
      show(true);
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would move to the next cell
    });
    show(false);
  }

  for (const host of document.querySelectorAll(".aelib-explorer:not([data-started])")) {
    host.dataset.started = ++count;
    start(host).catch(() => {}); // data that cannot be read: the picture stays as it is
  }
})();
