// Elements for any page: <reseal-sessions></reseal-sessions>, the sessions of a user, and
// <reseal-impersonation></reseal-impersonation>, the banner for somebody who acts as another user.
// Restyle them by the custom properties --reseal-… and by ::part(…); reword them by the property "texts".
"use strict";
(() => {
  const PATHS = { list: "/sessions", refresh: "/session/refresh" };
  const ORIGIN = new URL(document.currentScript.src).origin;

  const TEXTS = {
    actor: "Used on your behalf by",
    bound: "Bound to its device",
    current: "This device",
    empty: "You are not signed in on any device.",
    end: "Sign out",
    endOthers: "Sign out all other devices",
    ended: "Recently ended",
    failed: "That did not work. Try again in a moment.",
    firstSeen: "Signed in",
    from: "from",
    lastSeen: "Last seen",
    loading: "Loading…",
    name: "Name of this device",
    rename: "Rename",
    save: "Save",
    signedOut: "You have been signed out. Sign in again.",
    stranger: "You are not signed in.",
    title: "Where you are signed in",
    reasons: {
      absolute_timeout: "It had reached the longest time that a session may last.",
      expired: "It was not used for too long.",
      limit: "You signed in on more devices than are allowed at a time.",
      provider_logout: "You signed out of the service with which you had signed in.",
      not_before: "All older sessions were ended.",
      replaced: "The same browser signed in again.",
      revoked: "It was ended.",
      signed_out: "Signed out on the device itself.",
      theft: "Somebody else may have used it.",
      user_revoked: "All sessions were ended.",
    },
  };

  const BANNER_TEXTS = {
    acting: "{actor}, you are acting as {user} until {time}.",
    failed: "That did not work. Try again in a moment.",
    label: "Acting as another user",
    stop: "Stop acting as {user}",
    stopping: "Returning to your own session…",
  };

  const STYLE = `
    :host { display: block; font: inherit; color: var(--reseal-text, inherit); }
    :host([hidden]) { display: none; }
    h2, h3 { font-size: 1.1em; margin: 0 0 .6em; }
    h3 { font-size: 1em; margin-top: 1.4em; }
    ul { list-style: none; margin: 0; padding: 0; border: 1px solid var(--reseal-border, #d0d5dd); border-radius: var(--reseal-radius, 10px); }
    li { display: flex; flex-wrap: wrap; gap: .4em 1em; align-items: center; padding: .8em 1em; }
    li + li { border-top: 1px solid var(--reseal-border, #d0d5dd); }
    .about { flex: 1 1 16em; min-width: 0; }
    .label { font-weight: 600; overflow-wrap: anywhere; }
    .badge { font-size: .8em; font-weight: 600; margin-inline-start: .6em; padding: .1em .6em; border-radius: 1em; color: var(--reseal-accent-text, #05603a); background: var(--reseal-accent, #d1fadf); white-space: nowrap; }
    .detail { font-size: .9em; color: var(--reseal-muted, #5d6675); overflow-wrap: anywhere; }
    .actor { font-size: .9em; font-weight: 600; overflow-wrap: anywhere; }
    .actions { display: flex; gap: .5em; }
    button, input { font: inherit; font-size: .9em; padding: .35em .8em; border-radius: var(--reseal-radius, 8px); border: 1px solid var(--reseal-border, #d0d5dd); }
    button { cursor: pointer; color: inherit; background: var(--reseal-button, transparent); }
    button:hover:not(:disabled) { background: var(--reseal-button-hover, #f2f4f7); }
    button:disabled { opacity: .5; cursor: default; }
    button:focus-visible, input:focus-visible { outline: 2px solid var(--reseal-focus, #1570ef); outline-offset: 2px; }
    .others { margin-top: 1em; color: var(--reseal-danger, #b42318); }
    [role="status"] { margin: .8em 0 0; min-height: 1.2em; }
  `;

  const BANNER_STYLE = `
    :host { display: block; position: sticky; top: 0; z-index: 2147483647; font: inherit; }
    :host([hidden]) { display: none; }
    .banner { display: flex; flex-wrap: wrap; gap: .5em 1em; align-items: center; justify-content: center; padding: .6em 1em; color: var(--reseal-banner-text, #3b2300); background: var(--reseal-banner, #ffd88a); border-bottom: 2px solid var(--reseal-banner-border, #b54708); }
    p { margin: 0; overflow-wrap: anywhere; }
    button { font: inherit; font-weight: 600; padding: .35em .9em; cursor: pointer; color: inherit; background: var(--reseal-button, #fff); border: 1px solid currentcolor; border-radius: var(--reseal-radius, 8px); }
    button:disabled { opacity: .6; cursor: default; }
    button:focus-visible { outline: 3px solid var(--reseal-focus, #1849a9); outline-offset: 2px; }
  `;

  function sheetOf(style) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    return sheet;
  }

  const sheet = sheetOf(STYLE);
  const bannerSheet = sheetOf(BANNER_STYLE);

  const ago = new Intl.RelativeTimeFormat(document.documentElement.lang || undefined, { numeric: "auto" });
  const date = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { dateStyle: "medium", timeStyle: "short" });
  const clock = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeStyle: "short" });
  const UNITS = [["day", 86400000], ["hour", 3600000], ["minute", 60000]];

  function since(moment) {
    const passed = moment - Date.now();
    const [unit, length] = UNITS.find(([, ms]) => Math.abs(passed) >= ms) ?? ["minute", 60000];
    return ago.format(Math.round(passed / length), unit);
  }

  function make(name, properties = {}, ...children) {
    const { part, ...others } = properties;
    const made = Object.assign(document.createElement(name), others);
    if (part) made.part = made.className = part;
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  async function send(method, path, body) {
    const options = { method, credentials: "include", headers: { rid: "reseal" } };
    if (body) {
      options.body = JSON.stringify(body);
      options.headers["content-type"] = "application/json";
    }
    return fetch(ORIGIN + path, options);
  }

  // With the browser SDK around fetch the page has refreshed already; without it, this does.
  async function ask(method, path, body) {
    const answer = await send(method, path, body);
    if (answer.ok || answer.status >= 500) return answer;
    const said = await answer.clone().json().catch(() => ({}));
    if (said.message !== "try refresh token") return answer;
    const refreshed = await send("POST", PATHS.refresh);
    return refreshed.ok ? send(method, path, body) : refreshed;
  }

  class ResealSessions extends HTMLElement {
    #root = this.attachShadow({ mode: "open" });
    #texts = TEXTS;
    #status = make("p", { part: "status", role: "status" });

    set texts(own) {
      this.#texts = { ...TEXTS, ...own, reasons: { ...TEXTS.reasons, ...own.reasons } };
      if (this.isConnected) this.load();
    }

    get texts() {
      return this.#texts;
    }

    connectedCallback() {
      this.#root.adoptedStyleSheets = [sheet];
      this.#show(make("p", {}, this.#texts.loading));
      this.load();
    }

    async load() {
      const sessions = await this.#try("GET", PATHS.list);
      if (sessions) this.#draw((await sessions.json()).sessions);
    }

    async #try(method, path, body) {
      let answer = null;
      try {
        answer = await ask(method, path, body);
      } catch {
        // the network is away
      }
      if (answer?.ok || answer?.status === 404) return answer;
      const isOver = answer && answer.status > 400 && answer.status < 500 && answer.status !== 403;
      const said = isOver ? await answer.json().catch(() => ({})) : {};
      const over = said.reason === "no_token" ? this.#texts.stranger : this.#texts.signedOut;
      this.#status.textContent = isOver ? [over, said.note].filter(Boolean).join(" ") : this.#texts.failed;
      if (isOver) {
        this.#show();
        this.dispatchEvent(new CustomEvent("reseal-signed-out", { bubbles: true, detail: said }));
      }
      return null;
    }

    async #change(method, path, body) {
      this.#status.textContent = "";
      const answer = await this.#try(method, path, body);
      if (!answer) return;
      this.dispatchEvent(new CustomEvent("reseal-sessions-changed", { bubbles: true }));
      await this.load();
    }

    #draw(sessions) {
      const live = sessions.filter((each) => !each.ended_at);
      const ended = sessions.filter((each) => each.ended_at);
      const texts = this.#texts;
      const others = make("button", {
        part: "others",
        type: "button",
        hidden: live.length < 2 || live.some((each) => each.current && each.actor),
        onclick: () => this.#change("POST", `${PATHS.list}/end-others`),
      }, texts.endOthers);
      this.#show(
        make("h2", { part: "title" }, texts.title),
        live.length ? make("ul", { part: "list" }, ...live.map((each) => this.#entry(each, live))) : make("p", {}, texts.empty),
        others,
        ended.length ? make("h3", { part: "title-ended" }, texts.ended) : null,
        ended.length ? make("ul", { part: "list-ended" }, ...ended.map((each) => this.#endedEntry(each))) : null,
      );
    }

    #entry(session, live) {
      const texts = this.#texts;
      const about = this.#about(session);
      const first = session.first_device;
      const begun = `${texts.firstSeen} ${date.format(session.created_at)}`;
      const origin = first && first.label !== session.device.label ? ` ${texts.from} ${first.label}` : "";
      about.append(
        make("div", { part: "detail" }, [`${texts.lastSeen} ${since(session.last_seen_at)}`, session.device.place, session.device.address].filter(Boolean).join(" · ")),
        make("div", { part: "detail" }, begun + origin),
      );
      const label = session.name ?? session.device.label;
      const path = `${PATHS.list}/${encodeURIComponent(session.handle)}`;
      const entry = make("li", { part: session.current ? "entry current" : "entry" }, about);
      if (live.some((each) => each.current && each.actor)) return entry; // whoever acts for the user changes nothing
      entry.append(make("div", { part: "actions" },
        make("button", { type: "button", ariaLabel: `${texts.rename}: ${label}`, onclick: () => this.#rename(entry, session, path) }, texts.rename),
        make("button", { type: "button", ariaLabel: `${texts.end}: ${label}`, onclick: () => this.#change("DELETE", path) }, texts.end),
      ));
      return entry;
    }

    #endedEntry(session) {
      const about = this.#about(session);
      const reason = session.end_note ?? this.#texts.reasons[session.end_reason] ?? "";
      about.append(make("div", { part: "detail" }, [date.format(session.ended_at), reason].filter(Boolean).join(" · ")));
      return make("li", { part: "entry-ended" }, about);
    }

    #about(session) {
      const label = make("div", { part: "label", title: session.device.user_agent ?? "" }, session.name ?? session.device.label);
      if (session.current) label.append(make("span", { part: "badge" }, this.#texts.current));
      const about = make("div", { part: "about" }, label);
      if (session.actor) about.append(make("div", { part: "actor" }, `${this.#texts.actor} ${session.actor}`));
      if (session.name) about.append(make("div", { part: "detail" }, session.device.label));
      if (session.bound) about.append(make("div", { part: "detail bound" }, this.#texts.bound));
      return about;
    }

    #rename(entry, session, path) {
      const field = make("input", { value: session.name ?? "", maxLength: 64, ariaLabel: this.#texts.name, placeholder: this.#texts.name });
      const form = make("form", { part: "actions", onsubmit: (event) => {
        event.preventDefault();
        this.#change("PUT", path, { name: field.value });
      } }, field, make("button", {}, this.#texts.save));
      entry.lastElementChild.replaceWith(form);
      field.focus();
    }

    #show(...children) {
      this.#root.replaceChildren(...children.filter((child) => child !== null), this.#status);
    }
  }

  // Shows itself while the user of the page acts as another one. Afterwards the page loads again, or goes where the
  // attribute "return-to" says; whoever cancels the event "reseal-impersonation-ended" does something else instead.
  class ResealImpersonation extends HTMLElement {
    #root = this.attachShadow({ mode: "open" });
    #texts = BANNER_TEXTS;
    #text = make("p", { part: "text", role: "status" });
    #button = make("button", { part: "stop", type: "button", onclick: () => this.#stop() });
    #timer = 0;
    #shown = null;

    set texts(own) {
      this.#texts = { ...BANNER_TEXTS, ...own };
      if (this.#shown) this.#show(this.#shown);
    }

    get texts() {
      return this.#texts;
    }

    connectedCallback() {
      this.#root.adoptedStyleSheets = [bannerSheet];
      this.hidden = true;
      this.load();
    }

    disconnectedCallback() {
      clearTimeout(this.#timer);
    }

    async load() {
      const answer = await ask("GET", `${PATHS.list}/impersonation`).catch(() => null);
      if (!answer?.ok) return;
      const found = await answer.json();
      if (found.actor) this.#show({ ...found, until: Date.now() + found.ends_in });
      else if (this.#shown) this.#leave();
    }

    #show(found) {
      this.#shown = found;
      const names = { actor: found.actor, user: found.user_id, time: clock.format(found.until) };
      const filled = (text) => text.replace(/\{(actor|user|time)\}/g, (_, name) => names[name]);
      this.#text.textContent = filled(this.#texts.acting);
      this.#button.textContent = filled(this.#texts.stop);
      this.#button.disabled = false;
      const banner = make("div", { part: "banner", role: "region", ariaLabel: this.#texts.label }, this.#text, this.#button);
      this.#root.replaceChildren(banner);
      this.hidden = false;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.load(), Math.max(0, found.until - Date.now()) + 1000);
    }

    async #stop() {
      this.#button.disabled = true;
      this.#text.textContent = this.#texts.stopping;
      let answer = await ask("POST", `${PATHS.list}/impersonation/stop`).catch(() => null);
      if (answer?.ok) answer = await send("POST", PATHS.refresh).catch(() => null);
      if (answer && answer.status < 500) return this.#leave(); // also if it was over before: another tab, its time
      this.#show(this.#shown);
      this.#text.textContent = this.#texts.failed;
    }

    #leave() {
      this.#shown = null;
      this.hidden = true;
      const ended = new CustomEvent("reseal-impersonation-ended", { bubbles: true, cancelable: true });
      if (!this.dispatchEvent(ended)) return;
      const target = this.getAttribute("return-to");
      if (target) location.assign(target);
      else location.reload();
    }
  }

  customElements.define("reseal-sessions", ResealSessions);
  customElements.define("reseal-impersonation", ResealImpersonation);
})();
