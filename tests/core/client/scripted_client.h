// ScriptedClient: a Client for tests of what waits: calls are kept as lines of text until the test answers them.
#pragma once

#include <list>
#include <vector>

#include "core/client/map_snapshot.h"

namespace bramble {

class ScriptedClient final : public Client {
 public:
  struct Call {
    std::string text;  // "create events default {...}"
    Document body;
    std::optional<Result<Document>> answer;
    Event answered;
  };

  MapSnapshot state;
  std::vector<std::shared_ptr<Call>> calls;  // in order of arrival, answered ones too

  // Answers the n-th call: with its own body, or this error.
  void answer(size_t n) {
    calls[n]->answer = calls[n]->body;
    calls[n]->answered.set();
  }
  void fail(size_t n, Code code, std::string message) {
    calls[n]->answer = Error(code, std::move(message));
    calls[n]->answered.set();
  }
  void tell(const Change& change) {
    for (auto& fn : subscribers) fn(change);
  }

  const Snapshot& snapshot() const override { return state; }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId>, std::function<void(const Change&)> fn) override {
    subscribers.push_back(std::move(fn));
    return std::make_unique<Subscription>();
  }
  Task<Result<Document>> create(ResourceId r, std::string ns, Document object, WriteOptions) override {
    return call(cat("create ", r.resource, " ", ns, " ", name_of(object)), object);
  }
  Task<Result<Document>> update(ResourceId r, ObjectKey key, Document object, WriteOptions) override {
    return call(cat("update ", r.resource, " ", key.text()), object);
  }
  Task<Result<Document>> patch(ResourceId r, ObjectKey key, PatchType, Document patch, WriteOptions) override {
    return call(cat("patch ", r.resource, " ", key.text()), patch);
  }
  Task<Result<Document>> remove(ResourceId r, ObjectKey key, DeleteOptions) override {
    return call(cat("delete ", r.resource, " ", key.text()), Document());
  }
  std::vector<std::function<void(const Change&)>> subscribers;

 private:
  Task<Result<Document>> call(std::string text, Document body) {
    auto c = std::make_shared<Call>();
    c->text = std::move(text);
    c->body = std::move(body);
    calls.push_back(c);
    return wait_for(c);
  }
  static Task<Result<Document>> wait_for(std::shared_ptr<Call> c) {
    co_await c->answered.wait();
    co_return *c->answer;
  }
};

}  // namespace bramble
