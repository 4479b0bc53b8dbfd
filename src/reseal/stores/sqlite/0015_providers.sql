-- By which sessions are found that began with one at an identity provider. Most sessions have none, and are in no index.

CREATE INDEX session_provider_session ON session (json_extract(about, '$.provider_session'))
WHERE json_extract(about, '$.provider_session') IS NOT NULL;

CREATE INDEX session_provider_user ON session (json_extract(about, '$.provider_user'))
WHERE json_extract(about, '$.provider_user') IS NOT NULL;
