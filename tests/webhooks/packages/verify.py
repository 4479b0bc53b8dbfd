"""Verify with the published package: standard input has secrets, headers and body as JSON; prints a verdict for each."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

given = json.load(sys.stdin)
verdicts = []
for secret in given["secrets"]:
    try:
        Webhook(secret).verify(given["body"], given["headers"])
        verdicts.append("valid")
    except WebhookVerificationError as error:
        verdicts.append(str(error))
sys.stdout.write(json.dumps(verdicts))
