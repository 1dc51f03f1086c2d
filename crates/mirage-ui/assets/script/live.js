/* What says whether a page is live. Each page works without script. */
(() => {
  "use strict";
  const state = document.getElementById("live-state");
  const say = (words) => { state.textContent = words; state.hidden = !words; };

  /* A stream that broke off says so until it is back; so does a form that did not get through. */
  document.body.addEventListener("htmx:sseError", () => say("Not live, reconnecting…"));
  document.body.addEventListener("htmx:sseOpen", () => say(""));
  document.body.addEventListener("htmx:sendError", () => say("The platform does not answer."));
  document.body.addEventListener("htmx:responseError", () => say("That did not work. Load the page anew."));
  document.body.addEventListener("htmx:afterOnLoad", () => say(""));

  /* A browser keeps pages for the way back, with their streams, and has six connections for all of them. So a page that is
     left ends its own, and one that is come back to is loaded anew. */
  const streams = new Set(), open = htmx.createEventSource;
  htmx.createEventSource = (url) => {
    const stream = open(url);
    streams.add(stream);
    return stream;
  };
  addEventListener("pagehide", () => streams.forEach((stream) => stream.close()));
  addEventListener("pageshow", (event) => {
    if (event.persisted && document.querySelector("[sse-connect], [data-stream]")) location.reload();
  });
})();
