// Keeps the numbers of a page up to date: by a stream of events, or from the JSON API where that fails twice. Both
// bring the same JSON. Owns no words: those are in the templates, and each element names what it shows:
// data-field (a place in the JSON), data-as (how it is written).
"use strict";
(() => {
  const RATE_WINDOW_MS = 10_000;
  const SHORTEST_RATE_MS = 2_500; // of less, one event more or less would say anything
  const STALE_AFTER_MS = 5_000;
  const ANNOUNCE_EVERY_MS = 10_000;
  const GIVE_UP_MS = 10_000;
  const SILENCE_MS = 40_000; // the stream says something every 15 s
  const MOST_FAILURES = 2;
  const POLLS_BEFORE_STREAM = 20;
  const page = document.querySelector("[data-live]");
  if (!page) return;
  const pulse = document.querySelector("[data-pulse]");
  const announcer = document.querySelector("[data-announce]");
  const news = document.querySelector("[data-news]");
  const samples = []; // of one job: [ms, bytes moved]
  let rate = null;
  const pause = document.querySelector("[data-pause]");
  let heardAt = Date.now();
  let announcedAt = 0;
  let skew = 0; // of the server's clock
  let latest = null;
  let goesOn = true;
  let stream = null;
  let failures = 0;
  let polls = 0;
  let etag = "";
  let timer = 0;

  const count = (n) => n.toLocaleString("en-US");
  const size = (n) => {
    const power = [4, 3, 2, 1].find((p) => n >= 1024 ** p);
    return power ? `${(n / 1024 ** power).toFixed(1)} ${["KiB", "MiB", "GiB", "TiB"][power - 1]}` : `${Math.floor(n)} B`;
  };
  const duration = (seconds) => {
    const s = Math.round(seconds), m = Math.floor(s / 60);
    if (s < 60) return `${s} s`;
    return m < 60 ? `${m} m ${s % 60} s` : `${Math.floor(m / 60)} h ${m % 60} m`;
  };
  const write = {
    count, size, duration,
    text: String,
    online: (n) => (n === null ? "unknown" : count(n)),
    words: (text) => text.replaceAll("_", " "),
    rate: (n) => (n === null ? "–" : `${size(n)}/s`),
    limit: (n) => (n ? `${size(n)}/s` : "none"),
    left: (seconds) => (seconds === null ? "–" : duration(seconds)),
    moment: (iso) => `${iso.slice(0, 19).replace("T", " ")} UTC`,
    visible: (text) => text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
      (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")),
  };
  const look = (job, path) => path.split(".").reduce((at, name) => at[name], job);

  // The same arithmetic as web/view.py, so that a reload changes nothing.
  function complete(job, now) {
    const t = job.totals, hasEnded = job.phase === "ended";
    const of = (unit) => t.copied[unit] + t.skipped[unit] + t.failed[unit] + t.cancelled[unit];
    t.ended = { objects: of("objects"), bytes: of("bytes") };
    t.pending = { objects: t.listed.objects - t.ended.objects, bytes: t.listed.bytes - t.ended.bytes };
    const underWay = Math.max(0, job.moved_bytes - t.copied.bytes);
    job.lacks_moved = job.moved_bytes === null;
    job.max = t.listed.bytes || t.listed.objects;
    job.done_bytes = Math.min(t.listed.bytes, t.ended.bytes + underWay);
    job.value = t.listed.bytes ? job.done_bytes : t.ended.objects;
    job.percent = job.max ? Math.floor((100 * job.value) / job.max) : job.state === "completed" ? 100 : 0;
    if (t.pending.objects > 0 || !hasEnded) job.percent = Math.min(job.percent, 99);
    job.elapsed_s = Math.max(0, ((hasEnded ? Date.parse(job.changed_at) : now) - Date.parse(job.created_at)) / 1000);
    job.average = hasEnded ? t.copied.bytes / Math.max(1, job.elapsed_s) : null;
    return job;
  }

  function measure(job) {
    const now = performance.now();
    if (job.moved_bytes === null) return rate; // it is not known while Redis is away
    const moved = Math.max(job.moved_bytes, job.totals.copied.bytes);
    if (samples.length && moved < samples.at(-1)[1]) samples.length = 0; // a new run counts from the start
    samples.push([now, moved]);
    while (samples.length > 2 && now - samples[1][0] >= RATE_WINDOW_MS) samples.shift();
    const [[at, bytes]] = samples;
    rate = now - at < SHORTEST_RATE_MS ? null : ((moved - bytes) * 1000) / (now - at);
    return rate;
  }

  function show(box, job) {
    box.dataset.state = job.state;
    for (const element of box.querySelectorAll("[data-field]")) {
      const value = look(job, element.dataset.field);
      const text = write[element.dataset.as](value);
      if (element.textContent !== text) element.textContent = text;
      if (element.dateTime) element.dateTime = value;
      element.toggleAttribute("data-zero", value === 0);
    }
    for (const element of box.querySelectorAll("[data-phase]")) {
      element.hidden = !element.dataset.phase.split(" ").includes(job.phase);
    }
    for (const element of box.querySelectorAll("[data-step]")) {
      if (element.dataset.step === job.phase) element.setAttribute("aria-current", "step");
      else element.removeAttribute("aria-current");
    }
    for (const element of box.querySelectorAll("[data-shown]")) element.hidden = !look(job, element.dataset.shown);
    const bar = box.querySelector("[data-bar]");
    bar.max = job.max || 1;
    bar.value = job.max ? job.value : Math.floor(job.percent / 100);
  }

  function say(job) {
    if (!announcer || (Date.now() - announcedAt < ANNOUNCE_EVERY_MS && job.phase !== "ended")) return;
    announcedAt = Date.now();
    announcer.textContent = `${write.words(job.state)}, ${job.percent} %, ${count(job.totals.failed.objects)} failed`;
  }

  function beat(kind, text) {
    pulse.hidden = !kind;
    pulse.dataset.pulse = kind;
    if (pulse.textContent !== text) pulse.textContent = text;
    if (kind === "stale" && announcer) announcer.textContent = text;
  }

  // Returns whether there is anything more to wait for.
  function take(answer) {
    const now = Date.now() + skew;
    if (answer.jobs) {
      const boxOf = (job) => page.querySelector(`[data-job="${CSS.escape(job.id)}"]`);
      if (news) news.hidden = !answer.jobs.length || Boolean(boxOf(answer.jobs[0]));
      for (const element of page.querySelectorAll("[data-sum]")) {
        const text = write[element.dataset.as](answer[element.dataset.sum]);
        if (element.textContent !== text) element.textContent = text;
      }
      answer.jobs.forEach((job) => boxOf(job) && show(boxOf(job), complete(job, now)));
      return true;
    }
    const job = complete(answer, now);
    job.rate = measure(job);
    const left = job.totals.listed.bytes - job.done_bytes;
    job.left_s = job.rate > 0 && left > 0 ? left / job.rate : null; // shown once all is listed
    show(page, job);
    say(job);
    if (job.rate !== null) page.dispatchEvent(new CustomEvent("pace", { detail: { at: now / 1000, rate: job.rate } }));
    return job.phase !== "ended";
  }

  function hear(answer) {
    heardAt = Date.now();
    if (answer) latest = answer;
    if (latest) goesOn = take(latest);
    beat(goesOn ? "live" : "", "live");
  }

  function miss() {
    const isStale = Date.now() - heardAt > STALE_AFTER_MS;
    const since = new Date(heardAt).toLocaleTimeString("en-GB");
    beat(isStale ? "stale" : "reconnecting", isStale ? `stale since ${since}` : "reconnecting");
  }

  function listen() {
    stop();
    if (!window.EventSource || failures >= MOST_FAILURES) return poll();
    stream = new EventSource(page.dataset.events);
    const on = (name, act) => stream.addEventListener(name, act);
    const tellTime = (event) => { skew = Number(event.data) - Date.now(); };
    on("hello", (event) => { failures = 0; tellTime(event); });
    on("beat", (event) => { tellTime(event); hear(); });
    on("snapshot", (event) => hear(JSON.parse(event.data)));
    on("away", miss);
    on("end", () => { goesOn = false; stop(); beat("", ""); });
    on("error", fail);
    tick();
  }

  function fail() {
    failures += 1;
    miss();
    const isOver = stream.readyState === EventSource.CLOSED; // else the browser itself tries again
    if (failures < MOST_FAILURES && !isOver) return;
    stop();
    timer = setTimeout(next, Number(page.dataset.everyMs));
  }

  // Between two events time goes on, and a rate falls when no byte arrives.
  function tick() {
    timer = setTimeout(() => {
      if (Date.now() - heardAt > SILENCE_MS) {
        failures += 1;
        heardAt = Date.now();
        return next();
      }
      if (pulse.dataset.pulse === "live" && latest && !latest.jobs) take(latest);
      else if (pulse.dataset.pulse !== "live") miss();
      tick();
    }, 1000);
  }

  async function poll() {
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const response = await fetch(page.dataset.live, { headers, cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
      if (!response.ok && response.status !== 304) throw new Error(response.status);
      skew = (Date.parse(response.headers.get("Date")) || Date.now()) - Date.now();
      etag = response.headers.get("ETag") || "";
      hear(response.ok ? await response.json() : null);
    } catch {
      miss();
    }
    polls = (polls + 1) % POLLS_BEFORE_STREAM;
    if (!polls) failures = 0; // the stream may be back
    if (goesOn && isWanted()) timer = setTimeout(next, Number(page.dataset.everyMs));
  }

  const isWanted = () => !document.hidden && !document.documentElement.hasAttribute("data-paused");

  function stop() {
    clearTimeout(timer);
    if (stream) stream.close();
    stream = null;
  }

  // A tab that nobody sees asks for nothing, and asks at once when it is seen again.
  function next() {
    stop();
    if (goesOn && isWanted()) listen();
  }
  document.addEventListener("visibilitychange", next);
  pause.addEventListener("click", () => {
    const isPaused = document.documentElement.toggleAttribute("data-paused");
    pause.setAttribute("aria-pressed", String(isPaused));
    if (isPaused) beat("paused", `updates paused at ${new Date().toLocaleTimeString("en-GB")}`);
    next();
  });
  if (!page.querySelector('[data-phase="ended"]:not([hidden])')) {
    pause.hidden = false;
    next();
  }
})();
