/* The log: follows, holds still while somebody reads, marks what is looked for. Its lines are made by the server. */
(() => {
  "use strict";
  const by = (id) => document.getElementById(id);
  const log = by("log"), lines = by("log-lines"), fresh = by("log-new"), copy = by("log-copy"), form = by("log-form");
  if (!log) return;
  const CHUNK = 200, MOST = 100000, FRAME = 10, MARKS = 2000;

  let total = lines.querySelectorAll(".chunk > *").length, dropped = 0;
  let following = true, top = 0, unseen = 0, waiting = [], scheduled = 0;

  const say = (words) => { by("live-state").textContent = words; by("live-state").hidden = !words; };
  const toEnd = () => { log.scrollTop = log.scrollHeight; top = log.scrollTop; };
  const seen = () => { following = true; unseen = 0; fresh.hidden = true; };
  /* As many events a frame as keep it short. A page in the background has no frames, and no stream. */
  const schedule = () => {
    if (scheduled || !waiting.length) return;
    scheduled = requestAnimationFrame(() => { scheduled = 0; show(); schedule(); });
  };
  const show = () => {
    const made = document.createElement("template");
    made.innerHTML = waiting.splice(0, FRAME).join("");
    const added = [...made.content.children];
    let chunk = lines.lastElementChild;
    for (let at = 0; at < added.length;) {
      if (!chunk || chunk.childElementCount >= CHUNK) {
        lines.append(chunk = Object.assign(document.createElement("div"), { className: "chunk" }));
      }
      chunk.append(...added.slice(at, at += CHUNK - chunk.childElementCount));
    }
    total += added.length;
    by("log-empty")?.remove();
    drop();
    if (following) toEnd();
    else {
      unseen += added.length;
      fresh.textContent = `${unseen.toLocaleString("en")} new ${unseen === 1 ? "line" : "lines"}, go to the end`;
      fresh.hidden = false;
    }
    markSoon();
  };
  const drop = () => {
    if (total <= MOST) return;
    for (let first; total > MOST && (first = lines.firstElementChild); first.remove()) {
      total -= first.childElementCount;
      dropped += first.childElementCount;
    }
    by("log-dropped").textContent = `${dropped.toLocaleString("en")} older lines are no longer shown here.`;
    by("log-dropped").hidden = false;
  };

  log.addEventListener("scroll", () => {
    if (log.scrollHeight - log.scrollTop - log.clientHeight < 24) seen();
    else if (log.scrollTop < top - 2) following = false;
    top = log.scrollTop;
  }, { passive: true });
  fresh.addEventListener("click", () => { seen(); toEnd(); log.focus(); });
  new ResizeObserver(() => { if (following) toEnd(); }).observe(lines);

  /* After a cut the browser comes back with the place after the last line it had. Where it gave up, we do the same.
     That a stream ends and the next one begins is no cut that anybody has to hear of. */
  let after = log.dataset.after, pause = 1000, cut = 0, again = 0, source;
  const follow = () => {
    clearTimeout(again);
    source?.close();
    source = htmx.createEventSource(`${log.dataset.stream}&after=${encodeURIComponent(after)}`);
    source.addEventListener("open", () => { clearTimeout(cut); cut = 0; say(""); pause = 1000; });
    source.addEventListener("error", () => {
      cut ||= setTimeout(say, 800, "Not live, reconnecting…");
      if (source.readyState !== EventSource.CLOSED) return;
      again = setTimeout(follow, pause);
      pause = Math.min(pause * 2, 30000);
    });
    source.addEventListener("problem", (event) => say(`Not live: ${event.data}`));
    source.addEventListener("lines", (event) => {
      after = event.lastEventId;
      waiting.push(event.data);
      schedule();
    });
  };

  /* What is being typed is marked at once, the last places of it; sending the form has the server look for it. */
  const words = form.elements.q;
  let timer = 0;
  const markSoon = () => { timer ||= setTimeout(mark, 200); };
  const mark = () => {
    timer = 0;
    const text = words.value, typed = text !== words.defaultValue;
    log.classList.toggle("typed", typed);
    if (!globalThis.Highlight) return;
    CSS.highlights.delete("found");
    if (!typed || !text || form.elements.regex.checked) return;
    const found = new Highlight();
    for (let chunk = lines.lastElementChild; chunk && found.size < MARKS; chunk = chunk.previousElementSibling) {
      for (const line of chunk.children) {
        const whole = line.textContent;
        for (let at = whole.indexOf(text); at >= 0; at = whole.indexOf(text, at + text.length)) {
          const [startContainer, startOffset] = place(line, at), [endContainer, endOffset] = place(line, at + text.length);
          found.add(new StaticRange({ startContainer, startOffset, endContainer, endOffset }));
        }
      }
    }
    CSS.highlights.set("found", found);
  };
  const place = (line, at) => {
    const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    while (walker.nextNode() && at > walker.currentNode.length) at -= walker.currentNode.length;
    return [walker.currentNode, at];
  };
  words.addEventListener("input", markSoon);

  form.elements.nowrap.addEventListener("change", (event) => log.classList.toggle("nowrap", event.target.checked));

  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const text = [...lines.querySelectorAll(".chunk > *")].map((line) => line.textContent).join("\n");
    try {
      await navigator.clipboard.writeText(text);
      by("log-said").textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(lines);
      by("log-said").textContent = "Selected: copy it with the keyboard.";
    }
  });

  document.addEventListener("wake", follow);
  toEnd();
  follow();
})();
