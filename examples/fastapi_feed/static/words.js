/** What the page says about events and endings. */

/** Why a session ended, by the reason in the server's answer. */
export const ENDINGS = {
  theft: {
    title: "Your session was ended to protect you",
    text: "A refresh token was used twice, so two parties hold this session. Nobody can tell from here which one is you: both are signed out, and the copy is worthless. Please sign in again.",
  },
  user_revoked: { title: "Signed out everywhere", text: "All sessions of this user were ended, this one with them." },
  signed_out: { title: "You are signed out", text: "The session is ended on the server as well: a copy of its tokens opens nothing." },
  revoked: { title: "Your session was ended", text: "Somebody in charge ended it. Please sign in again." },
  replaced: { title: "You signed in anew", text: "A new sign-in in this browser replaced the session." },
  expired: { title: "You were away for long", text: "The session reached its idle limit. Please sign in again." },
  absolute_timeout: { title: "Time to sign in again", text: "The session reached the end that refreshing cannot move." },
  elsewhere: { title: "You are signed out", text: "The session was ended in another tab." },
  other: { title: "Your session is over", text: "Please sign in again." },
};

/** A security event of the server as an entry of the panel. `race` is the race window in seconds. */
export function entryOf(event, { isOwn, race }) {
  const { name, generation, reason, by_thief: byThief } = event;
  const from = byThief ? "server · thief" : "server";
  const entry = (kind, title, why) => ({ at: event.at, kind, from, title, why });
  switch (name) {
    case "session_created":
      return isOwn
        ? entry("notable", "Session created: generation 0", "The first access token and the first refresh token. The database keeps only a hash of the latter.")
        : entry("notable", "The same user signed in elsewhere", "Another session, with a line of tokens of its own.");
    case "session_refreshed":
      return byThief
        ? entry("theft", `The thief refreshed first: generation ${generation - 1} → ${generation}`, "He holds the current token now, and yours is the spent one. Your next refresh will show that there are two of you.")
        : entry("refreshed", `Refreshed: generation ${show(generation, -1)} → ${show(generation)}`);
    case "session_replayed":
      return byThief
        ? entry("warn", `The thief got the same successor: generation ${show(generation)}`, "Up to now he looks like a second tab or a lost answer. As soon as one of you moves on, the other gives himself away.")
        : entry("notable", `Asked again, same successor: generation ${show(generation)}`, `The spent token came once more, which honest browsers do when an answer is lost or tabs race (window: ${race} s). It gets the same successor; there is never a second one, and nobody is accused.`);
    case "session_in_step":
      return entry("warn", "Three generations in a row were asked for twice", "Perhaps two parties refresh in step. It is reported; nobody is signed out for it.");
    case "session_revoked":
      return isOwn
        ? entry("warn", `Session ended: ${plain(reason)}`, "From now on no refresh succeeds, and no check against the database.")
        : entry("warn", `Another session of yours ended: ${plain(reason)}`, "The browser there learns it with its next refresh.");
    case "token_theft":
      return isOwn
        ? entry("theft", "Theft: TOKEN_THEFT_DETECTED", `User ${event.user}, session ${short(event.session)}: ${came(reason)} came back, from ${deviceOf(event.device)}. A spent token is only ever used again by a second holder.`)
        : entry("theft", "Theft detected in another session of yours", `${capital(came(reason))} came back there.`);
    case "refresh_refused":
      return byThief
        ? entry("warn", `Thief refused: ${plain(reason)}`, "The session is over, so his copy opens nothing.")
        : entry("warn", `Refresh refused: ${plain(reason)}`, "The page goes back to the sign-in form.");
    case "session_bound":
      return entry("notable", isOwn ? "Session bound to this device" : "Another session was bound to its device", "From now on a refresh needs a proof of the device's key, which no copy of cookies contains.");
    case "binding_refused":
      return entry("theft", "Refused: not the device of this session", "The cookies are right and the key is not. Only this caller is refused; the owner notices nothing.");
    default:
      return entry("notable", plain(name), "");
  }
}

/** What the thief would get, if he used what he has now. */
export function forecastOf({ thief, generation, isAhead, race, validity }) {
  if (isAhead) {
    return `He is ahead: he holds generation ${thief.generation}, you hold ${thief.generation - 1}. Your next refresh, in ${validity} s at most, shows that there are two of you.`;
  }
  return {
    first: `He holds generation ${thief.generation}, the current one. If he uses it now, he is the first, and your own token becomes the spent one. Or wait until your browser has refreshed.`,
    race: `If he uses it now, he gets the same successor as you: the last refresh was less than ${race} s ago, and two tabs look just like this. Wait a moment.`,
    unconfirmed: `If he uses it now, he gets the same successor as you: nobody has shown generation ${generation} at the database yet, so its answer may have been lost on the way. Wait for your next refresh, or press “Ask the database”.`,
    caught: `If he uses it now, he is caught: he holds generation ${thief.generation}, and your browser has moved on to ${generation}.`,
    ended: "The session is over, and his copy with it.",
  }[thief.forecast];
}

export function came(subtype) {
  return subtype === "previous" ? "the token before the current one" : "an old, spent token";
}

export function deviceOf(device) {
  if (!device) return "an unknown place";
  const where = device.ip ? ` at ${device.ip}` : "";
  return `${browserOf(device.user_agent)}${where}`;
}

/** A short name for a user agent: for reading, not for deciding. */
export function browserOf(userAgent) {
  if (!userAgent) return "an unknown browser";
  const find = (pairs) => pairs.find(([sign]) => userAgent.includes(sign))?.[1];
  const browser = find([["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]]);
  const system = find([["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "Mac"], ["Linux", "Linux"]]);
  if (!browser) return userAgent.slice(0, 60);
  return system ? `${browser} on ${system}` : browser;
}

export function short(handle) {
  return `${handle.slice(0, 8)}…`;
}

export function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

function plain(word) {
  return String(word ?? "unknown").replaceAll("_", " ");
}

function show(generation, less = 0) {
  return generation === null || generation === undefined ? "?" : generation + less;
}
