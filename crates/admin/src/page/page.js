// Shows /api/regions, once a second. Names and texts go in as text, never as markup.
"use strict";

const POLL_EVERY_MS = 1000;
const NONE = "–";
const byId = (id) => document.getElementById(id);

function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

const present = (value) => value !== null && value !== undefined;
const number = (ms) => ms.toFixed(ms < 10 ? 1 : 0);

function span(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) return seconds.toFixed(0) + "\u00a0s";
  if (seconds < 3600) return (seconds / 60).toFixed(0) + "\u00a0min";
  if (seconds < 48 * 3600) return (seconds / 3600).toFixed(0) + "\u00a0h";
  return (seconds / 86400).toFixed(0) + "\u00a0days";
}

function times(times) {
  if (!present(times)) return [NONE];
  const range = number(times.min) + "–" + number(times.max);
  return [number(times.average) + " ms ", element("span", "range", range)];
}

// What regions are compared by: the cost of a request as things are, else the score.
const price = (region) => (present(region.cost_ms) ? region.cost_ms : region.score_ms);

function score(region, worst) {
  if (!present(price(region))) return [NONE];
  const bar = element("div", "bar");
  bar.style.width = Math.max(1, (100 * price(region)) / worst) + "%";
  const doubt = present(region.doubt_ms) ? [element("span", "range", " ± " + number(region.doubt_ms))] : [];
  return [number(price(region)) + " ms", ...doubt, bar];
}

function fence(region) {
  const parts = [];
  if (present(region.zone)) parts.push(region.zone);
  if (region.tier !== 0) parts.push("tier " + region.tier);
  return parts.length ? [element("span", "range", " " + parts.join(", "))] : [];
}

const forSpan = (ms) => (present(ms) ? " for " + span(ms) : "");

// What each condition means for the next request, and how long still.
const conditions = {
  good: () => "good",
  nearly_spent: (region) => "little quota left" + forSpan(region.nearly_spent_for_ms),
  recovering: (region) => region.breaker.state === "returning"
    ? "coming back, takes " + (100 * region.breaker.share).toFixed(0) + "\u00a0% of its requests"
    : "coming back, one request tries it",
  silent: () => "does not answer",
  cooled: (region) => "rests" + forSpan(region.cooled_for_ms),
  down: () => "probes fail",
  open: (region) => "requests fail, left alone" + forSpan(region.breaker.open_for_ms),
  unauthorized: (region) => "refuses its key, left alone" + forSpan(region.unauthorized_for_ms),
  lacking: (region) => "does not have it, left alone" + forSpan(ofDeployment(region.lacks)),
};

const DEPLOYMENT = "deployment";

function ofDeployment(lacks) {
  const lacking = lacks.find((one) => one.what === DEPLOYMENT);
  return lacking ? lacking.for_ms : null;
}

// What is left alone although the deployment is there.
function operation({ what, for_ms }) {
  return element("div", "range", "no " + what.replaceAll("_", " ") + forSpan(for_ms));
}

function condition(region) {
  const words = conditions[region.condition] || (() => region.condition.replaceAll("_", " "));
  const operations = region.lacks.filter((one) => one.what !== DEPLOYMENT).map(operation);
  return [element("span", region.condition, words(region)), ...operations];
}

const failed = (region) => (region.failures ? ", " + region.failures + " failed" : "");

// Each column: its heading, the class of its cells, and what a region says in it.
const columns = (measured, byCost) => [
  ["region", "region", (region) => [region.region, ...fence(region)]],
  ["state", "state", (region) => [element("span", region.state, region.state)]],
  ["condition", "condition", condition],
  [byCost ? "cost now" : "score", "score", score],
  measured === "reachability"
    ? ["reached in, range", "", (region) => times(region.head_ms)]
    : ["first token, range", "", (region) => times(region.first_token_ms)],
  ["total, range", "", (region) => times(region.total_ms)],
  ["samples", "", (region) => [region.samples + failed(region)]],
  ["measured", "", (region) => [present(region.age_ms) ? span(region.age_ms) + " ago" : "never"]],
  ["in flight", "", (region) => [String(region.in_flight)]],
  ["last error", "", (region) => [
    region.last_error ? region.last_error.reason.replaceAll("_", " ") + ", " + span(region.last_error.age_ms) + " ago" : NONE,
  ]],
];

function cell([label, className, content], region, worst) {
  const parts = content(region, worst);
  const made = element("td", parts[0] === NONE ? (className + " none").trim() : className, ...parts);
  made.dataset.label = label;
  return made;
}

function heading([label]) {
  const made = element("th", "", label);
  made.scope = "col";
  return made;
}

function reason(deployment, leads) {
  const made = element("p", "soft");
  if (leads) {
    const since = present(deployment.leader_for_ms) ? " has led for " + span(deployment.leader_for_ms) : " leads";
    made.append(element("strong", "", deployment.leader), since + ": ");
  } else if (present(deployment.leader)) {
    made.append(deployment.leader + " is tried first: ");
  }
  made.append(deployment.why + " · ranked by " + deployment.measured.replace("_", " "));
  return made;
}

// Only what differs from the region that is shown first is worth a line.
function classes(deployment) {
  const others = deployment.classes.filter((one) => present(one.leader) && one.leader !== deployment.leader);
  if (!others.length) return [];
  const words = others.map((one) => one.class.replaceAll("_", " ") + ": " + one.leader);
  return [element("p", "soft", "elsewhere for " + words.join(" · "))];
}

function title(deployment, alone) {
  if (deployment.deployment !== "other") return deployment.deployment;
  return alone ? "any deployment" : "any other deployment";
}

function section(deployment, place, all) {
  const order = deployment.order;
  const worst = Math.max(1e-9, ...order.map((region) => price(region) || 0));
  const leads = order.length > 0 && order[0].state !== "down";
  const shown = columns(deployment.measured, deployment.classes.length > 0);
  const rows = order.map((region, place) =>
    element("tr", leads && place === 0 ? "leader" : "", ...shown.map((column) => cell(column, region, worst))));
  return element("section", "",
    element("h2", "", title(deployment, all.length === 1)),
    reason(deployment, leads),
    ...classes(deployment),
    element("table", "",
      element("thead", "", element("tr", "", ...shown.map(heading))),
      element("tbody", "", ...rows)));
}

// Who led before, and why that changed.
function changes(list) {
  const rows = list.map((one) => element("li", "", element("span", "range", span(one.age_ms) + " ago "), one.sentence));
  return list.length ? [element("section", "", element("h2", "", "Last changes"), element("ul", "changes", ...rows))] : [];
}

function show(data) {
  const facts = [
    "version " + data.version,
    "up for " + span(Math.max(0, Date.now() - data.started_unix_ms)),
    "configuration " + data.generation,
    "table " + data.table_version,
  ];
  byId("about").textContent = facts.join(" · ");
  const notes = [];
  if (data.last_reload_error) notes.push("The newest configuration is not in force:\n" + data.last_reload_error);
  if (data.restart_needed.length) notes.push("Needs a restart: " + data.restart_needed.join(", "));
  note(notes.join("\n"), false);
  byId("deployments").replaceChildren(...data.deployments.map(section), ...changes(data.changes));
}

function note(text, outdated) {
  byId("alert").textContent = text;
  byId("alert").hidden = text === "";
  byId("deployments").classList.toggle("outdated", outdated);
}

async function poll() {
  try {
    const answer = await fetch("api/regions", { cache: "no-store" });
    show(await answer.json());
  } catch (error) {
    note("Nearway does not answer: " + error.message, true);
  }
  setTimeout(poll, POLL_EVERY_MS);
}

poll();
