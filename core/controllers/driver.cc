#include "core/controllers/driver.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"

namespace bramble {

namespace {

Task<Result<Document>> send(Client* client, const Write& write) {
  switch (write.verb) {
    case Write::Verb::kCreate: return client->create(write.resource, write.key.ns, write.body, write.options);
    case Write::Verb::kUpdate: return client->update(write.resource, write.key, write.body, write.options);
    case Write::Verb::kPatch:
      return client->patch(write.resource, write.key, write.patch_type, write.body, write.options);
    case Write::Verb::kDelete: break;
  }
  return client->remove(write.resource, write.key, write.delete_options);
}

void record_answer(Recorder* recorder, const Write& write, const Result<Document>& answer) {
  const std::optional<EventNote>& wanted = answer.ok() ? write.on_success : write.on_failure;
  if (!wanted) return;
  EventNote note = *wanted;
  if (answer.ok()) {
    std::string_view name = write.key.name.empty() ? name_of(*answer) : std::string_view(write.key.name);
    note.message = replace_all(note.message, "{name}", name);
  } else {
    note.message = replace_all(note.message, "{name}", write.key.name);
    note.message = replace_all(note.message, "{error}", answer.error().message());
  }
  recorder->record(note);
}

bool tolerated(const Write& write, const Result<Document>& answer) {
  return !answer.ok() && std::find(write.tolerate.begin(), write.tolerate.end(), answer.error().code()) != write.tolerate.end();
}

// As upstream's controllers ask (HasStatusCause of NamespaceTerminating): such a create fails at each later try as well, and
// the end of the namespace is the end of the matter. Neither an Event nor a log line nor a retry is worth it.
bool namespace_ends(const Write& write, const Result<Document>& answer) {
  if (write.verb != Write::Verb::kCreate || answer.ok() || answer.error().code() != Code::kPermissionDenied) return false;
  auto status = Document::parse(std::string_view(answer.error().status_json()));
  if (!status.ok()) return false;
  for (Value cause : (*status)["details"]["causes"].items()) {
    if (cause["reason"].str() == "NamespaceTerminating") return true;
  }
  return false;
}

// One batch of writes that are under way at the same time.
struct Batch {
  size_t waiting = 0;
  Event all_answered;
  Outcome* outcome;
};

Task<void> send_one(Client* client, Recorder* recorder, const Write* write, Batch* batch) {
  Task<Result<Document>> call = send(client, *write);
  Result<Document> answer = co_await call;
  bool vain = namespace_ends(*write, answer);
  if (!vain && !tolerated(*write, answer)) record_answer(recorder, *write, answer);
  if (vain) {
    batch->outcome->given_up = true;
  } else if (answer.ok() || tolerated(*write, answer)) {
    batch->outcome->succeeded++;
  } else if (!batch->outcome->error) {
    batch->outcome->error = answer.error();
  }
  if (--batch->waiting == 0) batch->all_answered.set();
}

}  // namespace

// send_one's last act resumes the coroutine below, so the calls cannot belong to a group in its frame: it would destroy a
// call that is still running.
Task<Outcome> carry_out(Client* client, Recorder* recorder, TaskGroup* calls, Plan plan) {
  Outcome outcome;
  for (const EventNote& note : plan.events) recorder->record(note);
  for (size_t at = 0; at < plan.writes.size() && !outcome.error && !outcome.given_up;) {
    size_t end = at + 1;
    while (end < plan.writes.size() && plan.writes[end].with_previous) end++;
    Batch batch;
    batch.waiting = end - at;
    batch.outcome = &outcome;
    for (; at < end; at++) calls->start(send_one(client, recorder, &plan.writes[at], &batch));
    co_await batch.all_answered.wait();
  }
  if (!outcome.error && !outcome.given_up) {
    for (const EventNote& note : plan.events_after_success) recorder->record(note);
  }
  co_return outcome;
}

Driver::Driver(Controller controller, std::unique_ptr<Client> client, const Clock& clock, const AlarmFactory& alarms,
               Quarantine* quarantine)
    : controller_(std::move(controller)),
      client_(std::move(client)),
      clock_(clock),
      quarantine_(quarantine),
      room_(cat("controllers/", controller_.name)),
      recorder_(*client_, clock, controller_.event_source),
      alarm_(alarms([this] { turn(); })) {}

void Driver::start() {
  subscription_ = client_->subscribe(controller_.watches, [this](const Change& change) { on_change(change); });
  for (const ObjectKey& key : controller_.standing_keys) queue_.add(key, clock_.monotonic_us());
  look_again();
}

void Driver::look_again() {
  for (const ResourceId& resource : controller_.watches) {
    client_->snapshot().each(resource, "", [&](const Document& object) {
      on_change(Change{resource, {}, object});
      return true;
    });
  }
  wake();
}

void Driver::on_change(const Change& change) {
  const Document& object = change.after ? change.after : change.before;
  auto about = [&object] { return Quarantine::about(object); };
  Quarantine::Step step(quarantine_, room_, Quarantine::key_of(change.resource.resource, object), about);
  if (!step.allowed()) return;
  controller_.keys(client_->snapshot(), change, [this](const ObjectKey& key) { queue_.add(key, clock_.monotonic_us()); });
  wake();
}

// Never reconciles here: the caller may be the watch cache in the middle of telling everybody.
void Driver::wake() {
  if (in_flight_ >= limits::kControllerWorkers) return;  // the one that finishes wakes again
  if (queue_.has_ready()) {
    alarm_->set_in_ms(0);
  } else if (std::optional<int64_t> due_us = queue_.next_due_us()) {
    int64_t wait_us = std::max<int64_t>(0, *due_us - clock_.monotonic_us());
    alarm_->set_in_ms((wait_us + 999) / 1000);
  } else {
    alarm_->clear();
  }
}

void Driver::turn() {
  for (size_t n = 0; n < limits::kReconcilesPerTurn && in_flight_ < limits::kControllerWorkers; n++) {
    std::optional<ObjectKey> key = queue_.take(clock_.monotonic_us());
    if (!key) break;
    in_flight_++;
    tasks_.start(process(*key));
  }
  wake();
}

// The object that a key stands for, if any: of the first watched resource that has one of that name.
Document Driver::object_of(const ObjectKey& key) const {
  if (controller_.object) return controller_.object(client_->snapshot(), key);
  for (const ResourceId& resource : controller_.watches) {
    Document object = client_->snapshot().get(resource, key.ns, key.name);
    if (object && namespace_of(object) == key.ns) return object;
  }
  return {};
}

Task<void> Driver::process(ObjectKey key) {
  auto about = [this, &key] { return Quarantine::about(object_of(key)); };
  Quarantine::Step step(quarantine_, room_, key.text(), about);
  if (!step.allowed()) co_return left_alone(key);
  int64_t since_us = clock_.monotonic_us();
  working_since_us_.insert(since_us);
  Plan plan = controller_.reconcile(client_->snapshot(), key, moment());
  std::optional<int64_t> requeue_after_ms = plan.requeue_after_ms;
  Task<Outcome> writes = carry_out(client_.get(), &recorder_, &tasks_, std::move(plan));
  Outcome outcome = co_await writes;
  if (controller_.finish) {
    Plan last = controller_.finish(client_->snapshot(), key, moment(), outcome);
    if (last.requeue_after_ms) requeue_after_ms = last.requeue_after_ms;
    Task<Outcome> last_writes = carry_out(client_.get(), &recorder_, &tasks_, std::move(last));
    Outcome last_outcome = co_await last_writes;
    if (!outcome.error) outcome.error = last_outcome.error;
  }
  worked(since_us);
  finished(key, outcome, requeue_after_ms);
}

void Driver::worked(int64_t since_us) {
  working_since_us_.erase(working_since_us_.find(since_us));
  work_seconds_.observe(static_cast<double>(clock_.monotonic_us() - since_us) / 1e6);
}

void Driver::print_metrics(MetricText& out) const {
  const std::string labels = label_text({{"name", controller_.name}});
  auto number = [&](std::string_view name, std::string_view type, std::string_view help, double value) {
    out.family(name, type, "ALPHA", help);
    out.value(labels, value);
  };
  number("workqueue_adds_total", "counter", "Total number of adds handled by workqueue", static_cast<double>(queue_.counts().adds));
  number("workqueue_retries_total", "counter", "Total number of retries handled by workqueue", static_cast<double>(queue_.counts().retries));
  number("workqueue_depth", "gauge", "Current depth of workqueue", static_cast<double>(queue_.depth()));
  double unfinished = 0, longest = 0;
  for (int64_t since_us : working_since_us_) {
    double seconds = static_cast<double>(clock_.monotonic_us() - since_us) / 1e6;
    unfinished += seconds;
    longest = std::max(longest, seconds);
  }
  number("workqueue_unfinished_work_seconds", "gauge",
         "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values indicate stuck threads. "
         "One can deduce the number of stuck threads by observing the rate at which this increases.",
         unfinished);
  number("workqueue_longest_running_processor_seconds", "gauge", "How many seconds has the longest running processor for workqueue been running.",
         longest);
  out.family("workqueue_queue_duration_seconds", "histogram", "ALPHA", "How long in seconds an item stays in workqueue before being requested.");
  out.histogram(labels, queue_.counts().waited_seconds);
  out.family("workqueue_work_duration_seconds", "histogram", "ALPHA", "How long in seconds processing an item from workqueue takes.");
  out.histogram(labels, work_seconds_);
}

void Driver::left_alone(const ObjectKey& key) {
  queue_.forget(key);
  queue_.done(key);
  in_flight_--;
  wake();
}

void Driver::finished(const ObjectKey& key, const Outcome& outcome, std::optional<int64_t> requeue_after_ms) {
  int64_t now_us = clock_.monotonic_us();
  if (outcome.error) {
    bool usual = outcome.error->code() == Code::kConflict;  // somebody else was first: look again
    if (!usual) log_warning("controller ", controller_.name, ": ", key.text(), ": ", outcome.error->message());
    queue_.add_failed(key, now_us);
  } else {
    queue_.forget(key);
    if (requeue_after_ms) queue_.add_at(key, now_us + *requeue_after_ms * 1000);
  }
  queue_.done(key);
  in_flight_--;
  wake();
}

}  // namespace bramble
