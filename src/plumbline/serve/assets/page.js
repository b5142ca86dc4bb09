// Pictures in, cards out. One request a picture: each card has its own answer, and can be removed meanwhile.
const setup = JSON.parse(document.getElementById("setup").textContent);
const at = (id) => document.getElementById(id);
const AT_ONCE = 3;
const TOP = 5;
const waiting = [];
let running = 0;

function say(name, values = {}) {
  return setup.words[name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

function count(number) {
  return number.toLocaleString("en");
}

function percent(share) {
  const shown = (name, number) => say("percent", { number }) && say(name, { number });
  if (share > 0 && share < 0.0005) return shown("below", "0.1");
  if (share < 1 && share >= 0.9995) return shown("above", "99.9");
  return shown("percent", (share * 100).toFixed(1));
}

function announce(text) {
  const line = document.createElement("span");
  line.textContent = `${text} `;
  at("announcer").append(line);
  while (at("announcer").childElementCount > 8) at("announcer").firstChild.remove();
}

function add(files) {
  const pictures = [...files];
  if (!pictures.length) return;
  at("results").hidden = false;
  for (const file of pictures.reverse()) {
    const card = at("card").content.firstElementChild.cloneNode(true);
    const job = { file, card, stop: new AbortController() };
    card.querySelector("h3").textContent = nameOf(file);
    const button = card.querySelector(".remove");
    button.setAttribute("aria-label", say("remove_one", { name: nameOf(file) }));
    button.addEventListener("click", () => remove(job));
    card.job = job;
    at("cards").prepend(card);
    if (file.size > setup.file_bytes) {
      const values = { name: nameOf(file), most: setup.file_bytes / 1e6 };
      refuse(job, say("refused_too_many_bytes", values));
    } else {
      waiting.unshift(job);
    }
  }
  pump();
}

function nameOf(file) {
  return file.pasted ? say("pasted") : file.name;
}

function pump() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    ask(waiting.shift()).finally(() => {
      running -= 1;
      pump();
    });
  }
}

async function ask(job) {
  const form = new FormData();
  form.append("files", job.file, job.file.name);
  const url = `/api/predict?top=${TOP}&heat_map=true&neighbours=6&lang=${setup.language}`;
  try {
    for (;;) {
      const answer = await fetch(url, { method: "POST", body: form, signal: job.stop.signal });
      const content = await answer.json();
      const seconds = Number(answer.headers.get("Retry-After"));
      if (answer.ok) return void show(job, content);
      if (!seconds) return void refuse(job, content.error.message);
      job.card.querySelector(".state").textContent = say("waiting", { seconds });
      await new Promise((done) => setTimeout(done, seconds * 1000));
      job.stop.signal.throwIfAborted();
    }
  } catch {
    if (!job.stop.signal.aborted) refuse(job, say("unreachable"));
  }
}

function refuse(job, message) {
  job.card.setAttribute("aria-busy", "false");
  job.card.classList.add("wrong");
  job.card.querySelector(".state").textContent = message;
  announce(say("announce_error", { name: nameOf(job.file), message }));
}

function show(job, content) {
  const [result] = content.results;
  if (result.error) return refuse(job, result.error.message);
  const { card } = job;
  const [best] = result.classes;
  card.setAttribute("aria-busy", "false");
  card.querySelector(".state").hidden = true;
  card.querySelector(".answer").hidden = false;
  card.querySelector(".said strong").textContent = best.name;
  card.querySelector(".said span").textContent = percent(best.probability);
  showShares(card.querySelector("tbody"), result.classes);
  const square = card.querySelector(".square");
  square.src = result.square;
  square.alt = nameOf(job.file);
  square.addEventListener("load", () => {
    square.classList.toggle("coarse", square.naturalWidth < 100);
    showHeat(card.querySelector(".heat"), { square, rows: result.heat_map, answer: best.name });
  });
  showNear(card.querySelector(".near"), { near: result.neighbours, index: content.training_pictures });
  showIndex(content.training_pictures);
  announce(say("announce", { name: nameOf(job.file), answer: best.name, percent: percent(best.probability) }));
}

function showShares(body, classes) {
  const rest = 1 - classes.reduce((sum, one) => sum + one.probability, 0);
  for (const one of classes) body.append(shareRow(one.name, one.probability));
  const others = setup.classes - classes.length;
  if (others > 0) {
    const row = shareRow(say("others", { count: count(others) }), Math.max(0, rest));
    row.className = "rest";
    body.append(row);
  }
}

function shareRow(name, share) {
  const [row, head, cell, both, bar, fill, number] =
    ["tr", "th", "td", "div", "span", "i", "span"].map((tag) => document.createElement(tag));
  head.scope = "row";
  head.textContent = name;
  bar.className = "bar";
  bar.setAttribute("aria-hidden", "true");
  fill.style.setProperty("--share", share.toFixed(4));
  number.textContent = percent(share);
  bar.append(fill);
  both.append(bar, number);
  cell.append(both);
  row.append(head, cell);
  return row;
}

function showHeat(figure, { square, rows, answer }) {
  if (!rows) return void (figure.hidden = true);
  const canvas = figure.querySelector("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const side = canvas.width;
  context.imageSmoothingEnabled = square.naturalWidth >= 100;
  context.drawImage(square, 0, 0, side, side);
  const picture = context.getImageData(0, 0, side, side);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const from = 4 * (y * side + x);
      const [red, green, blue] = picture.data.subarray(from, from + 3);
      const grey = 40 + 0.7 * (0.299 * red + 0.587 * green + 0.114 * blue);
      picture.data.set(warmed(grey, between(rows, (x + 0.5) / side, (y + 0.5) / side)), from);
    }
  }
  context.putImageData(picture, 0, 0);
  const place = hottest(rows);
  const words = say("looked_at", { answer });
  const where = place ? say("hottest", { place: say(`place_${place}`) }) : say("no_heat");
  figure.querySelector("figcaption").textContent = `${words}${setup.language === "ja" ? "。" : ". "}${where}`;
  canvas.setAttribute("aria-label", `${words} ${where}`);
}

// Grey where nothing speaks for the class; then red, orange, yellow.
function warmed(grey, heat) {
  const strength = Math.min(1, heat * 1.3) * 0.85;
  const warm = [235, 30 + 190 * heat, 20 + 60 * heat * heat];
  return warm.map((part) => grey + (part - grey) * strength);
}

// Bilinear, with the values in the middles of the map's places.
function between(rows, right, down) {
  const inside = (value, most) => Math.min(Math.max(value, 0), most);
  const x = inside(right * rows[0].length - 0.5, rows[0].length - 1);
  const y = inside(down * rows.length - 0.5, rows.length - 1);
  const [x0, y0] = [Math.floor(x), Math.floor(y)];
  const [x1, y1] = [Math.min(x0 + 1, rows[0].length - 1), Math.min(y0 + 1, rows.length - 1)];
  const row = (line) => line[x0] + (line[x1] - line[x0]) * (x - x0);
  return row(rows[y0]) + (row(rows[y1]) - row(rows[y0])) * (y - y0);
}

// Which ninth of the picture has most of the heat, as "row column", each 0 to 2.
function hottest(rows) {
  const ninths = new Map();
  for (let y = 0; y < 3 * rows.length; y += 1) {
    for (let x = 0; x < 3 * rows[0].length; x += 1) {
      const name = `${Math.floor(y / rows.length)}${Math.floor(x / rows[0].length)}`;
      ninths.set(name, (ninths.get(name) ?? 0) + rows[Math.floor(y / 3)][Math.floor(x / 3)]);
    }
  }
  const [[name, sum]] = [...ninths].sort((one, other) => other[1] - one[1]);
  return sum > 0 ? name : null;
}

function showNear(box, { near, index }) {
  box.hidden = !near.length;
  const partial = index.state === "reading";
  const numbers = { done: count(index.done), total: count(index.total) };
  box.querySelector("small").textContent = partial ? `(${say("among", numbers)})` : "";
  for (const one of near) {
    const [item, picture, name] = ["li", "img", "b"].map((tag) => document.createElement(tag));
    picture.src = one.picture;
    picture.alt = "";
    picture.addEventListener("load", () => picture.classList.toggle("coarse", picture.naturalWidth < 96));
    name.textContent = one.class_name;
    const number = one.similarity.toFixed(2);
    const seen = document.createElement("span");
    seen.textContent = number;
    seen.setAttribute("aria-hidden", "true");
    name.setAttribute("aria-label", say("similar", { answer: one.class_name, number }));
    item.append(picture, name, seen);
    box.querySelector("ul").append(item);
  }
}

function remove({ card, stop, file }) {
  stop.abort();
  const place = waiting.indexOf(card.job);
  if (place >= 0) waiting.splice(place, 1);
  const next = card.nextElementSibling ?? card.previousElementSibling;
  card.remove();
  announce(say("removed", { name: nameOf(file) }));
  at("results").hidden = !next;
  (next?.querySelector(".remove") ?? at("choose")).focus();
}

function showIndex({ state, done, total, reason }) {
  at("index").hidden = false;
  const why = document.createElement("span");
  why.lang = "en";
  why.textContent = reason;
  at("index").replaceChildren(say(`index_${state}`, { done: count(done), total: count(total) }), " ", why);
}

async function watchIndex() {
  for (;;) {
    try {
      const { training_pictures: index } = await (await fetch("/api/model")).json();
      showIndex(index);
      if (index.state === "ready" || index.state === "unavailable") return;
    } catch {
      // The next picture will tell that nobody answers.
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

// Without a touch screen there is no camera that the file chooser would open.
at("photograph").parentElement.hidden = navigator.maxTouchPoints === 0;
for (const id of ["choose", "photograph"]) {
  at(id).addEventListener("change", ({ target }) => {
    add(target.files);
    target.value = "";
  });
}
at("remove-all").addEventListener("click", () => {
  for (const card of [...at("cards").children]) remove(card.job);
});
addEventListener("paste", ({ clipboardData }) => {
  const files = [...clipboardData.files];
  // A picture from the clipboard has no name of its own: browsers call it image.png.
  for (const file of files) file.pasted = file.name === "image.png";
  add(files);
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    at("give").classList.toggle("over-it", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
}
watchIndex();
