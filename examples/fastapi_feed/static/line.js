/** Draws the refresh-token family: one bead for each generation. */

const SVG = "http://www.w3.org/2000/svg";
const APART = 62;
const MARGIN = 34;
const HEIGHT = 84;
const MIDDLE = 40;

/**
 * generation: of the current token. mine, thief: the generation each holds; thief may be undefined.
 * reused: the generation that came back, once that has happened; then the line is over.
 */
export function drawLine(svg, { generation, mine, thief, reused }) {
  const width = svg.clientWidth || 480; // one unit is one pixel, so that the text keeps its size on small screens
  const room = Math.max(2, Math.floor((width - 2 * MARGIN) / APART));
  const beads = range(Math.max(0, generation - room + 1), generation);
  const marked = reused ?? thief;
  const gap = marked !== undefined && marked < beads[0];
  if (gap) beads.unshift(marked);
  const x = (index) => MARGIN + index * APART;
  const over = reused !== undefined;
  const parts = [];
  beads.slice(1).forEach((_, index) => {
    const dashes = gap && index === 0 ? { "stroke-dasharray": "2 7" } : {};
    parts.push(make("line", { class: "thread", x1: x(index), x2: x(index + 1), y1: MIDDLE, y2: MIDDLE, ...dashes }));
  });
  beads.forEach((bead, index) => {
    const at = { cx: x(index), cy: MIDDLE };
    const isCurrent = bead === generation;
    if (isCurrent && !over) parts.push(make("circle", { class: "glow", r: 15, ...at }));
    parts.push(make("circle", { class: `bead${isCurrent ? (over ? " over" : " current") : ""}`, r: isCurrent ? 9 : 6, ...at }));
    if (bead === thief) parts.push(make("circle", { class: "theft", r: 14, ...at }));
    if (bead === reused) parts.push(make("path", { class: "theft", d: cross(x(index)) }));
    if (bead === mine) parts.push(label(x(index), 14, "you", "you"));
    const below = bead === reused ? [`${bead} came back`, "he"] : bead === thief ? [`${bead} thief`, "he"] : [bead, ""];
    parts.push(label(x(index), 76, ...below));
  });
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren(...parts);
  svg.setAttribute("aria-label", describe({ generation, mine, thief, reused }));
}

function describe({ generation, mine, thief, reused }) {
  if (reused !== undefined) return `Generation ${reused} came back after generation ${generation} had been issued.`;
  const his = thief === undefined ? "" : ` The thief holds generation ${thief}.`;
  return `The current refresh token is generation ${generation}. You hold generation ${mine}.${his}`;
}

function cross(x) {
  return `M${x - 9} ${MIDDLE - 9}l18 18m0 -18l-18 18`;
}

function label(x, y, text, style) {
  const element = make("text", { x, y, class: style });
  element.textContent = text;
  return element;
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function range(from, to) {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
