"""The suites and doubles, in the colour that waits with ``await``; the other one is generated."""
