import { css, rgbToLab } from "./lab.js";

/** The picture, before over after, and its points. Places are pixels of the whole picture. */
export class Stage {
  /** @param on `add`, `select`, `move`, `resize`, `remove`, `zoom`, each called with what it concerns. */
  constructor(on) {
    this.on = on;
    this.frame = document.getElementById("frame");
    this.layer = document.getElementById("points");
    this.canvases = { before: document.getElementById("before"), after: document.getElementById("after") };
    this.divider = document.getElementById("divider");
    this.share = 0; // of the picture that shows what was given
    [this.zoom, this.left, this.top] = [1, 0, 0]; // times the fitting size; moved by so many CSS pixels
    const { after } = this.canvases;
    this.frame.addEventListener("pointerdown", (event) => this.press(event));
    after.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.on.add(...this.sizes.picture.map((side) => Math.floor(side / 2)));
    });
    this.dragDivider();
    this.frame.parentElement.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    new ResizeObserver(() => this.fit()).observe(this.frame.parentElement);
  }

  open(sizes) {
    const other = !this.sizes || sizes.picture.some((side, i) => side !== this.sizes.picture[i]);
    this.sizes = sizes;
    document.getElementById("empty").hidden = true;
    this.frame.hidden = false;
    if (other) this.whole();
    else this.fit();
  }

  /** A click adds a point; a drag of more than a few pixels moves the picture instead. */
  press(event) {
    if (event.target.closest("#divider, .point") || event.button > 1) return;
    event.preventDefault();
    const from = { x: event.clientX, y: event.clientY, left: this.left, top: this.top };
    const { frame } = this;
    let moved = false;
    frame.setPointerCapture(event.pointerId);
    const move = (next) => {
      const [dx, dy] = [next.clientX - from.x, next.clientY - from.y];
      if (!moved && Math.hypot(dx, dy) < 5) return;
      moved = true;
      frame.classList.add("moving");
      [this.left, this.top] = [from.left + dx, from.top + dy];
      this.fit();
    };
    const end = (last) => {
      frame.removeEventListener("pointermove", move);
      for (const kind of ["pointerup", "pointercancel"]) frame.removeEventListener(kind, end);
      frame.classList.remove("moving");
      if (!moved && last.type === "pointerup" && event.button === 0) this.on.add(...this.place(event));
    };
    frame.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) frame.addEventListener(kind, end);
  }

  /** As large as the window lets it be, times the zoom, and never out of sight. */
  fit() {
    if (!this.sizes) return;
    const [width, height] = this.sizes.view;
    const room = this.frame.parentElement;
    const scale = this.zoom * Math.min((room.clientWidth - 40) / width, (room.clientHeight - 40) / height);
    const sides = [Math.round(scale * width), Math.round(scale * height)];
    const limits = [
      Math.max(0, (sides[0] - room.clientWidth) / 2 + 40),
      Math.max(0, (sides[1] - room.clientHeight) / 2 + 40),
    ];
    if (this.zoom <= 1) limits.fill(0);
    const within = (value, limit) => Math.min(limit, Math.max(-limit, value));
    [this.left, this.top] = [within(this.left, limits[0]), within(this.top, limits[1])];
    this.frame.style.width = `${sides[0]}px`;
    this.frame.style.height = `${sides[1]}px`;
    this.frame.style.transform = `translate(${this.left}px, ${this.top}px)`;
    this.frame.classList.toggle("close", scale > 3);
    this.on.zoom(this.zoom);
    if (this.shown) this.showPoints(...this.shown);
  }

  whole() {
    [this.zoom, this.left, this.top] = [1, 0, 0];
    this.fit();
  }

  /** Zoom by a factor about a place of the window; without one, about the middle of the stage. */
  zoomBy(factor, event = null) {
    if (!this.sizes) return;
    const room = this.frame.parentElement.getBoundingClientRect();
    const [x, y] = event
      ? [event.clientX - room.left - room.width / 2, event.clientY - room.top - room.height / 2]
      : [0, 0];
    const zoom = Math.min(32, Math.max(1, this.zoom * factor));
    const ratio = zoom / this.zoom;
    [this.left, this.top] = [x - ratio * (x - this.left), y - ratio * (y - this.top)];
    this.zoom = zoom;
    this.fit();
  }

  async draw(which, blob) {
    const image = await createImageBitmap(blob);
    const canvas = this.canvases[which];
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
    image.close();
  }

  /** Lab of a place in what is shown. */
  colorAt(which, x, y) {
    const canvas = this.canvases[which];
    const [width, height] = this.sizes.picture;
    const column = Math.min(canvas.width - 1, Math.floor(((x + 0.5) / width) * canvas.width));
    const row = Math.min(canvas.height - 1, Math.floor(((y + 0.5) / height) * canvas.height));
    const pixel = canvas.getContext("2d").getImageData(column, row, 1, 1).data;
    return rgbToLab([...pixel.slice(0, 3)]);
  }

  /** Show `share` (0 to 1) of what was given, from the left. */
  compare(share) {
    this.share = Math.min(1, Math.max(0, share));
    const clip = this.share ? `inset(0 0 0 ${100 * this.share}%)` : "";
    this.canvases.after.style.clipPath = this.layer.style.clipPath = clip;
    this.divider.style.left = `${100 * this.share}%`;
    this.divider.setAttribute("aria-valuenow", Math.round(100 * this.share));
  }

  dragDivider() {
    const { divider } = this;
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      divider.focus({ preventScroll: true });
      event.preventDefault();
    });
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const box = this.frame.getBoundingClientRect();
      this.compare((event.clientX - box.left) / box.width);
    });
    divider.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -0.05, ArrowRight: 0.05, Home: -1, End: 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      this.compare(this.share + steps[event.key]);
    });
  }

  showPoints(points, selected, lightness) {
    this.shown = [points, selected, lightness];
    const [width, height] = this.sizes.picture;
    const scale = this.frame.clientWidth / this.sizes.network[0];
    while (this.layer.children.length > points.length) this.layer.lastChild.remove();
    while (this.layer.children.length < points.length) this.layer.append(this.marker());
    points.forEach((point, index) => {
      const marker = this.layer.children[index];
      const [a, b] = [Math.round(point.a), Math.round(point.b)];
      marker.dataset.index = index;
      marker.style.left = `${(100 * (point.x + 0.5)) / width}%`;
      marker.style.top = `${(100 * (point.y + 0.5)) / height}%`;
      marker.style.width = marker.style.height = `${point.size * scale}px`;
      marker.style.background = css(lightness(point), point.a, point.b);
      marker.setAttribute("aria-pressed", index === selected);
      marker.setAttribute(
        "aria-label",
        `Point ${index + 1} at ${Math.round(point.x)}, ${Math.round(point.y)}: a ${a}, b ${b}, ` +
          `size ${point.size}. Arrow keys move, plus and minus resize, Delete removes`,
      );
    });
  }

  focusPoint(index) {
    this.layer.children[index]?.focus({ preventScroll: true });
  }

  marker() {
    const marker = document.createElement("button");
    marker.className = "point";
    const index = () => Number(marker.dataset.index);
    marker.addEventListener("focus", () => this.on.select(index()));
    marker.addEventListener("pointerdown", (event) => {
      marker.setPointerCapture(event.pointerId);
      marker.focus({ preventScroll: true });
      event.preventDefault();
    });
    marker.addEventListener("pointermove", (event) => {
      if (marker.hasPointerCapture(event.pointerId)) this.on.move(index(), ...this.place(event), true);
    });
    marker.addEventListener("lostpointercapture", () => this.on.settle());
    marker.addEventListener("keydown", (event) => this.key(event, index()));
    return marker;
  }

  key(event, index) {
    const step = (event.shiftKey ? 10 : 1) * (this.sizes.picture[0] / this.sizes.view[0]);
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const sizes = { "+": 1, "=": 1, "-": -1 };
    const point = this.shown[0][index];
    if (moves[event.key]) {
      const [right, down] = moves[event.key];
      this.on.move(index, ...this.inside(point.x + step * right, point.y + step * down), false);
    } else if (sizes[event.key]) this.on.resize(index, sizes[event.key]);
    else if (event.key === "Delete" || event.key === "Backspace") this.on.remove(index);
    else return;
    event.preventDefault();
  }

  /** Over a point its size, elsewhere the zoom. */
  wheel(event) {
    if (!event.deltaY || !this.sizes) return;
    event.preventDefault();
    const marker = event.target.closest(".point");
    if (marker) this.on.resize(Number(marker.dataset.index), event.deltaY < 0 ? 1 : -1);
    else this.zoomBy(Math.exp(-event.deltaY / 400), event);
  }

  place(event) {
    const box = this.frame.getBoundingClientRect();
    const [width, height] = this.sizes.picture;
    return this.inside(
      ((event.clientX - box.left) / box.width) * width - 0.5,
      ((event.clientY - box.top) / box.height) * height - 0.5,
    );
  }

  inside(x, y) {
    const within = (value, side) => Math.round(10 * Math.min(side - 1, Math.max(0, value))) / 10;
    return [within(x, this.sizes.picture[0]), within(y, this.sizes.picture[1])];
  }
}
