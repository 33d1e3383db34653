import { Api } from "./api.js";
import { History } from "./history.js";
import { css, fitted, fromHex, hex } from "./lab.js";
import { Picker } from "./picker.js";
import { Stage } from "./stage.js";

const START = { points: [], palette: null, strength: 1 };
const at = (id) => document.getElementById(id);
const api = new Api();
const history = new History(START);
let methods = [];
let selected = -1;
let opened = false;
let busy = false; // a result is being made
let again = false; // and is out of date already
let tasks = 0; // that run now
let asked = 0; // number of the last question for suggestions
let chosen = false; // a method, by hand
let picking = false; // a colour from the picture

const method = () => methods[Number(at("method").value)];
const state = () => history.present;
const point = () => state().points[selected];

const stage = new Stage({
  add: addPoint,
  select,
  move: (index, x, y, dragged) => edit(index, { x, y }, dragged ? "drag" : "keys"),
  resize: (index, by) => resize(index, state().points[index]?.size + by),
  remove: removePoint,
  settle: () => {
    history.settle();
    suggest();
  },
  zoom: (zoom) => {
    at("zoom").value = zoom === 1 ? "fit" : `${zoom.toFixed(1)}x`;
  },
});
const picker = new Picker(at("picker"), (a, b, going) => {
  recolor(a, b, "pick");
  if (!going) history.settle();
});

/** Go on to another state and show what becomes of the picture. */
function change(part, gesture = null) {
  history.push({ ...state(), ...part }, gesture);
  update();
}

function edit(index, part, gesture = null) {
  if (!state().points[index]) return;
  const points = state().points.map((one, i) => (i === index ? { ...one, ...part } : one));
  change({ points }, gesture && `${gesture} ${index}`);
}

function addPoint(x, y) {
  if (!opened || !method().takes_hints) return;
  const [, a, b] = stage.colorAt("after", x, y); // as it is, until the user says otherwise
  if (picking) {
    pickColor(false);
    takeColor(a, b);
    return;
  }
  selected = state().points.length;
  if (x < stage.share * stage.sizes.picture[0]) stage.compare(0); // or it would be hidden
  history.settle();
  change({ points: [...state().points, { x, y, a, b, size: 5 }] });
  stage.focusPoint(selected);
  suggest();
}

function removePoint(index) {
  if (!state().points[index]) return;
  selected = -1;
  change({ points: state().points.filter((_, i) => i !== index) });
}

function resize(index, size) {
  if (size >= 1 && size <= 9) edit(index, { size }, "size");
}

function recolor(a, b, gesture) {
  edit(selected, { a, b }, gesture);
}

/** A colour from elsewhere, at the point's luminance. */
function takeColor(a, b) {
  if (point()) recolor(...fitted(lightness(point()), a, b), null);
}

/** Take a colour from the screen where the browser can, else by a click on the picture. */
async function pickColor(on = !picking) {
  if (on && "EyeDropper" in window) {
    try {
      takeColor(...fromHex((await new window.EyeDropper().open()).sRGBHex));
    } catch {
      // Escape: nothing was picked
    }
    return;
  }
  picking = on;
  at("eyedropper").setAttribute("aria-pressed", on);
  if (on) say("click the picture where it has the colour");
}

function select(index) {
  if (index === selected) return;
  selected = index;
  history.settle();
  showState();
  suggest();
}

/** L* at a point: of the gray picture, or of the colours made from NIR. */
function lightness(one) {
  return stage.colorAt(method().domain === "gray" ? "before" : "after", one.x, one.y)[0];
}

function question(points = state().points) {
  return {
    points: method().takes_hints ? points : [],
    palette: state().palette,
    strength: state().strength,
  };
}

/** Show the state at once, and its result when the server has it; one question at a time. */
async function update() {
  showState();
  again = true;
  if (busy || !opened) return;
  busy = true;
  await trying("", async () => {
    while (again) {
      again = false;
      const began = performance.now();
      await stage.draw("after", await api.preview(method().id, question()));
      say(`${method().name}: ${((performance.now() - began) / 1000).toFixed(2)} s`);
    }
  });
  busy = false;
}

function showState() {
  if (!point()) selected = -1;
  at("undo").disabled = !history.past.length;
  at("redo").disabled = !history.future.length;
  for (const id of ["save", "save-hints"]) at(id).disabled = !opened;
  at("strength").value = state().strength;
  at("strength-value").value = state().strength.toFixed(2);
  showPalette();
  if (!methods.length) return;
  const takes = method().takes_hints;
  at("frame").classList.toggle("hints", takes);
  at("point-panel").hidden = !takes;
  at("point").hidden = at("delete").hidden = !point();
  at("point-note").hidden = Boolean(point());
  showMethod();
  if (opened) stage.showPoints(takes ? state().points : [], selected, lightness);
  if (takes && point()) showPoint(point());
}

/** What the method is for, and what to take where the picture seems to be of another kind. */
function showMethod() {
  const { domain, input, takes_hints: takes } = method();
  const parts = [`For ${input}.`];
  const looks = opened ? api.looks : null;
  if (looks) parts.push(looks.text);
  const other = looks?.sure && looks.domain !== domain && methods.find((one) => one.domain === looks.domain);
  const hinting = !takes && domain === "gray" && methods.find((one) => one.takes_hints);
  at("method-note").replaceChildren(parts.join(" "));
  for (const [one, why] of [[other, "better for it"], [hinting, "takes colour points"]]) {
    if (!one) continue;
    const button = document.createElement("button");
    button.textContent = `${one.name}: ${why}`;
    button.addEventListener("click", () => choose(one.id));
    at("method-note").append(document.createElement("br"), button);
  }
}

function choose(id) {
  at("method").value = id;
  chosen = true;
  showState();
  if (opened) trying("colouring", prepare);
}

function showPoint(one) {
  const L = lightness(one);
  picker.show(L, one.a, one.b);
  at("swatch").style.background = css(L, one.a, one.b);
  for (const name of ["a", "b"]) {
    if (document.activeElement !== at(name)) at(name).value = Math.round(one[name]);
  }
  if (document.activeElement !== at("hex")) at("hex").value = hex(L, one.a, one.b);
  at("size").value = at("size-value").value = one.size;
}

function showPalette() {
  const given = state().palette;
  at("no-palette").hidden = !given;
  const how = methods.length && method().palette === "histogram" ? "Histogram and saturation" : "Mean and spread";
  at("palette-note").textContent = given ? `${how} of ${given.source || "a picture"}.` : "";
}

/** Five likely colours at the selected point, given the others. */
async function suggest() {
  const one = point();
  const number = ++asked;
  at("suggested").hidden = true;
  if (!opened || !one || !method().suggests) return;
  const others = state().points.filter((_, index) => index !== selected);
  let found;
  try {
    found = await api.suggestions(method().id, question(others), one.x, one.y);
  } catch (error) {
    say(error.message, true);
    return;
  }
  if (number !== asked) return;
  const L = lightness(one);
  at("suggestions").replaceChildren(...found.map(({ a, b, share }) => {
    const button = document.createElement("button");
    [a, b] = fitted(L, a, b);
    button.style.background = css(L, a, b);
    const label = `a ${Math.round(a)}, b ${Math.round(b)}, ${Math.round(100 * share)} %`;
    button.title = label;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => recolor(a, b, null));
    return button;
  }));
  at("suggested").hidden = false;
}

async function openFile(file) {
  if (!file) return;
  if (/\.json$/i.test(file.name)) return loadHints(file);
  await trying(`opening ${file.name}`, async () => {
    await api.open(file);
    history.clear(START);
    selected = -1;
    const { domain, sure } = api.looks;
    const fitting = methods.find((one) => one.domain === domain);
    if (!chosen && sure && fitting && method().domain !== domain) at("method").value = fitting.id;
    stage.compare(0);
    await prepare();
  });
}

/** Show the picture as the chosen method sees it. */
async function prepare() {
  const sizes = await api.prepare(method().id);
  const given = await api.shownInput(method().id);
  await stage.draw("before", given);
  await stage.draw("after", given);
  opened = true;
  stage.open(sizes);
  await update();
  suggest();
}

async function loadHints(file) {
  if (!file) return;
  await trying(`reading ${file.name}`, async () => {
    if (!opened) throw new Error("open the picture first, then its hints");
    const hints = await api.readHints(file);
    const sides = stage.sizes.picture;
    if (hints.picture && hints.picture.some((side, i) => side !== sides[i])) {
      throw new Error(`these hints are for a picture of ${hints.picture.join(" x ")} pixels` +
        ` (${hints.name}), and this one has ${sides.join(" x ")}`);
    }
    const same = methods.findIndex((one) => hints.method && one.weights_sha256 === hints.method.weights_sha256);
    const other = same >= 0 && same !== method().id;
    if (other) at("method").value = same;
    selected = -1;
    const { points, palette = null, strength = 1 } = hints;
    history.settle();
    history.push({ points, palette, strength });
    if (other) await prepare();
    else await update();
    if (hints.method && same < 0) say(`${file.name} was saved with a method that is not here`, true);
  });
}

async function loadPalette(file) {
  if (!file) return;
  await trying(`reading ${file.name}`, async () => change({ palette: await api.palette(file) }));
}

async function save(what, suffix) {
  await trying("saving", async () => {
    const blob = await api[what](method().id, question());
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = api.file.name.replace(/\.[^.]*$/, "") + suffix;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    say(`saved ${link.download}`);
  });
}

/** Do what may fail, and say so when it does; `what` is said meanwhile. */
async function trying(what, action) {
  if (what) say(`${what} …`);
  at("stage").setAttribute("aria-busy", ++tasks > 0);
  try {
    await action();
  } catch (error) {
    say(error.message, true);
  }
  at("stage").setAttribute("aria-busy", --tasks > 0);
}

function say(text, wrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", wrong);
}

function travel(there) {
  if (there()) {
    update();
    suggest();
  }
}

/** A button that asks for a file. */
function chooses(button, input, use) {
  at(button).addEventListener("click", () => at(input).click());
  at(input).addEventListener("change", () => {
    use(at(input).files[0]);
    at(input).value = "";
  });
}

chooses("open", "file", openFile);
chooses("load", "hints-file", loadHints);
chooses("palette", "palette-file", loadPalette);
at("undo").addEventListener("click", () => travel(() => history.undo()));
at("redo").addEventListener("click", () => travel(() => history.redo()));
at("save").addEventListener("click", () => save("picture", "_colored.png"));
at("save-hints").addEventListener("click", () => save("hints", "_hints.json"));
at("delete").addEventListener("click", () => removePoint(selected));
at("no-palette").addEventListener("click", () => change({ palette: null }));
at("eyedropper").addEventListener("click", () => pickColor());
at("zoom-in").addEventListener("click", () => stage.zoomBy(1.5));
at("zoom-out").addEventListener("click", () => stage.zoomBy(1 / 1.5));
at("zoom-fit").addEventListener("click", () => stage.whole());
at("hex").addEventListener("change", () => {
  const ab = fromHex(at("hex").value);
  if (ab) takeColor(...ab);
  else say(`${at("hex").value} is no colour such as #b43c28`, true);
  if (point()) at("hex").value = hex(lightness(point()), point().a, point().b);
});
at("size").addEventListener("input", () => resize(selected, Number(at("size").value)));
at("strength").addEventListener("input", () =>
  change({ strength: Number(at("strength").value) }, "strength"));
for (const id of ["size", "strength"]) at(id).addEventListener("change", () => history.settle());
for (const name of ["a", "b"]) {
  at(name).addEventListener("change", () => {
    if (!point()) return;
    const wanted = { a: point().a, b: point().b, [name]: Number(at(name).value) };
    const [a, b] = fitted(lightness(point()), wanted.a, wanted.b);
    at(name).value = Math.round(name === "a" ? a : b);
    recolor(a, b, null);
  });
}
at("method").addEventListener("change", () => choose(Number(at("method").value)));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && picking) pickColor(false);
  if (event.key === "0" && !/INPUT|SELECT/.test(event.target.tagName)) stage.whole();
  if (!event.ctrlKey && !event.metaKey) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) travel(() => history.undo());
  else if (key === "y" || key === "z") travel(() => history.redo());
  else if (key === "s" && opened) save("picture", "_colored.png");
  else if (key === "o") at("file").click();
  else return;
  event.preventDefault();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("stage").classList.toggle("over", kind === "dragover");
    if (kind === "drop") openFile(event.dataTransfer.files[0]);
  });
}

trying("starting", async () => {
  methods = await api.methods();
  at("method").replaceChildren(...methods.map((one) => new Option(one.name, one.id)));
  at("method").value = methods.findIndex((one) => one.initial);
  say("");
  showState();
});
