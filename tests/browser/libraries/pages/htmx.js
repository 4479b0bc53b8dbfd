import { ready } from "./shared.js";

/** What the markup asks for, after an event that each major version of htmx names in its own way. */
export function show(htmx) {
  document.body.innerHTML = '<output hx-get="/api/feed" hx-trigger="look"></output>';
  const output = document.querySelector("output");
  htmx.process(document.body);
  ready({
    async markup() {
      output.textContent = "";
      const swapped = new Promise((resolve) => {
        new MutationObserver(() => output.textContent && resolve()).observe(output, { childList: true, subtree: true });
      });
      htmx.trigger(output, "look");
      await swapped;
      return JSON.parse(output.textContent);
    },
  });
}
