-- By which sessions are found that began with one at an identity provider. Most sessions have none, and are in no index.

CREATE INDEX reseal_session_provider_session ON reseal_session ((about::json ->> 'provider_session'))
WHERE about::json ->> 'provider_session' IS NOT NULL;

CREATE INDEX reseal_session_provider_user ON reseal_session ((about::json ->> 'provider_user'))
WHERE about::json ->> 'provider_user' IS NOT NULL;
