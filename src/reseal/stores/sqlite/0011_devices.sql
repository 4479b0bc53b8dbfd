-- What the list of devices shows of a session and nothing else needs, as a JSON object, and the words of whoever ended it.
-- Both are NULL unless somebody asked for them, and no refresh writes them.

ALTER TABLE session ADD COLUMN about TEXT;

ALTER TABLE session ADD COLUMN end_note TEXT;
