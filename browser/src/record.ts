/** A place for the session that outlives the service worker. */
export interface SessionRecord {
  /** Give what was saved last; nothing if nothing was. */
  load(): Promise<[name: string, value: string][]>;
  save(entries: [name: string, value: string][]): Promise<void>;
}
