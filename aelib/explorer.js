// Replaces the picture in every .aelib-explorer of the page with an interactive figure, once: a map of the latent plane,
// or thumbnails to choose from, with a slider and panels.
(() => {
  const SIDE = 480, MARGIN = 10; // pixels of the map, and of its margin, so that a mark at the border is whole
  const WIDTH = 720; // of a figure, where the page has room
  const STYLE = `
    :host { display: block; font: 15px/1.4 system-ui, sans-serif; color: inherit; max-width: ${WIDTH}px; }
    * { box-sizing: border-box; }
    .row { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; }
    canvas { display: block; }
    .map { width: min(${SIDE}px, 100%); height: auto; aspect-ratio: 1; cursor: crosshair; border: 1px solid #767676;
      touch-action: none; user-select: none; } /* a finger moves the point, not the page */
    .map:focus-visible { outline: 3px solid #3584e4; outline-offset: -3px; }
    .side { display: flex; flex-wrap: wrap; gap: 16px; flex: 1 1 150px; }
    figure { margin: 0; width: 150px; }
    figure canvas { width: 140px; height: auto; image-rendering: pixelated; border: 1px solid #767676; }
    figcaption { min-height: 4.2em; }
    .items { display: flex; flex-wrap: wrap; gap: 5px; padding: 4px; margin: 0 -4px; }
    .items canvas { cursor: pointer; outline: 1px solid #767676; image-rendering: pixelated; touch-action: manipulation; }
    .items .shown { outline: 2px dashed currentColor; outline-offset: 1px; }
    .items [aria-selected=true] { outline: 3px solid currentColor; outline-offset: 1px; }
    .items canvas:focus-visible { outline: 3px solid #3584e4; }
    .slider { display: flex; gap: 12px; align-items: center; margin: 8px 0; }
    input { flex: 1; min-width: 0; max-width: 360px; height: 32px; margin: 0; accent-color: #3584e4; }
    input:focus-visible { outline: 3px solid #3584e4; }
    .value { font-variant-numeric: tabular-nums; }
    .name { font-weight: 600; margin: 8px 0; }
    .panels figure { max-width: 100%; }
    .title { margin: 0 0 4px; }
    .panels canvas { max-width: 100%; border: 0; outline: 1px solid #767676; } /* a border would take pixels */
    .panels figcaption { display: grid; min-height: 0; margin-top: 2px; }
    figcaption span { grid-area: 1 / 1; }
    .space { visibility: hidden; } /* of the longest caption, so that the page does not jump */
    p { margin: 8px 0 0; }
    svg { width: 1.2em; height: 1.2em; vertical-align: -.25em; fill: none; stroke: currentColor; stroke-width: 1; }
    circle { stroke-width: 2; }
    .status { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }`;

  function element(name, attributes, ...children) {
    const result = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) result.setAttribute(key, value);
    result.append(...children);
    return result;
  }

  // A sign of the map, for its legend: lines through the chosen point, or the circle at the nearest code.
  function sign(drawing) {
    const result = element("span", { "aria-hidden": "true" });
    result.innerHTML = `<svg viewBox="0 0 20 20">${drawing}</svg> `;
    return result;
  }

  async function loaded(address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    return image;
  }

  // Draws the image at an index of a sheet, whose images are as large as the canvas.
  function draw(canvas, sheet, columns, index) {
    const { width, height } = canvas;
    canvas.getContext("2d").drawImage(sheet, (index % columns) * width, Math.floor(index / columns) * height,
      width, height, 0, 0, width, height);
  }

  async function startMap(host) {
    const data = JSON.parse(host.dataset.map);
    const [left, right, bottom, top] = data.extent;
    const [height, width] = data.size;
    const decoded = host.querySelector("img");
    const [images] = await Promise.all([loaded(data.images), decoded.decode()]);

    const help = "Move the mouse or drag a finger over the map, or choose it and use the arrow keys (with Shift: five steps).";
    const { dimensions } = data, rest = dimensions - 2;
    const others = rest ? `The map has the first two of ${dimensions} latent dimensions: the decoded image has the ` +
      `${rest > 1 ? `other ${rest} at their means` : "third at its mean"}; test codes are drawn, and the nearest one found, by the first two alone.` : "";
    const legend = element("p", { class: "legend" },
      sign('<path d="M10 0V20M0 10H20"/>'), "the chosen point, whose code is decoded ",
      sign('<circle cx="10" cy="10" r="7"/>'), `the nearest test code${rest ? " in the plane" : ""}. Each test code is drawn as its class` +
      (data.names.every((name, index) => name === data.marks[index]) ? "." : `: ${data.names.map((name, index) => `${data.marks[index]} ${name}`).join(", ")}.`));
    const map = element("canvas", {
      class: "map", width: 2 * SIDE, height: 2 * SIDE, tabindex: 0, role: "application",
      "aria-label": `Map of the latent plane. ${help} ${others}`,
    });
    const decodedView = element("canvas", { class: "decoded", width, height, role: "img", "aria-label": "The decoded image" });
    const nearestView = element("canvas", { class: "nearest", width, height, role: "img", "aria-label": "The nearest image" });
    const decodedCaption = element("figcaption", {}), nearestCaption = element("figcaption", {});
    const status = element("p", { class: "status", role: "status" });
    const shadow = host.attachShadow({ mode: "open" });
    shadow.append(
      element("style", {}, STYLE),
      element("div", { class: "row" }, map,
        element("div", { class: "side" },
          element("figure", {}, decodedView, decodedCaption), element("figure", {}, nearestView, nearestCaption))),
      legend, element("p", {}, `${help} ${others}`), status);

    const toX = (x) => 2 * (MARGIN + ((x - left) / (right - left)) * (SIDE - 2 * MARGIN));
    const toY = (y) => 2 * (MARGIN + ((top - y) / (top - bottom)) * (SIDE - 2 * MARGIN));
    const context = map.getContext("2d");
    const step = 1 / (data.points - 1);
    let column = Math.round((data.points - 1) / 2), row = column;

    const marks = document.createElement("canvas");
    marks.width = marks.height = 2 * SIDE;
    const marksContext = marks.getContext("2d");
    marksContext.font = "600 28px system-ui, sans-serif"; // 9 pixels on a phone
    marksContext.textAlign = "center";
    marksContext.textBaseline = "middle";
    data.labels.forEach((label, index) => {
      marksContext.fillStyle = data.colors[label];
      marksContext.fillText(data.marks[label], toX(data.codes[2 * index]), toY(data.codes[2 * index + 1]));
    });

    function update(announce) {
      const x = left + column * step * (right - left), y = top - row * step * (top - bottom);
      let nearest = 0, least = Infinity;
      data.labels.forEach((_, index) => {
        const distance = Math.hypot(data.codes[2 * index] - x, data.codes[2 * index + 1] - y);
        if (distance < least) [nearest, least] = [index, distance];
      });
      draw(decodedView, decoded, data.points, row * data.points + column);
      draw(nearestView, images, data.columns, nearest);
      decodedCaption.textContent = `decoded at (${x.toFixed(3)}, ${y.toFixed(3)})`;
      nearestCaption.textContent = `nearest test image: a ${data.names[data.labels[nearest]]}, ${least.toFixed(3)} away`;
      if (announce) status.textContent = `At ${x.toFixed(3)}, ${y.toFixed(3)}. The ${nearestCaption.textContent}.`;

      context.clearRect(0, 0, 2 * SIDE, 2 * SIDE);
      context.drawImage(marks, 0, 0);
      context.strokeStyle = getComputedStyle(host).color; // of the page's text, light or dark
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(toX(x), 0); context.lineTo(toX(x), 2 * SIDE);
      context.moveTo(0, toY(y)); context.lineTo(2 * SIDE, toY(y));
      context.stroke();
      context.lineWidth = 4;
      context.beginPath();
      context.arc(toX(data.codes[2 * nearest]), toY(data.codes[2 * nearest + 1]), 18, 0, 7);
      context.stroke();
    }

    const clamp = (index) => Math.max(0, Math.min(data.points - 1, index));
    const toIndex = (fraction) => clamp(Math.round(((fraction * SIDE - MARGIN) / (SIDE - 2 * MARGIN)) * (data.points - 1)));
    function follow(event) {
      if (!event.isPrimary) return; // a second finger
      const box = map.getBoundingClientRect();
      column = toIndex((event.clientX - box.left) / box.width);
      row = toIndex((event.clientY - box.top) / box.height);
      update(false);
    }
    map.addEventListener("pointermove", follow);
    map.addEventListener("pointerdown", follow);
    map.addEventListener("pointerup", () => update(true)); // said once a finger or button is up, not at every move
    const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    map.addEventListener("keydown", (event) => {
      const move = KEYS[event.key];
      if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
      const steps = event.shiftKey ? 5 : 1;
      column = clamp(column + steps * move[0]);
      row = clamp(row + steps * move[1]);
      update(true);
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would move to the next cell
    });
    update(false);
  }

  async function startBrowser(host) {
    const { names, steps, step_name: stepName, step: first, thumbnails, panels } = JSON.parse(host.dataset.browse);
    const [choices, ...sheets] = await Promise.all([thumbnails, ...panels].map((one) => loaded(one.images)));
    let chosen = 0, shown = 0, step = first; // shown differs from chosen while the mouse is over another thumbnail

    // Images are enlarged by a whole number, so that their pixels have one size.
    const canvas = ([height, width], scale, attributes) =>
      element("canvas", { width, height, style: `width: ${scale * width}px`, ...attributes });
    const side = names.length > 24 ? 40 : 48, longer = Math.max(...thumbnails.size);
    const options = names.map((name, index) => {
      const scale = Math.min(Math.max(1, Math.round(side / longer)), 64 / longer);
      const option = canvas(thumbnails.size, scale, { role: "option", "aria-label": name });
      draw(option, choices, thumbnails.columns, index);
      return option;
    });
    const items = element("div", { class: "items", role: "listbox", "aria-label": `Choose one of ${names.length}` }, ...options);
    const slider = element("input", { type: "range", id: "step", min: 0, max: steps.length - 1, value: step });
    const value = element("span", { class: "value", "aria-hidden": "true" });
    const name = element("p", { class: "name" });
    const status = element("p", { class: "status", role: "status" });
    const views = panels.map(({ title, size, captions }) => {
      const [height, width] = size;
      const scale = Math.max(1, Math.min(Math.round(150 / height), Math.floor(WIDTH / width)));
      const longest = captions.flat().reduce((one, other) => (other.length > one.length ? other : one), "");
      const view = canvas(size, scale, { role: "img" }), caption = element("span", {});
      const space = element("span", { class: "space", "aria-hidden": "true" }, longest);
      const figure = element("figure", { style: `width: ${Math.max(140, scale * width)}px` },
        element("p", { class: "title" }, title), view, ...(longest ? [element("figcaption", {}, space, caption)] : []));
      return { figure, view, caption };
    });
    const help = `Move the mouse over the ${names.length} small images to preview them. Click, tap or use the arrow keys to choose one.`;
    host.attachShadow({ mode: "open" }).append(
      element("style", {}, STYLE), items,
      ...(steps.length ? [element("div", { class: "slider" }, element("label", { for: "step" }, stepName), slider, value)] : []),
      name, element("div", { class: "row panels" }, ...views.map(({ figure }) => figure)), element("p", {}, help), status);

    function update(announce) {
      options.forEach((option, index) => {
        option.setAttribute("aria-selected", index === chosen);
        option.setAttribute("tabindex", index === chosen ? 0 : -1);
        option.classList.toggle("shown", index === shown);
      });
      const place = steps.length ? `${names[shown]}, ${stepName} ${steps[step]}` : names[shown];
      const said = [place];
      views.forEach(({ view, caption }, index) => {
        const { title, steps: count, columns, captions } = panels[index], texts = captions[shown];
        draw(view, sheets[index], columns, shown * count + (count > 1 ? step : 0));
        view.setAttribute("aria-label", `${title}: ${place}`);
        caption.textContent = texts.length > 1 ? texts[step] : texts[0];
        if (caption.textContent) said.push(`${title}: ${caption.textContent}`);
      });
      name.textContent = names[shown];
      value.textContent = steps[step] ?? "";
      slider.setAttribute("aria-valuetext", value.textContent);
      if (announce) status.textContent = `${said.join(". ")}.`;
    }
    function show(index) {
      shown = index;
      update(false);
    }
    function choose(index) {
      chosen = shown = index;
      update(true);
      options[index].focus();
    }

    const plain = (event) => !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
    items.addEventListener("pointerover", (event) => {
      if (event.pointerType !== "touch" && options.includes(event.target)) show(options.indexOf(event.target));
    });
    items.addEventListener("pointerleave", () => show(chosen));
    items.addEventListener("click", (event) => options.includes(event.target) && choose(options.indexOf(event.target)));
    items.addEventListener("keydown", (event) => {
      const row = options.filter((option) => option.offsetTop === options[0].offsetTop).length;
      const index = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, ArrowUp: chosen - row, ArrowDown: chosen + row,
        Home: 0, End: options.length - 1, Enter: chosen, " ": chosen }[event.key];
      if (index === undefined || !plain(event)) return;
      if (options[index]) choose(index);
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would move to the next cell
    });
    slider.addEventListener("keydown", (event) => {
      if (/^(Arrow|Page|Home|End)/.test(event.key) && plain(event)) event.stopPropagation();
    });
    slider.addEventListener("input", () => {
      step = Number(slider.value);
      update(false);
    });
    slider.addEventListener("change", () => update(true)); // said once a finger or button is up
    update(false);
  }

  for (const host of document.querySelectorAll(".aelib-explorer:not([data-started])")) {
    host.dataset.started = "";
    const start = host.dataset.map ? startMap : startBrowser;
    start(host).catch(() => {}); // data that cannot be read: the picture stays as it is
  }
})();
