/** The panel "What just happened": a list of events, a headline for the notable ones, and the steps of the loop. */

const KEPT = 60;
const MERGE_WITHIN_MS = 1500;
const STEP_APART_MS = 220;
const STEP_LIT_MS = 1500;

export function createPanel({ log, headline, clear }) {
  const entries = []; // newest first
  let nextStepAt = 0;

  clear.addEventListener("click", () => {
    entries.length = 0;
    log.replaceChildren();
    say("Cleared.", "");
  });

  /** kind: a class of the style sheet. why: an explanation, for what is out of the ordinary. quiet: no headline. */
  function add({ at, kind, from, title, why, quiet = false }) {
    const twin = why === undefined && entries.find((entry) => entry.title === title && at - entry.at < MERGE_WITHIN_MS);
    if (twin) {
      twin.count += 1;
      twin.times.textContent = ` × ${twin.count}`;
      return;
    }
    const entry = { at, title, count: 1, ...draw({ at, kind, from, title, why }) };
    const later = entries.findIndex((other) => other.at <= at);
    const place = later === -1 ? entries.length : later;
    log.insertBefore(entry.element, entries[place]?.element ?? null);
    entries.splice(place, 0, entry);
    for (const old of entries.splice(KEPT)) old.element.remove();
    if (why !== undefined && !quiet) say(title, kind);
  }

  function say(text, kind) {
    headline.textContent = text;
    headline.className = `headline ${kind}`;
  }

  /** Light a step of the loop. The real one takes milliseconds, so the steps are shown one after the other. */
  function light(id, isWarning = false) {
    const step = document.getElementById(id);
    const now = performance.now();
    nextStepAt = Math.max(now, nextStepAt + STEP_APART_MS);
    setTimeout(() => {
      step.classList.add("lit");
      step.classList.toggle("warn", isWarning);
      setTimeout(() => step.classList.remove("lit"), STEP_LIT_MS);
    }, nextStepAt - now);
  }

  return { add, light };
}

function draw({ at, kind, from, title, why }) {
  const element = document.createElement("li");
  element.className = kind;
  element.dataset.kind = kind;
  element.dataset.testid = "log-entry";
  const time = document.createElement("time");
  time.dateTime = new Date(at).toISOString();
  time.textContent = clock(at);
  const what = document.createElement("b");
  const times = document.createElement("span");
  what.append(title, times);
  const source = document.createElement("span");
  source.className = "from";
  source.textContent = from;
  element.append(time, what, source);
  if (why) {
    const reason = document.createElement("span");
    reason.className = "why";
    reason.textContent = why;
    element.append(reason);
  }
  return { element, times };
}

function clock(at) {
  const date = new Date(at);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
