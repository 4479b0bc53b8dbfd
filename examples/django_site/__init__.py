"""A site of Django without any JavaScript: its login, its forms and its admin, on sessions of Reseal."""
