"""The browser side of a session, without a browser, a framework or a socket.

Facts of a request go in; cookies, headers and responses come out. There is no I/O, no clock and no
randomness here: an adapter makes :class:`~reseal.web.facts.RequestFacts`, and sends the content of
:class:`~reseal.web.headers.SessionHeaders`.
"""
