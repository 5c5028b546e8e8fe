#include "core/app/local_api.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "core/base/limits.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

std::string error_json(std::string_view text) {
  Builder b;
  b.root().set("error", text);
  return b.dump();
}

std::string images_json(const std::vector<ImageInfo>& list) {
  Builder b;
  Mut images = b.root().array("images");
  for (const ImageInfo& i : list) {
    Mut one = images.append_object();
    one.set("id", i.id);
    Mut names = one.array("names");
    for (const std::string& n : i.names) names.append(n);
    Mut digests = one.array("digests");
    for (const std::string& d : i.digests) digests.append(d);
    one.set("sizeBytes", i.size_bytes);
    one.set("pinned", i.pinned);
  }
  return b.dump();
}

// The value of one query parameter, percent-decoded (RFC 3986 section 2.1).
std::string parameter(std::string_view query, std::string_view name) {
  for (auto part : split(query, '&')) {
    auto pair = cut(part, "=");
    if (!pair || pair->first != name) continue;
    std::string out;
    for (size_t i = 0; i < pair->second.size(); i++) {
      char c = pair->second[i];
      auto byte = c == '%' ? unhex(pair->second.substr(i + 1, 2)) : std::nullopt;
      if (byte && byte->size() == 1) {
        out += *byte;
        i += 2;
      } else {
        out.push_back(c);
      }
    }
    return out;
  }
  return {};
}

void answer(Responder& r, int status, std::string json) {
  r.send(status, {{"content-type", "application/json"}}, make_buffer(std::move(json)));
}

}  // namespace

LocalApi::LocalApi(ImageStore& images, std::function<void()> on_change, Quarantine* quarantine)
    : images_(images), on_change_(std::move(on_change)), quarantine_(quarantine) {}

Status LocalApi::listen(const std::string& socket_path) {
  HttpServer::Options options;
  options.unix_path = socket_path;
  options.body_bytes_max = limits::kBodyBytesMax;
  TRY_ASSIGN(server_, HttpServer::listen(std::move(options), [this](auto request, auto responder) {
    return handle(std::move(request), std::move(responder));
  }));
  return ok();
}

Task<void> LocalApi::handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) {
  if (request->path != "/v1/images") {
    answer(*responder, 404, error_json(cat("no such path ", request->path)));
  } else if (request->method == "GET") {
    answer(*responder, 200, images_json(images_.list()));
  } else if (request->method == "POST") {
    co_await import_archive(parameter(request->query, "path"), responder);
  } else if (request->method == "DELETE") {
    co_await remove_image(parameter(request->query, "name"), responder);
  } else {
    answer(*responder, 405, error_json("GET, POST or DELETE"));
  }
}

// An archive by its size and time, for quarantine.
static Quarantine::About about_archive(const std::string& path) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) return {};
  return {content_mark(cat(st.st_size, " ", st.st_mtim.tv_sec, " ", st.st_mtim.tv_nsec)), {}};
}

Task<void> LocalApi::import_archive(std::string path, std::shared_ptr<Responder> responder) {
  auto about = [&path] { return about_archive(path); };
  Quarantine::Step step(quarantine_, "images", cat("archive ", path), about);
  if (!step.allowed()) {
    co_return answer(*responder, 403, error_json(cat(path, ": it is quarantined: importing it ended bramble twice; make it anew, or see bramble check-config")));
  }
  // The worker thread counts, a timer of this loop tells: no thread waits for a slow reader.
  struct Progress {
    std::atomic<int64_t> done{0}, total{0};
  };
  auto progress = std::make_shared<Progress>();
  responder->begin(200, {{"content-type", "application/x-ndjson"}});
  TaskGroup telling;
  auto tell = [](std::shared_ptr<Progress> p, std::shared_ptr<Responder> r) -> Task<void> {
    for (;;) {
      co_await sleep_ms(limits::kImportProgressMs);
      Buffer line = make_buffer(cat("{\"done\":", p->done.load(), ",\"total\":", p->total.load(), "}\n"));
      bool there = co_await r->write(line);
      if (!there) co_return;
    }
  };
  telling.start(tell(progress, responder));
  ImageStore* images = &images_;
  std::function<Result<std::vector<ImageInfo>>()> work = [images, path, progress] {
    return images->import_archive(path, [&](int64_t done, int64_t total) {
      progress->done = done;
      progress->total = total;
    });
  };
  Task<Result<std::vector<ImageInfo>>> importing = offload(std::move(work), OffloadLane::kLong);
  auto imported = co_await importing;
  telling.cancel_all();
  std::string last = imported.ok() ? images_json(*imported) : error_json(imported.error().message());
  if (imported.ok()) on_change_();
  Buffer line = make_buffer(last + "\n");
  co_await responder->write(line);
  responder->end();
}

Task<void> LocalApi::remove_image(std::string name, std::shared_ptr<Responder> responder) {
  ImageStore* images = &images_;
  std::function<Status()> work = [images, name] { return images->remove(name); };
  Task<Status> removing = offload(std::move(work), OffloadLane::kLong);
  auto removed = co_await removing;
  if (removed.ok()) on_change_();
  int status = removed.ok() ? 200 : removed.error().code() == Code::kNotFound ? 404 : 500;
  answer(*responder, status, removed.ok() ? std::string("{}") : error_json(removed.error().message()));
}

}  // namespace bramble
