/** One script for each page. FastAPI serves the pages themselves, as in Vite's "backend integration". */

import { fileURLToPath } from "node:url";

import { defineConfig } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SDK = "../../src/reseal/browser";

export default defineConfig({
  resolve: {
    // Elsewhere the SDK comes from npm or the Python package. Here it lies next door.
    alias: {
      "reseal-browser/intercept": here(`${SDK}/reseal-intercept.js`),
      "reseal-browser/worker": here(`${SDK}/reseal-worker.js`),
      "reseal-browser": here(`${SDK}/reseal-browser.js`),
    },
  },
  build: {
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        axios: here("axios/main.js"),
        htmx: here("htmx/main.js"),
        react: here("react/main.jsx"),
        header: here("header/main.js"),
        worker: here("worker/main.js"),
        "session-worker": here("worker/session-worker.js"),
      },
      output: { entryFileNames: "[name].js", chunkFileNames: "shared-[hash].js" },
    },
  },
});
