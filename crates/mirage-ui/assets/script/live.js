/* What says whether a page is live. Each page works without script. */
(() => {
  "use strict";
  const state = document.getElementById("live-state");
  const say = (words) => { state.textContent = words; state.hidden = !words; };

  /* A stream that broke off says so until it is back; so does a form that did not get through. */
  let woken = 0;
  document.body.addEventListener("htmx:sseError", () => Date.now() - woken > 2000 && say("Not live, reconnecting…"));
  document.body.addEventListener("htmx:sseOpen", () => say(""));
  document.body.addEventListener("htmx:sendError", () => say("The platform does not answer."));
  document.body.addEventListener("htmx:responseError", () => say("That did not work. Load the page anew."));
  document.body.addEventListener("htmx:afterOnLoad", () => say(""));

  /* A browser has six connections for all pages of a platform, those in the background and those it keeps for the way
     back too. So a page that nobody looks at ends its streams. Whoever opened one opens it again when it failed. */
  const streams = new Set(), open = htmx.createEventSource;
  htmx.createEventSource = (url) => {
    const stream = open(url);
    streams.add(stream);
    stream.addEventListener("error", () => stream.readyState === EventSource.CLOSED && streams.delete(stream));
    stream.addEventListener("ended", () => {
      streams.delete(stream);
      stream.close();
      say("You are logged out. Load the page anew.");
    });
    return stream;
  };
  const rest = () => streams.forEach((stream) => stream.close());
  addEventListener("pagehide", rest);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return rest();
    woken = Date.now();
    [...streams].forEach((stream) => stream.readyState === EventSource.CLOSED && stream.dispatchEvent(new Event("error")));
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted && document.querySelector("[sse-connect], [data-stream]")) location.reload();
  });
})();
