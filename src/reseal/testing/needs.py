"""The package that the browsers and simulators are made of. It is an optional one."""

try:
    import httpx
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f'the browsers and simulators of reseal.testing need httpx: pip install "reseal[testing]" ({_error})'
    ) from None

__all__ = ["httpx"]
