/** Moves the focus with the page, for keyboards and screen readers. */

/** Put the focus on the first heading that is shown, if what had it is gone. */
export function keepFocus() {
  setTimeout(() => {
    const { activeElement } = document;
    if (activeElement !== document.body && isShown(activeElement)) return;
    const heading = [...document.querySelectorAll("main h1, main h2")].find(isShown);
    if (heading === undefined) return;
    heading.tabIndex = -1; // by script only
    heading.focus({ preventScroll: true });
  });
}

function isShown(element) {
  return element !== null && element.getClientRects().length > 0;
}
