"""The browser side of a session, without a browser, a framework or a socket.

Facts of a request go in; cookies, headers and answers come out. Nothing here waits, reads a clock or draws a
random number: an adapter makes :class:`~reseal.web.facts.RequestFacts`, and writes what it finds in
:class:`~reseal.web.headers.SessionHeaders`.
"""
