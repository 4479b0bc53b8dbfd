/** The worker's memory for the session, with a persistent record if the session must outlive the worker. */

import type { SessionStorage } from "./contract.js";
import type { SessionRecord } from "./record.js";

export interface WorkerMemory extends SessionStorage {
  /** Resolve when the record is loaded. Never rejects: without a record there is no session yet. */
  opened(): Promise<void>;
  /** Resolve when every change so far is recorded, or has failed. */
  settled(): Promise<void>;
}

export function createWorkerMemory(record: SessionRecord | undefined, reportError: (error: unknown) => void): WorkerMemory {
  const memory = new Map<string, string>();
  let isChanged = false;
  let work = record ? record.load().then(fill).catch(reportError) : Promise.resolve();
  const opened = work;

  function fill(entries: [string, string][]): void {
    for (const [name, value] of entries) memory.set(name, value);
  }

  /** Record all changes of one turn at once. A failure is reported, and the session continues in memory. */
  function changed(): void {
    if (!record) return;
    isChanged = true;
    work = work.then(async () => {
      if (!isChanged) return;
      isChanged = false;
      await record.save([...memory]).catch(reportError);
    });
  }

  return {
    getItem: (name) => memory.get(name) ?? null,
    setItem(name, value) {
      memory.set(name, value);
      changed();
    },
    removeItem(name) {
      if (memory.delete(name)) changed();
    },
    opened: () => opened,
    settled: () => work,
  };
}
