#include "core/app/store_care.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/json/builder.h"
#include "core/loop/loop.h"
#include "storage/backup/backup.h"

namespace bramble {

using resource_ids::kLeases;

StoreCare::StoreCare(SqliteStore& store, const Clock& clock, std::unique_ptr<Client> client, Options options)
    : store_(store), clock_(clock), client_(std::move(client)), options_(std::move(options)) {}

Status StoreCare::listen() {
  HttpServer::Options http;
  http.unix_path = options_.socket_path;
  TRY_ASSIGN(server_, HttpServer::listen(std::move(http), [this](auto request, auto responder) {
    return handle(std::move(request), std::move(responder));
  }));
  return ok();
}

void StoreCare::start() {
  const Store::Health& health = store_.health();
  if (health.unclean_stop) tasks_.start(renew_leases());
  if (health.epoch_changed) {
    log_warning("store: it was repaired or restored: for half an hour nothing is deleted merely for being absent; when nothing that is "
                "missing will come back, end that with: bramble backup confirm");
    tasks_.start(confirm_later());
  }
  if (options_.backups_kept > 0) tasks_.start(back_up_by_schedule());
}

// --- backups

Task<void> StoreCare::back_up_by_schedule() {
  std::function<std::vector<BackupFile>()> list = [dir = options_.backup_dir] { return list_backups(dir); };
  auto present = co_await offload(std::move(list));
  int64_t wait_us = first_backup_wait_us(present, clock_.wall_us(), options_.backup_every_us);
  for (;;) {
    co_await sleep_ms(wait_us / 1000);
    auto made = co_await back_up();
    if (made.ok()) log_info("backup: ", *made);
    else log_warning("backup: ", made.error().message());
    wait_us = made.ok() ? options_.backup_every_us : limits::kBackupRetryUs;
  }
}

Task<Result<std::string>> StoreCare::back_up() {
  if (backing_up_) co_return Error(Code::kUnavailable, "a backup is being made already; try again later");
  struct InProgress {
    bool& flag;
    explicit InProgress(bool& f) : flag(f) { flag = true; }
    ~InProgress() { flag = false; }
  } in_progress(backing_up_);
  auto made = co_await make_backup(store_, options_.backup_dir, std::max(options_.backups_kept, 1), clock_);
  co_return made;
}

// --- after a repair, a restore, an unclean stop

Task<void> StoreCare::confirm_later() {
  co_await sleep_ms(limits::kEpochGuardUs / 1000);
  auto confirmed = co_await confirm();
  if (!confirmed.ok()) log_warning("store: ", confirmed.error().message());
}

Task<Status> StoreCare::confirm() {
  if (!store_.health().epoch_changed) co_return ok();
  auto confirmed = co_await store_.confirm_epoch();
  log_info("store: what is absent counts as deleted again");
  options_.doubt_over();
  co_return confirmed;
}

// Renewals are in memory for minutes, so the ones on disk are old: their holders, who are told nothing of a crash, would seem dead.
Task<void> StoreCare::renew_leases() {
  std::vector<Document> leases;
  client_->snapshot().each(kLeases, "", [&](const Document& lease) {
    if (!lease["spec"]["holderIdentity"].str().empty()) leases.push_back(lease);
    return true;
  });
  for (const Document& lease : leases) {
    Builder b;
    b.root().object("metadata").set("resourceVersion", version_of(lease));
    b.root().object("spec").set("renewTime", clock_.now_rfc3339_micro());
    ObjectKey key{std::string(namespace_of(lease)), std::string(name_of(lease))};
    Task<Result<Document>> renewing = client_->patch(kLeases, key, PatchType::kMerge, b.finish());
    auto renewed = co_await renewing;
    bool usual = renewed.ok() || renewed.error().code() == Code::kConflict || renewed.error().code() == Code::kNotFound;
    if (!usual) log_warning("store: lease ", key.text(), ": ", renewed.error().message());
  }
}

// --- the local socket

void StoreCare::tell_health(Mut out) const {
  const Store::Health& health = store_.health();
  out.set("readOnly", health.read_only);
  out.set("epochChanged", health.epoch_changed);
  out.set("text", health.text);
  Mut list = out.array("lost");
  for (const std::string& key : options_.lost()) list.append(key);
}

Task<void> StoreCare::handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) {
  Builder reply;
  int code = 200;
  auto fail = [&reply, &code](int status, std::string_view text) {
    code = status;
    reply.root().set("error", text);
  };
  const bool ours = request->path == "/v1/store" || request->path == "/v1/backups" || request->path == "/v1/epoch/confirm";
  if (!ours && options_.others) {
    Task<void> answering = options_.others(request, responder);
    co_await answering;
    co_return;
  }
  if (request->method == "GET" && request->path == "/v1/store") {
    tell_health(reply.root());
  } else if (request->method != "POST") {
    fail(405, "POST only");
  } else if (request->path == "/v1/backups") {
    auto made = co_await back_up();
    if (made.ok()) reply.root().set("path", *made);
    else fail(500, made.error().message());
  } else if (request->path == "/v1/epoch/confirm") {
    reply.root().set("was", store_.health().epoch_changed ? "changed" : "confirmed");
    auto confirmed = co_await confirm();
    if (!confirmed.ok()) fail(500, confirmed.error().message());
  } else {
    fail(404, cat("no such path ", request->path));
  }
  responder->send(code, {{"content-type", "application/json"}}, make_buffer(reply.dump()));
}

}  // namespace bramble
