"""The one script of the store: commands that run if what was read before still stands. Knows no driver.

Decisions stay in Python, in the functions of ``core`` that the store in memory uses, too. A change is read, decided and
written; who finds that somebody else was first reads again.
"""

from __future__ import annotations

from typing import Final

ABSENT: Final = b"false"
"""What a condition expects where there is nothing."""
NONE: Final = b"0"
"""What ``EXISTS`` answers where there is no such key."""
Word = str | bytes | int
Command = tuple[Word, ...]
"""Its second word is a key, or the channel of an announcement."""

SCRIPT: Final = b"""
local at = 2
local function take()
  local words, count = {}, tonumber(ARGV[at])
  for n = 1, count do words[n] = ARGV[at + n] end
  at = at + count + 1
  return words
end
for _ = 1, tonumber(ARGV[1]) do
  local condition = take()
  if tostring(redis.call(unpack(condition, 2))) ~= condition[1] then return 0 end
end
while at <= #ARGV do
  local command = take()
  local run = command[1] == 'PUBLISH' and redis.pcall or redis.call
  run(unpack(command))
end
return 1
"""
"""Its arguments: how many conditions there are, each of them with what it expects, and the commands. Before each is
the number of its words. An announcement that the user has no right to fails nothing."""
SHA: Final = "776791a74a6b049a179d0ae2439034ccb952c2d6"
"""By which a server knows it."""


class Change:
    """Commands on keys of one slot, and what they require. Nothing is done unless all of it holds."""

    __slots__ = ("_commands", "_conditions", "_keys")

    def __init__(self) -> None:
        self._conditions: list[Command] = []
        self._commands: list[Command] = []
        self._keys: dict[Word, None] = {}

    def require(self, expected: Word, *command: Word) -> Change:
        """Run only if a command answers this."""
        self._keys[command[1]] = None
        self._conditions.append((expected, *command))
        return self

    def do(self, *command: Word) -> Change:
        """Run a command."""
        self._keys[command[1]] = None
        self._commands.append(command)
        return self

    def announce(self, channel: str) -> Change:
        """Wake those who listen: once it is done, and only a hint, since nobody may be listening."""
        self._commands.append(("PUBLISH", channel, ""))
        return self

    @property
    def is_needed(self) -> bool:
        """Whether it does anything."""
        return bool(self._commands)

    def words(self) -> Command:
        """Return the command that runs it."""
        words = [word for each in (*self._conditions, *self._commands) for word in (len(each), *each)]
        return ("EVALSHA", SHA, len(self._keys), *self._keys, len(self._conditions), *words)


def whole(words: Command) -> Command:
    """Return the command for a server that does not know the script yet."""
    return ("EVAL", SCRIPT, *words[2:])
