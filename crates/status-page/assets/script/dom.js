// Elements, made of names and texts alone: nothing that comes from etcd is read as markup.

const SVG = "http://www.w3.org/2000/svg";

// A text in which the characters of assets/hidden.txt are written as their numbers.
function visible(text) {
  return String(text).replace(HIDDEN, (character) =>
    `\u27e8U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) {
      made.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : visible(value));
    }
  }
  made.append(...children
    .filter((child) => child !== null && child !== undefined)
    .map((child) => child instanceof Node ? child : visible(child)));
  return made;
}

function element(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function shape(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

// A text that has not changed is not written: a selection stays, and a reader is not disturbed.
function setText(target, text) {
  const shown = visible(text);
  if (target.textContent !== shown) {
    target.textContent = shown;
  }
}

function setAttribute(target, name, value) {
  if (value === null || value === undefined) {
    target.removeAttribute(name);
  } else if (target.getAttribute(name) !== visible(value)) {
    target.setAttribute(name, visible(value));
  }
}

// A part of the page that is made again only if what it shows has changed.
class Part {
  #shown = null;

  constructor(target, draw) {
    this.target = target;
    this.draw = draw;
  }

  show(data) {
    const text = JSON.stringify(data);
    if (text !== this.#shown) {
      this.#shown = text;
      this.target.replaceChildren(...[this.draw(data)].flat().filter((child) => child !== null));
    }
  }
}

// A table of texts and elements; the first cell of a row is its heading.
function table(caption, headings, rows, name = "") {
  const head = headings.map((heading) => element("th", { scope: "col" }, heading));
  const body = rows.map(([first, ...cells]) =>
    element("tr", {},
      element("th", { scope: "row" }, first),
      ...cells.map((cell) => element("td", {}, cell ?? "–"))));
  const region = `scroll ${name}`.trim();
  return element("div", { class: region, tabindex: "0", role: "region", "aria-label": caption },
    element("table", {},
      element("caption", { class: "hidden" }, caption),
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...body)));
}
