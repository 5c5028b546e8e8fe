#include "core/app/local_api.h"

#include <sys/stat.h>
#include <unistd.h>

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

// The values of a query parameter, percent-decoded (RFC 3986 section 2.1).
std::vector<std::string> parameters(std::string_view query, std::string_view name) {
  std::vector<std::string> all;
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
    all.push_back(std::move(out));
  }
  return all;
}

std::string parameter(std::string_view query, std::string_view name) {
  auto all = parameters(query, name);
  return all.empty() ? std::string() : all[0];
}

void answer(Responder& r, int status, std::string json) {
  r.send(status, {{"content-type", "application/json"}}, make_buffer(std::move(json)));
}

}  // namespace

LocalApi::LocalApi(LocalImageStore& images, ImageSource& source, Hooks hooks, Quarantine* quarantine)
    : images_(images), source_(source), hooks_(std::move(hooks)), quarantine_(quarantine) {}

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
  const std::string path = request->path, method = request->method, query = request->query;
  if (path == "/v1/images/pull" && method == "POST") {
    co_await pull_image(parameter(query, "name"), responder);
  } else if (path == "/v1/images/export" && method == "POST") {
    co_await export_images(parameters(query, "name"), parameter(query, "path"), responder);
  } else if (path == "/v1/images/prune" && method == "POST") {
    co_await prune_images(responder);
  } else if (path != "/v1/images") {
    answer(*responder, 404, error_json(cat("no such path ", path)));
  } else if (method == "GET") {
    answer(*responder, 200, images_json(images_.list()));
  } else if (method == "POST") {
    co_await import_archive(parameter(query, "path"), responder);
  } else if (method == "DELETE") {
    co_await remove_image(parameter(query, "name"), responder);
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
  auto progress = std::make_shared<PullProgress>();
  responder->begin(200, {{"content-type", "application/x-ndjson"}});
  TaskGroup telling;
  telling.start(tell_progress(progress, responder));
  LocalImageStore* images = &images_;
  std::function<Result<std::vector<ImageInfo>>()> work = [images, path, progress] {
    return images->import_archive(path, [&](int64_t done, int64_t total) {
      progress->done = done;
      progress->total = total;
    });
  };
  Task<Result<std::vector<ImageInfo>>> importing = offload(std::move(work), OffloadLane::kLong);
  auto imported = co_await importing;
  telling.cancel_all();
  co_await tell_end(std::move(imported), responder);
}

// Whoever works counts, a timer of this loop tells: nobody waits for a slow reader.
Task<void> LocalApi::tell_progress(std::shared_ptr<PullProgress> p, std::shared_ptr<Responder> r) {
  for (;;) {
    co_await sleep_ms(limits::kImportProgressMs);
    Buffer line = make_buffer(cat("{\"done\":", p->done.load(), ",\"total\":", p->total.load(), "}\n"));
    bool there = co_await r->write(line);
    if (!there) co_return;
  }
}

Task<void> LocalApi::tell_end(Result<std::vector<ImageInfo>> result, std::shared_ptr<Responder> responder) {
  std::string last = result.ok() ? images_json(*result) : error_json(result.error().message());
  if (result.ok()) hooks_.changed();
  Buffer line = make_buffer(last + "\n");
  co_await responder->write(line);
  responder->end();
}

Task<void> LocalApi::pull_image(std::string name, std::shared_ptr<Responder> responder) {
  auto progress = std::make_shared<PullProgress>();
  responder->begin(200, {{"content-type", "application/x-ndjson"}});
  TaskGroup telling;
  telling.start(tell_progress(progress, responder));
  PullRequest request;
  request.image = name;
  request.progress = progress;
  auto pulled = co_await source_.pull(std::move(request));
  telling.cancel_all();
  Result<std::vector<ImageInfo>> result = pulled.ok() ? Result<std::vector<ImageInfo>>(std::vector<ImageInfo>{pulled->image}) : Result<std::vector<ImageInfo>>(pulled.error());
  co_await tell_end(std::move(result), responder);
}

Task<void> LocalApi::export_images(std::vector<std::string> names, std::string path, std::shared_ptr<Responder> responder) {
  auto progress = std::make_shared<PullProgress>();
  responder->begin(200, {{"content-type", "application/x-ndjson"}});
  TaskGroup telling;
  telling.start(tell_progress(progress, responder));
  LocalImageStore* images = &images_;
  std::function<Result<std::vector<ImageInfo>>()> work = [images, names, path, progress]() -> Result<std::vector<ImageInfo>> {
    TRY(images->export_archive(names, path, [&](int64_t done, int64_t total) {
      progress->done = done;
      progress->total = total;
    }));
    std::vector<ImageInfo> out;
    for (const std::string& n : names)
      if (auto image = images->find(n)) out.push_back(*image);
    return out;
  };
  Task<Result<std::vector<ImageInfo>>> exporting = offload(std::move(work), OffloadLane::kLong);
  auto exported = co_await exporting;
  telling.cancel_all();
  co_await tell_end(std::move(exported), responder);
}

Task<void> LocalApi::prune_images(std::shared_ptr<Responder> responder) {
  LocalImageStore* images = &images_;
  std::vector<ImageInfo> gone;
  Status done = ok();
  for (const ImageInfo& i : images->list()) {
    if (!done.ok()) break;
    if (i.pinned || hooks_.in_use().contains(i.id)) continue;  // asked for each: removing takes a while, and pods come meanwhile
    std::function<Status()> work = [images, id = i.id] { return images->remove(id); };
    Task<Status> removing = offload(std::move(work), OffloadLane::kLong);
    Status removed = co_await removing;
    if (removed.ok()) gone.push_back(i);
    else if (removed.error().code() != Code::kNotFound) done = removed;
  }
  if (done.ok()) {
    std::function<Status()> work = [images] { return images->drop_leftovers(true); };
    Task<Status> tidying = offload(std::move(work), OffloadLane::kLong);
    done = co_await tidying;
  }
  if (!gone.empty()) hooks_.changed();
  answer(*responder, done.ok() ? 200 : 500, done.ok() ? images_json(gone) : error_json(done.error().message()));
}

Task<void> LocalApi::remove_image(std::string name, std::shared_ptr<Responder> responder) {
  LocalImageStore* images = &images_;
  std::function<Status()> work = [images, name] { return images->remove(name); };
  Task<Status> removing = offload(std::move(work), OffloadLane::kLong);
  auto removed = co_await removing;
  if (removed.ok()) hooks_.changed();
  int status = removed.ok() ? 200 : removed.error().code() == Code::kNotFound ? 404 : 500;
  answer(*responder, status, removed.ok() ? std::string("{}") : error_json(removed.error().message()));
}

}  // namespace bramble
