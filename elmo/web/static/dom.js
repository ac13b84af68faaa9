// Elements from text. Whatever was typed becomes a text node, never markup.
((live) => {
  const SVG = "http://www.w3.org/2000/svg";

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "style") Object.entries(value).forEach(([key, each]) => element.style.setProperty(key, each));
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return element;
  }

  live.make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  live.draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  live.percent = (share) => (share >= 0.0995 ? `${Math.round(100 * share)}%` : `${(100 * share).toPrecision(share < 0.0001 ? 1 : 2)}%`);

  // A table whose first row is its head, and whose first column names the rows.
  live.table = function (caption, head, rows, attributes = {}) {
    const { make } = live;
    return make("table", attributes,
      make("caption", {}, caption),
      make("thead", {}, make("tr", {}, head.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, rows.map(([name, ...cells]) =>
        make("tr", {}, make("th", { scope: "row" }, name), cells.map((cell) => make("td", {}, cell))))));
  };

  // A bar from 0 to 1, or from -1 to 1 around the middle, with its number.
  live.bar = function (share, text, signed = false) {
    const part = Math.max(-1, Math.min(1, share));
    const style = signed
      ? { "--from": `${50 + 50 * Math.min(part, 0)}%`, "--width": `${50 * Math.abs(part)}%` }
      : { "--from": "0%", "--width": `${100 * Math.max(part, 0)}%` };
    return live.make("span", { class: signed ? "bar signed" : "bar", style }, live.make("span", {}, text));
  };

  // Storage may be switched off.
  live.remember = (key, value) => {
    try {
      localStorage.setItem(`elmo-live-${key}`, value);
    } catch {
      // the page forgets
    }
  };
  live.recall = (key) => {
    try {
      return localStorage.getItem(`elmo-live-${key}`);
    } catch {
      return null;
    }
  };
})(elmoLive);
