/** As much of XMLHttpRequest as the tests need, on top of the world's server. The real one is met in Chromium. */

/** Make the class whose objects reach `server`. A synchronous request answers later here: nothing blocks this world. */
export function requestClass(server) {
  return class XMLHttpRequest extends EventTarget {
    readyState = 0;
    withCredentials = false;
    upload = new EventTarget();
    #flight = new AbortController();
    #isSent = false;
    #response;

    get status() {
      return this.#response?.status ?? 0;
    }

    get responseURL() {
      return this.#response ? this.url : "";
    }

    open(method, address) {
      this.#flight.abort();
      this.#isSent = false;
      this.#response = undefined;
      this.response = "";
      this.method = method;
      this.url = String(new URL(address, "https://app.example/inbox/"));
      this.headers = new Headers();
      this.#move(1);
    }

    setRequestHeader(name, value) {
      this.headers.append(name, value);
    }

    getAllResponseHeaders() {
      return [...(this.#response?.headers ?? [])].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    }

    send(body) {
      this.#isSent = true;
      const flight = (this.#flight = new AbortController());
      this.#tell("loadstart");
      const { method, headers } = this;
      const sending = server.fetch(this.url, { method, headers, body, signal: flight.signal });
      sending.then((response) => this.#receive(response, flight)).catch(() => this.#fail(flight));
    }

    abort() {
      if (this.readyState === 1 && !this.#isSent) return;
      const isUnderWay = this.readyState > 0 && this.readyState < 4;
      this.#flight.abort();
      this.#response = undefined;
      if (isUnderWay) {
        this.#move(4);
        this.#tell("abort", "loadend");
      }
      this.readyState = 0;
    }

    async #receive(response, flight) {
      if (flight.signal.aborted) return;
      this.#response = response;
      this.#move(2);
      const text = await response.text();
      await new Promise(setImmediate);
      if (flight.signal.aborted) return;
      this.response = text;
      this.#move(4);
      this.#tell("load", "loadend");
    }

    #fail(flight) {
      if (flight.signal.aborted) return;
      this.#response = undefined;
      this.#move(4);
      this.#tell("error", "loadend");
    }

    #move(state) {
      if (this.readyState === state) return;
      this.readyState = state;
      this.#tell("readystatechange");
    }

    #tell(...types) {
      for (const type of types) this.dispatchEvent(new Event(type));
    }
  };
}

globalThis.ProgressEvent ??= class ProgressEvent extends Event {};
