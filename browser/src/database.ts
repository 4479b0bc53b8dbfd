/** IndexedDB as far as it is used: one database with one store, and one transaction at a time. */

export interface Database {
  /** Run requests in one transaction; resolve with their results when it is complete. */
  run(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest[]): Promise<unknown[]>;
}

/** The database of this name, which is opened for each transaction: nothing is to be closed at the end. */
export function createDatabase(name: string, store: string): Database {
  return {
    async run(mode, ask) {
      const database = await opened(name, store);
      try {
        return await new Promise((resolve, reject) => {
          const transaction = database.transaction(store, mode, { durability: "strict" });
          const requests = ask(transaction.objectStore(store));
          transaction.oncomplete = () => resolve(requests.map(({ result }) => result));
          transaction.onabort = () => reject(transaction.error);
        });
      } finally {
        database.close();
      }
    },
  };
}

function opened(name: string, store: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
