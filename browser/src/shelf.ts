/** A place for small named texts which all tabs share, and the one that header mode uses. */

import type { Environment } from "./contract.js";

export interface Shelf {
  /** An empty text counts as absent. */
  read(name: string): string | undefined;
  write(name: string, value: string): void;
  erase(name: string): void;
}

/** The browser's storage for scripts; the memory of this tab takes what the browser does not. */
export function createStorageShelf({ storage }: Environment): Shelf {
  const area: Shelf = {
    read: (name) => storage().getItem(name) ?? undefined,
    write: (name, value) => storage().setItem(name, value),
    erase: (name) => storage().removeItem(name),
  };
  return backed(area, () => true); // Full, or forbidden to this page, or there is none.
}

/** A shelf with the memory of this tab behind it, for what fails with an expected error. */
export function backed(shelf: Shelf, isExpected: (error: unknown) => boolean): Shelf {
  const memory = new Map<string, string>();

  function attempt<T>(use: () => T, otherwise?: () => unknown): T | undefined {
    try {
      return use();
    } catch (error) {
      if (!isExpected(error)) throw error;
      otherwise?.();
      return undefined;
    }
  }

  return {
    read: (name) => memory.get(name) || attempt(() => shelf.read(name)) || undefined,
    write(name, value) {
      memory.delete(name);
      attempt(() => shelf.write(name, value), () => memory.set(name, value));
    },
    erase(name) {
      memory.delete(name);
      attempt(() => shelf.erase(name));
    },
  };
}
