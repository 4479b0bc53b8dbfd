/**
 * The keys of this browser for one API, shared by its tabs. Their private halves cannot be read out by anybody: the browser
 * keeps them, and signs.
 *
 * Usually there is one. There are two when a tab signs in while another one signs out; each is found by its thumbprint.
 */

import type { DeviceKey, DeviceKeys } from "./contract.js";
import { createDatabase } from "./database.js";

/** Keys in the database of this name. Rejects where the browser has none, as some do in private windows. */
export function createDeviceKeys(name: string): DeviceKeys {
  const { run } = createDatabase(name, "keys");

  async function all(): Promise<DeviceKey[]> {
    return ((await run("readonly", (store) => [store.getAll()])) as [DeviceKey[]])[0];
  }

  async function keep(key: DeviceKey): Promise<void> {
    await run("readwrite", (store) => [store.put(key, key.thumbprint)]);
  }

  /** In one transaction: of two tabs that come with a key each, the second gets that of the first. */
  async function offer(key: DeviceKey): Promise<DeviceKey> {
    let refusal: unknown;
    const [kept] = (await run("readwrite", (store) => {
      const found = store.getAll();
      found.onsuccess = () => {
        try {
          if (found.result.length === 0) store.put(key, key.thumbprint);
        } catch (error) {
          refusal = error; // Some browsers keep data and no keys. An error that is thrown here would be the page's.
        }
      };
      return [found];
    })) as [DeviceKey[]];
    if (refusal !== undefined) throw refusal;
    return kept[0] ?? key;
  }

  async function remove(thumbprint: string): Promise<void> {
    await run("readwrite", (store) => [store.delete(thumbprint)]);
  }

  return { all, keep, offer, remove };
}

/** Keys that end with the page or the worker. */
export function createKeysInMemory(): DeviceKeys {
  const keys = new Map<string, DeviceKey>();
  const keep = async (key: DeviceKey) => void keys.set(key.thumbprint, key);
  return {
    all: async () => [...keys.values()],
    keep,
    offer: async (key) => [...keys.values()][0] ?? (await keep(key), key),
    remove: async (thumbprint) => void keys.delete(thumbprint),
  };
}
