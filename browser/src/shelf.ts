/** A place for small named texts which all tabs share, and the one that header mode uses. */

import type { Environment, SessionStorage } from "./contract.js";

export interface Shelf {
  /** An empty text counts as absent. */
  read(name: string): string | undefined;
  write(name: string, value: string): void;
  erase(name: string): void;
}

/** The browser's storage for scripts; the memory of this tab takes what the browser does not. */
export function createStorageShelf({ storage }: Environment): Shelf {
  const memory = new Map<string, string>();
  return {
    read(name) {
      return memory.get(name) || attempt((area) => area.getItem(name)) || undefined;
    },
    write(name, value) {
      memory.delete(name);
      try {
        storage().setItem(name, value);
      } catch {
        memory.set(name, value); // Full, or forbidden to this page.
      }
    },
    erase(name) {
      memory.delete(name);
      attempt((area) => area.removeItem(name));
    },
  };

  /** Where the browser forbids its storage nothing can have been written, so there is nothing to read or to erase. */
  function attempt<T>(use: (area: SessionStorage) => T): T | undefined {
    try {
      return use(storage());
    } catch {
      return undefined;
    }
  }
}
