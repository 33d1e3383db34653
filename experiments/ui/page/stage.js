import { css, rgbToLab } from "./lab.js";

/** The picture, before over after, and its points. Places are pixels of the whole picture. */
export class Stage {
  /** @param on `add`, `select`, `move`, `resize`, `remove`, each called with what it concerns. */
  constructor(on) {
    this.on = on;
    this.frame = document.getElementById("frame");
    this.layer = document.getElementById("points");
    this.canvases = { before: document.getElementById("before"), after: document.getElementById("after") };
    this.divider = document.getElementById("divider");
    const { after } = this.canvases;
    after.addEventListener("pointerdown", (event) => {
      if (event.button === 0) this.on.add(...this.place(event));
    });
    after.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.on.add(...this.sizes.picture.map((side) => Math.floor(side / 2)));
    });
    this.frame.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    new ResizeObserver(() => this.fit()).observe(this.frame.parentElement);
  }

  open(sizes) {
    this.sizes = sizes;
    document.getElementById("empty").hidden = true;
    this.frame.hidden = false;
    this.fit();
  }

  /** As large as the window lets it be. */
  fit() {
    if (!this.sizes) return;
    const [width, height] = this.sizes.view;
    const room = this.frame.parentElement;
    const scale = Math.min((room.clientWidth - 40) / width, (room.clientHeight - 40) / height);
    this.frame.style.width = `${Math.round(scale * width)}px`;
    this.frame.style.height = `${Math.round(scale * height)}px`;
    if (this.shown) this.showPoints(...this.shown);
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
    this.canvases.after.style.clipPath = share ? `inset(0 0 0 ${100 * share}%)` : "";
    this.divider.hidden = !share;
    this.divider.style.left = `${100 * share}%`;
    this.layer.hidden = share > 0;
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

  wheel(event) {
    if (!event.deltaY || !this.shown?.[0].length) return;
    event.preventDefault();
    this.on.resize(this.shown[1], event.deltaY < 0 ? 1 : -1);
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
