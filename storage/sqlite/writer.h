// Writer: the thread that has the database once a SqliteStore is loaded. Jobs run in order of posting; each answers through
// a callback on the writer thread. Between two jobs nothing of the database is in use.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "storage/sqlite/database.h"

namespace bramble {

// Copies the database to a new file, some pages a job, so that groups go between. done is called once, on the writer thread or,
// with kCancelled, where the writer is destroyed. writer must outlive the copy's jobs, which it owns.
class DatabaseWriter;
void start_copy(DatabaseWriter* writer, std::string path, std::function<void(Status)> done);

class DatabaseWriter {
 public:
  explicit DatabaseWriter(std::unique_ptr<Database> database);
  ~DatabaseWriter();  // waits for the job at hand, forgets the others, closes the database

  using Job = std::function<void(Database&)>;
  void post(Job job);  // any thread
  // Waits for the job at hand and gives the database back; the writer takes no more jobs.
  std::unique_ptr<Database> finish();

 private:
  void run();

  std::unique_ptr<Database> database_;
  std::mutex mu_;
  std::condition_variable news_;
  std::deque<Job> jobs_;   // guarded by mu_
  bool ending_ = false;    // guarded by mu_
  std::thread thread_;     // last: it uses all of the above
};

}  // namespace bramble
