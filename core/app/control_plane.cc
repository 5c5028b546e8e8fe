#include "core/app/control_plane.h"

#include <unistd.h>

#include <algorithm>

#include "core/app/small_files.h"
#include "core/app/host_facts.h"
#include "core/app/version.h"
#include "core/base/log.h"
#include "core/crypto/tls.h"
#include "core/registry/api_status.h"
#include "images/local_store.h"

namespace bramble {

ControlPlane::ControlPlane(ControlPlaneOptions options, Clock& clock, Random& random)
    : options_(std::move(options)), clock_(clock), random_(random) {}
ControlPlane::~ControlPlane() = default;

Result<std::unique_ptr<ControlPlane>> ControlPlane::open(ControlPlaneOptions options, const Credentials& credentials, Loop& loop,
                                                         Clock& clock, Random& random) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane(std::move(options), clock, random));
  TRY(plane->open_store(loop));
  TRY(plane->open_api(credentials));
  return plane;
}

Status ControlPlane::open_store(Loop& loop) {
  SqliteOptions store;
  store.dir = options_.data_dir + "/server/db";
  TRY(make_directories(store.dir, 0700));
  TRY_ASSIGN(store_, SqliteStore::open(std::move(store), loop, clock_, random_));
  TRY_ASSIGN(poison_, PoisonNotes::open(options_.data_dir + "/server/poison"));
  for (const PoisonNotes::Entry& e : poison_->all_quarantined()) {
    log_warning("quarantine: ", e.room, ": ", e.key, " ended this server ", e.aborts, " times; it is left alone until it changes");
  }
  cache_ = std::make_unique<WatchCache>(clock_);
  TRY(cache_->load(*store_));
  for (const std::string& key : cache_->unreadable()) log_error("store: ", key, ": unreadable, left out; see bramble check-config");
  Registry::Options registry;
  registry.service_cidr = options_.service_range;
  registry.dns_address = options_.dns_address;
  registry.node_port_first = options_.node_port_first;
  registry.node_port_last = options_.node_port_last;
  registry_ = std::make_unique<Registry>(*store_, *cache_, clock_, random_, std::move(registry));
  registry_->adopt();
  return ok();
}

bool ControlPlane::note_step(std::string_view room, const ObjectKey& key) {
  auto newest = [this, &key] {
    uint64_t revision = 0;
    for (const Kind& kind : all_kinds()) {
      EntryRef entry = kind.stored ? cache_->get(registry_key(kind, key.ns, key.name)) : nullptr;
      if (entry) revision = std::max(revision, entry->revision);
    }
    return revision;
  };
  bool allowed = poison_->note(room, key.text(), cache_->revision(), newest);
  if (!allowed) log_warning("quarantine: ", room, " skips ", key.text(), ": it ended this server twice; change it to free it");
  // Steps do not wait: by the loop's next turn they have come to their end.
  if (!*settling_) {
    *settling_ = true;
    Loop::current().post([poison = poison_, settling = settling_] {
      *settling = false;
      poison->settle();
    });
  }
  return allowed;
}

Status ControlPlane::open_api(const Credentials& credentials) {
  ca_pem_ = credentials.server_ca_pem;
  ApiServer::Options api;
  TRY_ASSIGN(PrivateKey key, PrivateKey::from_pem(credentials.service_account_key_pem));
  api.tokens.verify = {key.public_key()};
  api.tokens.sign = std::make_shared<const PrivateKey>(std::move(key));
  api.server_address = cat(options_.advertise_address, ":", options_.port);
  api.git_version = kubernetes_version();
  api.platform = cat("linux/", node_architecture());
  api.streams = options_.streams;
  api.note = [this](const ObjectKey& object) { return note_step("admission", object); };
  api_ = std::make_unique<ApiServer>(*registry_, std::move(api));

  HttpServer::Options http;
  http.address = options_.bind_address;
  http.port = options_.port;
  TRY_ASSIGN(http.tls, TlsServerContext::create({credentials.api_server.certificate_pem, credentials.api_server.key_pem,
                                                 credentials.client_ca_pem, {"h2", "http/1.1"}}));
  http.too_large_json = status_failure(Code::kTooLarge, 413, "RequestEntityTooLarge",
                                       cat("Request entity too large: limit is ", http.body_bytes_max)).status_json();
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  http.connection_threads = cores > 2 ? 2 : 1;
  auto listening = HttpServer::listen(std::move(http), [this](auto request, auto responder) {
    return api_->handle(std::move(request), std::move(responder));
  });
  if (!listening.ok()) {
    std::string owner = port_owner(options_.port);
    if (listening.error().code() != Code::kAlreadyExists || owner.empty()) return listening.error();
    return Error(Code::kAlreadyExists, cat("port ", options_.port, " is taken by ", owner, "; stop it, or give --https-listen-port"));
  }
  http_ = std::move(*listening);
  return ok();
}

Task<void> ControlPlane::bootstrap() {
  Status done = co_await api_->bootstrap();
  if (!done.ok()) log_error("api: system objects: ", done.error().message());
}

void ControlPlane::start() {
  tasks_.start(bootstrap());
  tasks_.start(registry_->run_event_expiry());
  if (options_.controllers) {
    ControllerOptions o;
    o.ca_pem = ca_pem_;
    o.advertise_address = options_.advertise_address;
    o.api_port = options_.port;
    o.api_cluster_ip = options_.api_service_address;
    o.pod_network = options_.pod_range;
    controllers_ = std::make_unique<Controllers>([this](Identity i) { return api_->client(std::move(i)); }, clock_, o, loop_alarms(),
                                                 [this](std::string_view controller, const ObjectKey& key) {
                                                   return note_step(cat("controllers/", controller), key);
                                                 });
    controllers_->start();
  }
  if (options_.scheduler) {
    scheduler_ = std::make_unique<Scheduler>(api_->client(scheduler_identity()), clock_, random_, SchedulerOptions{options_.host},
                                             loop_alarms(), [this](const ObjectKey& pod) { return note_step("scheduler", pod); });
    scheduler_->start();
  }
}

void ControlPlane::close_port() { http_.reset(); }

Task<Status> ControlPlane::close() {
  scheduler_.reset();
  controllers_.reset();
  tasks_.cancel_all();
  auto closed = co_await store_->close();
  co_return closed;
}

}  // namespace bramble
