/** Decodes the front token: what the server lets scripts know about the session. */

export interface FrontToken {
  readonly userId: string | undefined;
  readonly payload: Record<string, unknown> | undefined;
}

const UNREADABLE: FrontToken = { userId: undefined, payload: undefined };

/** Decode base64 of UTF-8 JSON. Anything else is a session about which nothing is known, not an error. */
export function decodeFrontToken(token: string | undefined): FrontToken {
  if (token === undefined) return UNREADABLE;
  try {
    const bytes = Uint8Array.from(atob(token), (character) => character.charCodeAt(0));
    return describe(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return UNREADABLE;
  }
}

function describe(content: unknown): FrontToken {
  if (!isRecord(content)) return UNREADABLE;
  return {
    userId: typeof content["uid"] === "string" ? content["uid"] : undefined,
    payload: isRecord(content["up"]) ? content["up"] : undefined,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
