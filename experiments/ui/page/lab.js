// CIE Lab (D65) and sRGB, with the constants of datasets/color.py, so that both agree.

const WHITE = [0.95047, 1, 1.08883];
const TO_XYZ = [
  [0.412453, 0.35758, 0.180423],
  [0.212671, 0.71516, 0.072169],
  [0.019334, 0.119193, 0.950227],
];
const FROM_XYZ = inverse(TO_XYZ);
const BISECTIONS = 12;
export const AB_LIMIT = 110;

/** 8-bit sRGB [r, g, b] to [L, a, b]. */
export function rgbToLab(rgb) {
  const linear = rgb.map((level) => {
    const s = level / 255;
    return s > 0.04045 ? ((s + 0.055) / 1.055) ** 2.4 : s / 12.92;
  });
  const [x, y, z] = TO_XYZ.map((row, i) => {
    const t = dot(row, linear) / WHITE[i];
    return t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116;
  });
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** Linear light of a Lab colour; outside [0,1] where sRGB does not have it. */
function labToLinear(L, a, b) {
  const y = (L + 16) / 116;
  const xyz = [y + a / 500, y, y - b / 200].map(
    (f, i) => WHITE[i] * (f > 0.2068966 ? f ** 3 : (f - 16 / 116) / 7.787),
  );
  return FROM_XYZ.map((row) => dot(row, xyz));
}

/** 8-bit sRGB of a Lab colour, each channel cut to its range. */
export function labToRgb(L, a, b) {
  return labToLinear(L, a, b).map((light) => {
    const t = Math.min(1, Math.max(0, light));
    return Math.round(255 * (t > 0.0031308 ? 1.055 * t ** (1 / 2.4) - 0.055 : 12.92 * t));
  });
}

/** Whether sRGB has the colour. */
export function inGamut(L, a, b) {
  return labToLinear(L, a, b).every((light) => light >= -1e-6 && light <= 1 + 5e-5);
}

/** The nearest a, b of the same hue that sRGB has at this luminance. */
export function fitted(L, a, b) {
  if (inGamut(L, a, b)) return [a, b];
  let [low, high] = [0, 1];
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (inGamut(L, middle * a, middle * b)) low = middle;
    else high = middle;
  }
  return [low * a, low * b];
}

/** A CSS colour. */
export function css(L, a, b) {
  return `rgb(${labToRgb(L, a, b).join(" ")})`;
}

/** A colour as #rrggbb. */
export function hex(L, a, b) {
  return `#${labToRgb(L, a, b).map((level) => level.toString(16).padStart(2, "0")).join("")}`;
}

/** a and b of a colour as #rrggbb or #rgb; nothing of what is no colour. */
export function fromHex(text) {
  const short = /^#?([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(text.trim());
  const digits = short ? short.slice(1).map((digit) => digit + digit).join("") : text.trim().replace(/^#/, "");
  if (!/^[0-9a-f]{6}$/i.test(digits)) return null;
  return rgbToLab([0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16))).slice(1);
}

function dot(p, q) {
  return p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
}

function inverse(m) {
  const cofactor = (i, j) =>
    m[(i + 1) % 3][(j + 1) % 3] * m[(i + 2) % 3][(j + 2) % 3] -
    m[(i + 1) % 3][(j + 2) % 3] * m[(i + 2) % 3][(j + 1) % 3];
  const determinant = dot(m[0], [0, 1, 2].map((j) => cofactor(0, j)));
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => cofactor(j, i) / determinant));
}
