// Cards, timelines and the overlay of faces; probabilities come in the order of the model's classes.

const SECONDS = 30;
const MOST_TRACKS = 6;

const percent = (value) => `${Math.round(100 * value)} %`;
export const faceName = (face, position) => (face.id === undefined ? `Face ${position + 1}` : `Face ${face.id}`);

function element(kind, className, text) {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export class Cards {
  constructor(list, empty, colors) {
    this.list = list;
    this.empty = empty;
    this.colors = colors;
    this.cards = new Map();
  }

  show(faces) {
    this.empty.hidden = faces.length > 0;
    const seen = new Set();
    faces.forEach((face, position) => {
      const name = faceName(face, position);
      seen.add(name);
      if (!this.cards.has(name)) this.cards.set(name, this.make(name, Object.keys(face.probabilities)));
      this.fill(this.cards.get(name), face);
    });
    for (const [name, card] of this.cards) {
      if (!seen.has(name)) {
        card.item.remove();
        this.cards.delete(name);
      }
    }
  }

  make(name, labels) {
    const item = element("li", "card");
    const title = element("h3");
    const label = element("span", "label");
    title.append(element("span", "", name), label);
    const list = element("dl");
    const bars = new Map();
    for (const each of labels) {
      const bar = element("dd", "bar");
      const filled = element("span");
      filled.style.background = this.colors[each];
      bar.append(filled);
      const value = element("dd");
      list.append(element("dt", "", each), bar, value);
      bars.set(each, { filled, value });
    }
    item.append(title, list);
    this.list.append(item);
    return { item, label, bars };
  }

  fill(card, face) {
    card.item.classList.toggle("uncertain", face.uncertain);
    card.item.style.borderLeftColor = this.colors[face.label];
    card.label.textContent = `${face.label}${face.uncertain ? "?" : ""} ${percent(face.confidence)}`;
    for (const [label, { filled, value }] of card.bars) {
      filled.style.width = `${100 * face.probabilities[label]}%`;
      value.textContent = percent(face.probabilities[label]);
    }
  }
}

export class Timelines {
  constructor(place, names, colors) {
    this.place = place;
    this.names = names;
    this.colors = colors;
    this.tracks = new Map();
  }

  clear() {
    for (const track of this.tracks.values()) track.row.remove();
    this.tracks.clear();
  }

  add(faces, now) {
    faces.forEach((face, position) => {
      const name = faceName(face, position);
      if (!this.tracks.has(name)) this.begin(name);
      this.tracks.get(name).samples.push({
        now,
        label: face.label,
        uncertain: face.uncertain,
        values: this.names.map((each) => face.probabilities[each]),
      });
    });
    for (const [name, track] of this.tracks) {
      while (track.samples.length && track.samples[0].now < now - SECONDS) track.samples.shift();
      if (!track.samples.length) {
        track.row.remove();
        this.tracks.delete(name);
      } else {
        this.draw(name, track, now);
      }
    }
  }

  begin(name) {
    this.place.querySelector("p")?.remove();
    while (this.tracks.size >= MOST_TRACKS) {
      const [oldest, track] = this.tracks.entries().next().value;
      track.row.remove();
      this.tracks.delete(oldest);
    }
    const row = element("div", "track");
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    row.append(element("span", "", name), canvas);
    this.place.append(row);
    this.tracks.set(name, { row, canvas, samples: [], described: "" });
  }

  // Stacked probabilities above, the band of labels below; uncertain labels are hatched.
  draw(name, { canvas, samples, ...track }, now) {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const place = (time) => width * (1 - (now - time) / SECONDS);
    const above = 0.76 * height;
    const band = 0.8 * height;
    samples.forEach((sample, index) => {
      const next = samples[index + 1];
      const end = next && next.now - sample.now < 1 ? next.now : Math.min(sample.now + 0.1, now);
      const left = Math.floor(place(sample.now));
      const wide = Math.max(1, Math.ceil(place(end)) - left);
      let top = above;
      sample.values.forEach((value, number) => {
        context.fillStyle = this.colors[this.names[number]];
        context.fillRect(left, top - value * above, wide, value * above);
        top -= value * above;
      });
      context.fillStyle = this.colors[sample.label];
      context.fillRect(left, band, wide, height - band);
      if (sample.uncertain) {
        context.fillStyle = "#000";
        for (let x = left - (left % 4); x < left + wide; x += 4) context.fillRect(x, band, 1.5, height - band);
      }
    });
    const last = samples[samples.length - 1];
    const words = `${name}: ${last.label}${last.uncertain ? ", uncertain" : ""}`;
    if (canvas.getAttribute("aria-label") !== words) canvas.setAttribute("aria-label", words);
  }
}

export function drawFaces(context, faces, colors) {
  const size = Math.max(14, Math.round(context.canvas.height / 28));
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.lineWidth = Math.max(2, size / 7);
  faces.forEach((face) => {
    const [x, y, w, h] = face.box;
    context.setLineDash(face.uncertain ? [size / 2, size / 2] : []);
    context.strokeStyle = colors[face.label];
    context.strokeRect(x, y, w, h);
    const text = `${face.id === undefined ? "" : `${face.id}: `}${face.label}${face.uncertain ? "?" : ""} ${percent(face.confidence)}`;
    const wide = context.measureText(text).width + size;
    const left = Math.min(Math.max(x, 0), context.canvas.width - wide);
    const top = Math.max(y - 1.5 * size, 0);
    context.fillStyle = "#202020";
    context.fillRect(left, top, wide, 1.5 * size);
    context.fillStyle = "#fff";
    context.fillText(text, left + size / 2, top + 1.1 * size);
  });
  context.setLineDash([]);
}
