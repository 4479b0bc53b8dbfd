/** A list of listeners for each event. A listener that throws is reported and does not affect the others. */

import type { Environment, SessionEventName, SessionEvents, SessionListener } from "./contract.js";

export interface Events {
  on<E extends SessionEventName>(event: E, listener: SessionListener<E>): () => void;
  emit<E extends SessionEventName>(event: E, detail: SessionEvents[E]): void;
  /** Remove all listeners. */
  close(): void;
}

export function createEvents(environment: Environment): Events {
  // One entry for each `on`, so that a function registered twice is called twice and unsubscribes once.
  const entries = new Set<{ event: SessionEventName; call: (detail: unknown) => void }>();
  return {
    on(event, listener) {
      const entry = { event, call: listener as (detail: unknown) => void }; // `emit` pairs the name with its detail.
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    emit(event, detail) {
      for (const entry of [...entries]) {
        if (entry.event === event) callSafely(entry.call, detail);
      }
    },
    close: () => entries.clear(),
  };

  function callSafely(listener: (detail: unknown) => void, detail: unknown): void {
    try {
      listener(detail);
    } catch (error) {
      environment.reportError(error);
    }
  }
}
