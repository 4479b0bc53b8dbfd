"""Delivery of events from the outbox to endpoints, as Standard Webhooks."""
