/**
 * Records the worker's session in IndexedDB, encrypted with AES-GCM under a key that no script can read out. A script of
 * the same origin can still use the key where it lies. So this stops one that carries storages away to read them
 * elsewhere, and not one that is made for it.
 */

import { createDatabase } from "./database.js";
import type { SessionRecord } from "./record.js";

const KEY = "key";
const SEALED = "sealed";
const ALGORITHM = "AES-GCM";
/** The nonce length for which GCM is made. A random one is used a few times a day, far below the limit of 2^32. */
const NONCE_BYTES = 12;

interface Sealed {
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly data: ArrayBuffer;
}

/** Make the record in the database of this name. */
export function createSealedRecord(name: string): SessionRecord {
  const { run } = createDatabase(name, "record");

  async function load(): Promise<[string, string][]> {
    const [key, sealed] = (await run("readonly", (store) => [store.get(KEY), store.get(SEALED)])) as Stored;
    if (!key || !sealed) return [];
    const plain = await crypto.subtle.decrypt({ name: ALGORITHM, iv: sealed.nonce }, key, sealed.data);
    return JSON.parse(new TextDecoder().decode(plain)) as [string, string][]; // Authenticated: we wrote it.
  }

  async function save(entries: [string, string][]): Promise<void> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const plain = new TextEncoder().encode(JSON.stringify(entries));
    const data = await crypto.subtle.encrypt({ name: ALGORITHM, iv: nonce }, await keyOfThisBrowser(), plain);
    await run("readwrite", (store) => [store.put({ nonce, data } satisfies Sealed, SEALED)]);
  }

  async function keyOfThisBrowser(): Promise<CryptoKey> {
    const [known] = (await run("readonly", (store) => [store.get(KEY)])) as [CryptoKey | undefined];
    if (known) return known;
    const key = await crypto.subtle.generateKey({ name: ALGORITHM, length: 256 }, false, ["encrypt", "decrypt"]);
    await run("readwrite", (store) => [store.put(key, KEY)]);
    return key;
  }

  return { load, save };
}

type Stored = [key: CryptoKey | undefined, sealed: Sealed | undefined];
