-- What the steady clock of the machine said when the time was noted, and in which run of it: so that a restart can tell a
-- wall clock that is fast. The era counts repairs: what a process remembers of an earlier one is void.

ALTER TABLE high_water ADD COLUMN run TEXT;

ALTER TABLE high_water ADD COLUMN steady INTEGER NOT NULL DEFAULT 0;

ALTER TABLE high_water ADD COLUMN era INTEGER NOT NULL DEFAULT 0;
