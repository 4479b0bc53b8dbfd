/** The session as React state. */

import { useCallback, useSyncExternalStore } from "react";

const CHANGES = ["SESSION_CREATED", "REFRESH_SESSION", "SIGN_OUT", "SESSION_EXPIRED"];

/** The signed-in user's id, or undefined. Follows the session, whichever tab changes it. */
export function useUserId(session) {
  const subscribe = useCallback(
    (changed) => {
      const undoings = CHANGES.map((event) => session.on(event, changed));
      return () => undoings.forEach((undo) => undo());
    },
    [session],
  );
  return useSyncExternalStore(subscribe, () => session.getUserId(), () => undefined); // On a server there is no session.
}
