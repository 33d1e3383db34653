import { AB_LIMIT, fitted, inGamut, labToRgb } from "./lab.js";

/** A square of the a, b plane at one luminance: what sRGB has of it, and a ring at the choice. */
export class Picker {
  /**
   * @param canvas 2 * 110 + 1 pixels along each side: one for each unit of a and b.
   * @param onPick called with a, b and whether the gesture goes on.
   */
  constructor(canvas, onPick) {
    this.canvas = canvas;
    this.onPick = onPick;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pickAt(event, true);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.pickAt(event, true);
    });
    canvas.addEventListener("pointerup", (event) => this.pickAt(event, false));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(L, a, b) {
    if (L !== this.L) {
      this.L = L;
      this.plane = drawn(L, this.canvas.width);
    }
    [this.a, this.b] = [a, b];
    const context = this.canvas.getContext("2d");
    context.putImageData(this.plane, 0, 0);
    for (const [width, style] of [[4, "#fff"], [2, "#000"]]) {
      context.beginPath();
      context.arc(a + AB_LIMIT + 0.5, AB_LIMIT - b + 0.5, 6, 0, 2 * Math.PI);
      context.lineWidth = width;
      context.strokeStyle = style;
      context.stroke();
    }
  }

  pickAt(event, going) {
    const box = this.canvas.getBoundingClientRect();
    const a = ((event.clientX - box.left) / box.width) * this.canvas.width - AB_LIMIT - 0.5;
    const b = AB_LIMIT + 0.5 - ((event.clientY - box.top) / box.height) * this.canvas.height;
    this.onPick(...fitted(this.L, a, b), going);
  }

  key(event) {
    const step = event.shiftKey ? 10 : 2;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    this.onPick(...fitted(this.L, this.a + step * move[0], this.b + step * move[1]), false);
  }
}

function drawn(L, side) {
  const image = new ImageData(side, side);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const [a, b] = [column - AB_LIMIT, AB_LIMIT - row];
      const inside = inGamut(L, a, b);
      const place = 4 * (row * side + column);
      image.data.set(inside ? labToRgb(L, a, b) : [238, 240, 243], place);
      image.data[place + 3] = 255;
    }
  }
  return image;
}
