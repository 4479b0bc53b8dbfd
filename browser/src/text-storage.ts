/** Storage for small named texts shared by all tabs, and the implementation for header mode. */

import type { Environment } from "./contract.js";

export interface TextStorage {
  /** The texts of this moment, by one reading: between two readings another tab may write. */
  view(): TextView;
  write(name: string, value: string): void;
  erase(name: string): void;
}

/** One text by its name. An empty text counts as absent. */
export type TextView = (name: string) => string | undefined;

/** The browser's local storage, with this tab's memory as a fallback. */
export function createLocalTextStorage({ storage }: Environment): TextStorage {
  const area: TextStorage = {
    view: () => (name) => storage().getItem(name) ?? undefined,
    write: (name, value) => storage().setItem(name, value),
    erase: (name) => storage().removeItem(name),
  };
  return backed(area, () => true); // Storage may be full, forbidden to this page, or missing.
}

/** A storage that falls back to this tab's memory on expected errors. */
export function backed(texts: TextStorage, isExpected: (error: unknown) => boolean): TextStorage {
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
    view() {
      const seen = attempt(() => texts.view());
      return (name) => memory.get(name) || attempt(() => seen?.(name)) || undefined;
    },
    write(name, value) {
      memory.delete(name);
      attempt(() => texts.write(name, value), () => memory.set(name, value));
    },
    erase(name) {
      memory.delete(name);
      attempt(() => texts.erase(name));
    },
  };
}
