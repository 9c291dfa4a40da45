// The list of jobs, and one job.
import { call } from "./api.js";
import { bar, details, h, pill, section, table, terminal } from "./dom.js";
import { bytes, count, duration, plural, when } from "./format.js";
import { graph, stageState } from "./graph.js";

const oneLine = (text) => text.replace(/\s+/g, " ").slice(0, 120);

export async function jobsPage() {
  const { jobs } = await call("/v1/jobs?limit=100");
  return [
    h("h1", null, "Jobs"),
    table([
      ["Job", "number", (j) => h("a", { href: `#/jobs/${j.id}` }, j.id)],
      ["State", "", (j) => [pill(j.state), j.waits_for ? h("span", { class: "faint" }, ` ${j.waits_for}`) : ""]],
      ["What", "wide", (j) => h("a", { href: `#/jobs/${j.id}` }, oneLine(j.name || j.kind || "job"))],
      ["Tasks", "busy", (j) => [bar(0, j.tasks ? j.tasks_done / j.tasks : 0, j.state), ` ${count(j.tasks_done)}/${count(j.tasks)}`]],
      ["Time", "number", (j) => duration(j.elapsed_ms)],
      ["Submitted", "", (j) => when(j.submitted_ms)],
      ["User", "", (j) => j.user],
      ["Queue", "", (j) => j.queue],
    ], jobs, "No job was submitted since this master started. Try: eider sql \"select 42\""),
    terminal("/v1/jobs", "eider job list"),
  ];
}

/* ---- one job ---- */

function notices(job) {
  return [
    job.error && h("div", { class: "notice bad" }, h("strong", null, `${job.error.code}: `), job.error.message),
    job.reason && h("div", { class: "notice", title: job.reason_codes.join(", ") }, job.reason),
    job.whole_reason && h("div", { class: "notice" }, `Runs whole on one worker: ${job.whole_reason}`),
    job.warnings.map((text) => h("div", { class: "notice warn" }, text)),
  ];
}

function skew(stage) {
  if (stage.tasks < 2 || stage.task_ms_median <= 0) return "";
  const ratio = stage.task_ms_max / stage.task_ms_median;
  return ratio >= 3 && stage.task_ms_max > 50 ? ` (slowest task ${ratio.toFixed(1)} times the median)` : "";
}

function stageTable(job) {
  const whole = Math.max(1, job.elapsed_ms);
  const span = (s) => s.start_ms === undefined ? "" :
    bar(s.start_ms / whole, (s.start_ms + s.elapsed_ms) / whole, stageState(s, job));
  return table([
    ["Stage", "number", (s) => s.id],
    ["What", "wide", (s) => [s.name, h("span", { class: "faint" }, s.reason ? ` ${s.reason}` : skew(s))]],
    ["Tasks", "number", (s) => `${count(s.done)}/${count(s.tasks)}`],
    ["When", "span", span],
    ["Time", "number", (s) => duration(s.elapsed_ms)],
    ["Task median", "number", (s) => (s.done ? duration(s.task_ms_median) : "")],
    ["Task max", "number", (s) => (s.done ? duration(s.task_ms_max) : "")],
    ["Rows in", "number", (s) => count(s.rows_in)],
    ["Rows out", "number", (s) => count(s.rows_out)],
    ["Bytes in", "number", (s) => bytes(s.bytes_in)],
    ["Bytes out", "number", (s) => bytes(s.bytes_out)],
    ["Spilled", "number", (s) => (s.spill_bytes ? bytes(s.spill_bytes) : "")],
    ["Retries", "number", (s) => (s.retries ? count(s.retries) : "")],
  ], job.stages, "This job has no stages.");
}

function stageDetails(job) {
  return job.stages.map((stage) => details(`stage-${job.id}-${stage.id}`,
    `Stage ${stage.id}: SQL and workers`,
    h("pre", null, stage.sql || "(no SQL: a benchmark task)"),
    stage.workers?.length ? h("p", { class: "faint" },
      "Tasks by worker: ", stage.workers.map((w) => `${w.name} ${count(w.tasks)}`).join(", ")) : null));
}

function failures(job) {
  if (job.failures.length === 0) return null;
  return section("Failed attempts", table([
    ["Stage", "number", (f) => f.stage],
    ["Task", "number", (f) => f.task],
    ["Attempt", "number", (f) => f.attempt],
    ["Worker", "", (f) => f.worker],
    ["Why", "wide", (f) => `${f.code}: ${f.message}`],
  ], job.failures, ""));
}

function cancelButton(job) {
  if (job.state !== "running" && job.state !== "waiting") return null;
  return h("button", { type: "button", onclick: (event) => {
    event.target.disabled = true;
    call(`/v1/jobs/${job.id}/cancel`, "POST").catch((error) => {
      event.target.textContent = error.message;
    });
  } }, "Cancel this job");
}

export async function jobPage(id) {
  const job = await call(`/v1/jobs/${encodeURIComponent(id)}`);
  return [
    h("p", { class: "faint" }, h("a", { href: "#/jobs" }, "Jobs"), " / ", job.id),
    h("h1", null, `Job ${job.id} `, pill(job.state), " ", cancelButton(job)),
    h("p", { class: "faint" }, [
      `submitted ${when(job.submitted_ms)}${job.user ? ` by ${job.user}` : ""}`,
      duration(job.elapsed_ms), plural(job.stage_count, "stage"),
      `${count(job.tasks_done)} of ${plural(job.tasks, "task")} done`].join(" · ")),
    notices(job),
    job.sql ? section("SQL", h("pre", null, job.sql)) : null,
    section("Stages", h("div", { class: "scroll" }, graph(job)), stageTable(job), stageDetails(job)),
    failures(job),
    job.plan ? section("Plan", details(`plan-${job.id}`, "As EXPLAIN shows it", h("pre", null, job.plan))) : null,
    terminal(`/v1/jobs/${job.id}`, `eider job show ${job.id}`),
  ];
}
