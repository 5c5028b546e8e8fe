// StoreCare: what a running server does for its store beside serving it: backups every so often, the end of the doubt after a
// repair or a restore (DESIGN section 4: half an hour of running, or an admin's word), Leases published again after an unclean
// stop. And what `bramble backup` asks for, on <run-dir>/server.sock (0600; who may open it is root):
//   POST /v1/backups         {"path":FILE} or {"error":text}
//   POST /v1/epoch/confirm   {"was":"changed"}, {"was":"confirmed"} or {"error":text}
//   GET  /v1/store           {"readOnly":bool, "epochChanged":bool, "text":of a failure or a repair, "lost":[keys]}
// Owner's loop thread. What it waits for begins anew with each process.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/client/client.h"
#include "core/http/server.h"
#include "core/json/builder.h"
#include "storage/sqlite/sqlite_store.h"

namespace bramble {

class StoreCare {
 public:
  struct Options {
    std::string backup_dir;
    int backups_kept = limits::kBackupsKept;  // 0: none by schedule
    int64_t backup_every_us = limits::kBackupEveryUs;
    std::string socket_path;
    std::function<std::vector<std::string>()> lost;  // keys that are known to have been there, and cannot be shown
    // Answers what is asked on the socket that is not the store's (core/app/access_api.h). Must outlive it.
    std::function<Task<void>(std::shared_ptr<const HttpRequest>, std::shared_ptr<Responder>)> others;
    std::function<void()> doubt_over;  // what is absent is no longer in doubt: everybody looks again
  };
  // store and clock must outlive it; client has an identity that may write Leases.
  StoreCare(SqliteStore& store, const Clock& clock, std::unique_ptr<Client> client, Options options);
  Status listen();
  void start();

 private:
  Task<void> back_up_by_schedule();
  Task<Result<std::string>> back_up();
  Task<void> confirm_later();
  Task<Status> confirm();
  Task<void> renew_leases();
  void tell_health(Mut out) const;
  Task<void> handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder);

  SqliteStore& store_;
  const Clock& clock_;
  std::unique_ptr<Client> client_;
  Options options_;
  bool backing_up_ = false;
  std::unique_ptr<HttpServer> server_;
  TaskGroup tasks_;
};

}  // namespace bramble
