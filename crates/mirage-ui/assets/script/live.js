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

  /* A browser has six connections for all pages of a platform, those in the background and those it keeps for the way
     back too. So a page that nobody looks at ends its streams, and opens them again when somebody does. */
  let resting = false;
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
  const rest = () => {
    resting = true;
    streams.forEach((stream) => stream.close());
    streams.clear();
  };
  addEventListener("pagehide", rest);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return rest();
    if (!resting) return;
    resting = false;
    document.querySelectorAll("[sse-connect], [sse-swap]").forEach((one) => htmx.trigger(one, "htmx:afterProcessNode"));
    document.dispatchEvent(new Event("wake"));
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted && document.querySelector("[sse-connect], [data-stream]")) location.reload();
  });
})();
