-- What the list of devices shows of a session and nothing else needs, as a JSON object, and the words of whoever ended it.
-- Both are NULL unless somebody asked for them, and no refresh writes them.

ALTER TABLE reseal_session ADD COLUMN about text COLLATE "C";

ALTER TABLE reseal_session ADD COLUMN end_note text COLLATE "C";
