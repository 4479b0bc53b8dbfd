from __future__ import annotations

from tests.django import project

project.configure()
