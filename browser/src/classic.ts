/** Everything a page may use, for the script that is no module: the members of the global `reseal`. */

export * from "./index.js";
export { dpop } from "./dpop.js";
export { intercept } from "./intercept.js";
