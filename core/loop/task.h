// Task<T>: a lazy coroutine with one owner. It starts when awaited (or handed to a TaskGroup); dropping it cancels: the
// frame is destroyed where it waits, and each awaiter's destructor takes back what it asked for. Everything of one loop
// runs on that loop's thread; a Task never moves between threads.
//
// Rules (a compiler bug of GCC 12 makes them law): co_await stands alone, `auto x = co_await f(named);` or a bare
// statement, never inside a larger expression, ?:, or with a capturing lambda or braced temporary among the arguments.
// Parameters by value. After an await look state up again by key.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/base/working_on.h"

namespace bramble {

template <class T = void>
class Task;

namespace task_detail {

struct FinalAwaiter {
  bool await_ready() const noexcept { return false; }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
    auto next = h.promise().continuation;
    return next ? next : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> continuation;
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& v) { value.emplace(std::forward<U>(v)); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
};

}  // namespace task_detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle h) : h_(h) {}
  Task(Task&& o) noexcept : h_(std::exchange(o.h_, {})) {}
  Task& operator=(Task&& o) noexcept {
    if (this != &o) {
      if (h_) h_.destroy();
      h_ = std::exchange(o.h_, {});
    }
    return *this;
  }
  Task(const Task&) = delete;
  ~Task() {
    if (h_) h_.destroy();
  }

  bool valid() const { return static_cast<bool>(h_); }

  // co_await task: starts it; resumes the awaiting coroutine with its value.
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    h_.promise().continuation = caller;
    return h_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(*h_.promise().value);
  }

 private:
  Handle h_;
};

namespace task_detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace task_detail

// TaskGroup: owns running Task<void>s. The last member of its class, so that tasks end before what they use.
// start() runs the task until its first wait, at once. Destroying the group cancels all of them. Tasks that end remove
// themselves. Not thread-safe: one loop's thread.
class TaskGroup {
 public:
  TaskGroup() : state_(std::make_shared<State>()) {}
  ~TaskGroup() { cancel_all(); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void start(Task<void> task) {
    auto s = state_;  // the task may destroy this group while it runs
    reap(*s);
    s->running.push_back(std::make_unique<Entry>());
    Entry* e = s->running.back().get();
    e->wrapper = wrap(std::move(task), e);
    WorkingOn as_before(WorkingOn::now());  // what the task goes on to work on is not its starter's
    e->wrapper.start();
  }
  size_t size() const {
    reap(*state_);
    return state_->running.size();
  }
  // Cancels every task. A task must not call this on the group that owns it.
  void cancel_all() {
    auto doomed = std::move(state_->running);
    state_->running.clear();
    doomed.clear();
  }

 private:
  // A detached outer coroutine, so that the owned frame is never destroyed by its own final step.
  struct Runner {
    struct promise_type {
      Runner get_return_object() { return Runner(std::coroutine_handle<promise_type>::from_promise(*this)); }
      std::suspend_always initial_suspend() const noexcept { return {}; }
      std::suspend_always final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
    };
    Runner() = default;
    explicit Runner(std::coroutine_handle<promise_type> h) : h_(h) {}
    Runner(Runner&& o) noexcept : h_(std::exchange(o.h_, {})) {}
    Runner& operator=(Runner&& o) noexcept {
      std::swap(h_, o.h_);
      return *this;
    }
    ~Runner() {
      if (h_) h_.destroy();
    }
    void start() { h_.resume(); }
    std::coroutine_handle<promise_type> h_;
  };
  struct Entry {
    bool done = false;
    Runner wrapper;
  };
  struct State {
    std::list<std::unique_ptr<Entry>> running;
  };
  static Runner wrap(Task<void> task, Entry* entry) {
    co_await task;
    entry->done = true;
  }
  static void reap(State& s) {
    s.running.remove_if([](const std::unique_ptr<Entry>& e) { return e->done; });
  }
  std::shared_ptr<State> state_;
};

// Event: one coroutine or many wait until set() is called. set() resumes the waiters before it returns; a waiter that is
// dropped forgets itself. Stays set until reset(). Destroying an Event leaves its waiters asleep for good: they must belong
// to a TaskGroup that is destroyed with or before it. Not thread-safe.
class Event {
  struct List;

 public:
  Event() = default;
  ~Event() {
    for (Waiter* w = waiting_.head; w; w = w->next_) w->list_ = nullptr;
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  bool is_set() const { return set_; }
  void reset() { set_ = false; }
  void set() {
    set_ = true;
    pulse();
  }
  // Resumes those who wait now, without staying set: "something changed, look again".
  void pulse() {
    // The waiters of this moment move to a list of their own: one that waits again inside its resume is not met twice, and
    // the Event itself may be destroyed by what runs.
    List now = waiting_;
    waiting_ = {};
    for (Waiter* w = now.head; w; w = w->next_) w->list_ = &now;
    while (now.head) {
      Waiter* w = now.head;
      w->unlink();
      WorkingOn its_own(w->working_on_);
      w->h_.resume();
    }
  }

  class Waiter {
   public:
    explicit Waiter(Event* event) : event_(event) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() { unlink(); }
    bool await_ready() const noexcept { return event_->set_; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
      h_ = h;
      working_on_ = WorkingOn::now();
      list_ = &event_->waiting_;
      prev_ = list_->tail;
      next_ = nullptr;
      (prev_ ? prev_->next_ : list_->head) = this;
      list_->tail = this;
    }
    void await_resume() const noexcept {}

   private:
    friend class Event;
    void unlink() {
      if (!list_) return;
      (prev_ ? prev_->next_ : list_->head) = next_;
      (next_ ? next_->prev_ : list_->tail) = prev_;
      list_ = nullptr;
    }
    Event* event_;
    std::coroutine_handle<> h_;
    uint64_t working_on_ = 0;
    List* list_ = nullptr;
    Waiter* prev_ = nullptr;
    Waiter* next_ = nullptr;
  };
  Waiter wait() { return Waiter(this); }

 private:
  struct List {
    Waiter* head = nullptr;
    Waiter* tail = nullptr;
  };
  bool set_ = false;
  List waiting_;
};

}  // namespace bramble
