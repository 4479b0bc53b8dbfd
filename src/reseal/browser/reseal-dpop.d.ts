/*! reseal-browser 0.1.0 | Apache-2.0 */

import type { MakeProofs } from "./reseal-browser.js";

/** Pass this as the option `dpop`. */
export declare const dpop: MakeProofs;
