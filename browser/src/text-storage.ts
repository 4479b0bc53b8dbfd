/** A place for small named texts which all tabs share, and the one that header mode uses. */

import type { Environment } from "./contract.js";

export interface TextStorage {
  /** An empty text counts as absent. */
  read(name: string): string | undefined;
  write(name: string, value: string): void;
  erase(name: string): void;
}

/** The browser's storage for scripts; the memory of this tab takes what the browser does not. */
export function createLocalTextStorage({ storage }: Environment): TextStorage {
  const area: TextStorage = {
    read: (name) => storage().getItem(name) ?? undefined,
    write: (name, value) => storage().setItem(name, value),
    erase: (name) => storage().removeItem(name),
  };
  return backed(area, () => true); // Full, or forbidden to this page, or there is none.
}

/** A storage with the memory of this tab behind it, for what fails with an expected error. */
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
    read: (name) => memory.get(name) || attempt(() => texts.read(name)) || undefined,
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
