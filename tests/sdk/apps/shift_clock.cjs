"use strict";
// Makes the tests' clock that of the process, before anything else is loaded: node --require shift_clock.cjs …
// How far it is ahead stands in the file that RESEAL_TEST_CLOCK names: milliseconds, 8 bytes, little-endian.

const fs = require("node:fs");

const file = fs.openSync(process.env.RESEAL_TEST_CLOCK);
const read = Buffer.alloc(8);
const machines = Date.now;

function now() {
    fs.readSync(file, read, 0, 8, 0);
    return machines() + Number(read.readBigUInt64LE());
}

Date.now = now;
globalThis.Date = new Proxy(Date, {
    construct: (target, given, caller) => Reflect.construct(target, given.length === 0 ? [now()] : given, caller),
    apply: () => new Date(now()).toString(),
});
