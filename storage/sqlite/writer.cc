#include "storage/sqlite/writer.h"

#include <unistd.h>

#include <utility>

#include "storage/sqlite/files.h"

namespace bramble {

DatabaseWriter::DatabaseWriter(std::unique_ptr<Database> database)
    : database_(std::move(database)), thread_([this] { run(); }) {}

DatabaseWriter::~DatabaseWriter() { finish(); }

void DatabaseWriter::post(Job job) {
  std::lock_guard<std::mutex> lock(mu_);
  jobs_.push_back(std::move(job));
  news_.notify_one();
}

std::unique_ptr<Database> DatabaseWriter::finish() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    ending_ = true;
    news_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  jobs_.clear();
  return std::move(database_);
}

void DatabaseWriter::run() {
  std::unique_lock<std::mutex> lock(mu_);
  for (;;) {
    news_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (ending_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job(*database_);
    job = nullptr;
    lock.lock();
  }
}

namespace {

struct CopyInProgress {
  DatabaseWriter* writer;
  std::string path;
  std::function<void(Status)> done;
  std::unique_ptr<Database::Copy> copy;

  CopyInProgress(DatabaseWriter* w, std::string p, std::function<void(Status)> d)
      : writer(w), path(std::move(p)), done(std::move(d)) {}
  CopyInProgress(const CopyInProgress&) = delete;
  ~CopyInProgress() {
    if (done) finish(Error(Code::kCancelled, cat(path, ": the store closed before the copy was complete")));
  }
  void finish(Status status) {
    copy.reset();
    if (!status.ok()) unlink(path.c_str());
    std::exchange(done, nullptr)(std::move(status));
  }
};

void copy_step(std::shared_ptr<CopyInProgress> c, Database& database) {
  if (!c->copy) {
    auto begun = database.copy_to(c->path);
    if (!begun.ok()) return c->finish(begun.error());
    c->copy = std::move(*begun);
  }
  auto more = c->copy->step();
  if (!more.ok()) return c->finish(more.error());
  if (!*more) return c->finish(sync_directory_of(c->path));
  DatabaseWriter* writer = c->writer;
  writer->post([c = std::move(c)](Database& d) { copy_step(c, d); });
}

}  // namespace

void start_copy(DatabaseWriter* writer, std::string path, std::function<void(Status)> done) {
  auto c = std::make_shared<CopyInProgress>(writer, std::move(path), std::move(done));
  writer->post([c](Database& d) { copy_step(c, d); });
}

}  // namespace bramble
