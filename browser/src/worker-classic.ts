/** Everything a worker may use, for the script that is no module: the members of the global `reseal`. */

export { dpop } from "./dpop.js";
export * from "./worker.js";
