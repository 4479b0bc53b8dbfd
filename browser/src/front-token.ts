/** Decodes the front token: what the server lets scripts know about the session. */

export interface FrontToken {
  readonly userId: string | undefined;
  readonly payload: Record<string, unknown> | undefined;
  /** When the access token ends, in milliseconds since 1970 by the server's clock. */
  readonly endsAt: number | undefined;
  /** Does the server know the attempt key? */
  readonly knowsAttempts: boolean;
  /** Is the session in cookies, and bound to the browser, which refreshes it by itself? */
  readonly isBound: boolean;
}

/** Decode base64 of UTF-8 JSON. Anything else is a session about which nothing is known, not an error. */
export function decodeFrontToken(token = ""): FrontToken {
  try {
    const bytes = Uint8Array.from(atob(token), (character) => character.charCodeAt(0));
    return describe(Object(JSON.parse(new TextDecoder().decode(bytes))));
  } catch {
    return describe({});
  }
}

function describe({ uid, ate, up, ik, bound }: Record<string, unknown>): FrontToken {
  return {
    userId: typeof uid === "string" ? uid : undefined,
    payload: isRecord(up) ? up : undefined,
    endsAt: typeof ate === "number" ? ate : undefined,
    knowsAttempts: ik === 1,
    isBound: bound === 1,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
