#include "core/loop/loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <semaphore>
#include <thread>

#include "core/base/limits.h"
#include "core/loop/channel.h"
#include "core/loop/file_watch.h"
#include "core/loop/loop_steps.h"
#include "core/loop/wall_alarm.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

TEST(Loop, runs_posts_of_another_thread_in_order) {
  Loop loop;
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 1000; i++) loop.post([&seen, i] { seen.push_back(i); });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  ASSERT_EQ(seen.size(), 1000u);
  for (int i = 0; i < 1000; i++) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST(Loop, counts_steps_that_overrun) {
  Loop loop;
  uint64_t steps = loop_steps().steps, overruns = loop_steps().overruns;
  auto busy = [&] {
    for (int64_t end_us = loop.now_us() + 3 * limits::kLoopStepUs; loop.now_us() < end_us;) {
    }
  };
  Timer timer([&] {
    busy();
    loop.stop();
  });
  loop.post(busy);
  loop.post([&] { timer.arm_ms(0); });
  loop.run();
  EXPECT_EQ(loop_steps().steps, steps + 3);
  EXPECT_GE(loop_steps().overruns, overruns + 2);
  EXPECT_GE(loop_steps().longest_us, 3 * limits::kLoopStepUs);
}

TEST(Loop, remote_outlives_the_loop_and_answers_false) {
  Loop::Remote remote;
  {
    Loop loop;
    remote = loop.remote();
    EXPECT_TRUE(remote.post([] {}));
  }
  EXPECT_FALSE(remote.post([] { FAIL(); }));
}

TEST(Loop, posts_that_never_ran_are_destroyed_with_the_loop) {
  auto held = std::make_shared<int>(1);
  {
    Loop loop;
    loop.post([held] {});
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Loop, does_not_wake_while_idle) {
  Loop loop;
  Timer later([&] { loop.stop(); });
  later.arm_ms(200);
  uint64_t before = loop.turns();
  loop.run();
  EXPECT_LE(loop.turns() - before, 2u);
}

Task<void> sleep_then_push(int64_t ms, std::vector<int>* out, int value) {
  co_await sleep_ms(ms);
  out->push_back(value);
}

TEST(Sleep, resumes_in_order_of_time) {
  Loop loop;
  std::vector<int> order;
  TaskGroup group;
  group.start(sleep_then_push(20, &order, 2));
  group.start(sleep_then_push(5, &order, 1));
  run_task(loop, sleep_ms(40));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Sleep, dropping_the_task_cancels_it) {
  Loop loop;
  std::vector<int> order;
  {
    TaskGroup group;
    group.start(sleep_then_push(1, &order, 1));
  }
  run_task(loop, sleep_ms(10));
  EXPECT_TRUE(order.empty());
}

TEST(Timer, may_be_destroyed_by_its_own_callback_and_rearmed) {
  Loop loop;
  int fired = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>([&] {
    if (++fired < 3) {
      timer->arm_ms(0);
    } else {
      timer.reset();
      loop.stop();
    }
  });
  EXPECT_FALSE(timer->armed());
  timer->arm_ms(1);
  EXPECT_TRUE(timer->armed());
  timer->disarm();
  EXPECT_FALSE(timer->armed());
  timer->arm_ms(0);
  loop.run();
  EXPECT_EQ(fired, 3);
}

Task<int> offload_sum(int n) {
  auto work = [n] {
    int sum = 0;
    for (int i = 1; i <= n; i++) sum += i;
    return sum;
  };
  int sum = co_await offload(work);
  co_return sum;
}

TEST(Offload, gives_the_value_on_the_loop) {
  Loop loop;
  EXPECT_EQ(run_task(loop, offload_sum(100)), 5050);
}

Task<void> offload_hold(std::shared_ptr<std::atomic<int>> ran, bool* resumed) {
  auto work = [ran] {
    usleep(20000);
    ran->fetch_add(1);
    return 0;
  };
  int x = co_await offload(work);
  *resumed = x == 0;
}

TEST(Offload, a_dropped_task_lets_the_work_finish_and_never_resumes) {
  auto ran = std::make_shared<std::atomic<int>>(0);
  bool resumed = false;
  Loop loop;
  {
    TaskGroup group;
    group.start(offload_hold(ran, &resumed));
  }
  run_until(loop, [&] { return ran->load() == 1; });
  run_task(loop, sleep_ms(5));
  EXPECT_FALSE(resumed);
}

Task<void> offload_count(int n, int* done) {
  auto work = [n] { return n; };
  int got = co_await offload(work);
  *done += got == n;
}

TEST(Offload, many_at_once_all_come_home) {
  Loop loop;
  int done = 0;
  TaskGroup group;
  for (int i = 0; i < 500; i++) group.start(offload_count(i, &done));
  run_until(loop, [&] { return done == 500; });
  EXPECT_EQ(group.size(), 0u);
}

// Work that runs until it is let go.
struct Held {
  std::atomic<bool> begun{false};
  std::binary_semaphore go{0};
};
Task<void> offload_held(std::shared_ptr<Held> held, OffloadLane lane = OffloadLane::kShort) {
  auto work = [held] {
    held->begun = true;
    held->go.acquire();
    return 0;
  };
  Task<int> holding = offload(work, lane);
  co_await holding;
}

TEST(OffloadHalt, waits_for_what_runs_and_lets_nothing_begin) {
  Loop loop;
  auto running = std::make_shared<Held>(), late = std::make_shared<Held>();
  TaskGroup group;
  group.start(offload_held(running));
  run_until(loop, [&] { return running->begun.load(); });
  {
    OffloadHalt halt;
    group.start(offload_held(late));
    EXPECT_FALSE(run_task(loop, halt.quiet(1))) << "it still runs";
    running->go.release();
    EXPECT_TRUE(run_task(loop, halt.quiet(60 * 1000)));
    EXPECT_FALSE(late->begun);
  }
  EXPECT_EQ(run_task(loop, offload_sum(4)), 10) << "work is taken again";
  EXPECT_FALSE(late->begun);
}

TEST(OffloadHalt, throws_away_what_waits_for_a_thread) {
  Loop loop;
  std::vector<std::shared_ptr<Held>> all;
  TaskGroup group;
  for (size_t i = 0; i < limits::kOffloadThreadsMax + 1; i++) {
    all.push_back(std::make_shared<Held>());
    group.start(offload_held(all.back()));
  }
  run_until(loop, [&] { return all[0]->begun.load(); });
  OffloadHalt halt;
  for (auto& h : all) h->go.release();
  EXPECT_TRUE(run_task(loop, halt.quiet(60 * 1000)));
  EXPECT_FALSE(all.back()->begun);
}

TEST(OffloadHalt, holds_for_every_lane_and_leaves_no_place_taken) {
  Loop loop;
  auto running = std::make_shared<Held>(), waiting = std::make_shared<Held>();
  TaskGroup group;
  group.start(offload_held(running, OffloadLane::kLong));
  group.start(offload_held(waiting, OffloadLane::kLong));
  run_until(loop, [&] { return running->begun.load(); });
  {
    OffloadHalt halt;
    EXPECT_FALSE(run_task(loop, halt.quiet(1))) << "an import still runs";
    running->go.release();
    EXPECT_TRUE(run_task(loop, halt.quiet(60 * 1000)));
    EXPECT_FALSE(waiting->begun);
    run_until(loop, [&] { return loop.offload_gate(OffloadLane::kLong).jobs == 0; });
  }
  EXPECT_FALSE(waiting->begun);
}

// Work that stands still until it is let go.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int begun = 0;
  void pass() {
    std::unique_lock lock(mutex);
    begun++;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
  }
  void let_go() {
    std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

Task<void> offload_pass(std::shared_ptr<Gate> gate, OffloadLane lane) {
  auto work = [gate] {
    gate->pass();
    return 0;
  };
  Task<int> passing = offload(work, lane);
  int passed = co_await passing;
  EXPECT_EQ(passed, 0);
}

TEST(Offload, short_jobs_do_not_wait_for_long_ones) {
  Loop loop;
  auto gate = std::make_shared<Gate>();
  TaskGroup group;
  for (int i = 0; i < 10; i++) group.start(offload_pass(gate, OffloadLane::kLong));
  EXPECT_EQ(run_task(loop, offload_sum(100)), 5050);
  gate->let_go();
  run_until(loop, [&] { return group.size() == 0; });
  EXPECT_EQ(gate->begun, 10);
}

TEST(Offload, callers_beyond_the_limit_wait_and_may_be_dropped) {
  Loop loop;
  auto gate = std::make_shared<Gate>();
  auto many = std::make_unique<TaskGroup>();
  for (size_t i = 0; i < limits::kOffloadJobsMax + 50; i++) many->start(offload_pass(gate, OffloadLane::kShort));
  many.reset();
  gate->let_go();
  EXPECT_EQ(run_task(loop, offload_sum(100)), 5050);
  run_until(loop, [&] { return loop.offload_gate(OffloadLane::kShort).jobs == 0; });
  EXPECT_EQ(gate->begun, static_cast<int>(limits::kOffloadJobsMax));
  // And all of more than the limit come home when nobody drops them.
  TaskGroup group;
  int done = 0;
  for (size_t i = 0; i < 3 * limits::kOffloadJobsMax; i++) group.start(offload_count(static_cast<int>(i), &done));
  run_until(loop, [&] { return done == 3 * static_cast<int>(limits::kOffloadJobsMax); });
}

TEST(FdWatch, reports_readable_and_may_go_in_its_callback) {
  Loop loop;
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  std::optional<FdWatch> watch;
  int calls = 0;
  watch.emplace(fds[0], FdWatch::kReadable, [&](int events) {
    EXPECT_EQ(events, FdWatch::kReadable);
    calls++;
    watch.reset();
    loop.stop();
  });
  ASSERT_EQ(write(fds[1], "x", 1), 1);
  loop.run();
  run_task(loop, sleep_ms(5));
  EXPECT_EQ(calls, 1);
  close(fds[0]);
  close(fds[1]);
}

TEST(WallAlarm, fires_at_its_time_and_at_once_when_that_is_over) {
  Loop loop;
  int fired = 0;
  WallAlarm alarm([&] {
    fired++;
    loop.stop();
  });
  alarm.set_at_s(time(nullptr) + 3600);
  run_task(loop, sleep_ms(5));
  EXPECT_EQ(fired, 0);
  alarm.set_at_s(0);
  while (fired == 0) loop.run();
  alarm.set_at_s(time(nullptr) + 1);
  while (fired == 1) loop.run();
  run_task(loop, sleep_ms(5));
  EXPECT_EQ(fired, 2);
}

TEST(WallAlarm, may_go_in_its_callback) {
  Loop loop;
  std::optional<WallAlarm> alarm;
  alarm.emplace([&] {
    alarm.reset();
    loop.stop();
  });
  alarm->set_at_s(1);
  loop.run();
  EXPECT_FALSE(alarm);
}

TEST(SignalWatch, calls_back_on_the_loop) {
  Loop loop;
  int got = 0;
  SignalWatch watch(SIGUSR1, [&] {
    got++;
    loop.stop();
  });
  kill(getpid(), SIGUSR1);
  loop.run();
  EXPECT_EQ(got, 1);
}

TEST(FileWatch, tells_of_a_new_file_in_a_folder) {
  Loop loop;
  char dir[] = "/tmp/file_watch_XXXXXX";
  ASSERT_NE(mkdtemp(dir), nullptr);
  std::string name;
  auto watch = FileWatch::start(dir, [&](const std::string& n) {
    name = n;
    loop.stop();
  });
  ASSERT_TRUE(watch.ok());
  std::string path = cat(dir, "/pod.yaml");
  std::ofstream(path) << "kind: Pod\n";
  loop.run();
  EXPECT_EQ(name, "pod.yaml");
  unlink(path.c_str());
  rmdir(dir);
}

TEST(FileWatch, of_a_missing_path_is_not_found) {
  Loop loop;
  auto watch = FileWatch::start("/nowhere/at/all", [](const std::string&) {});
  ASSERT_FALSE(watch.ok());
  EXPECT_EQ(watch.error().code(), Code::kNotFound);
}

Task<void> produce(Channel<int>* channel, int count) {
  for (int i = 0; i < count; i++) {
    bool sent = co_await channel->send(i);
    if (!sent) co_return;
  }
  channel->close();
}
Task<int> consume(Channel<int>* channel) {
  int sum = 0;
  for (;;) {
    std::optional<int> v = co_await channel->receive();
    if (!v) co_return sum;
    sum += *v;
  }
}

TEST(Channel, is_bounded_and_drains_after_close) {
  Loop loop;
  Channel<int> channel(2);
  TaskGroup group;
  group.start(produce(&channel, 100));
  EXPECT_EQ(channel.size(), 2u);
  EXPECT_EQ(run_task(loop, consume(&channel)), 4950);
}

TEST(Channel, send_after_close_answers_false) {
  Channel<int> channel(1);
  channel.close();
  EXPECT_FALSE(channel.try_send(1));
}

TEST(TaskGroup, a_task_that_starts_another_and_ends_is_forgotten) {
  Loop loop;
  TaskGroup group;
  std::vector<int> out;
  for (int i = 0; i < 10; i++) group.start(sleep_then_push(0, &out, i));
  EXPECT_EQ(group.size(), 10u);
  run_task(loop, sleep_ms(10));
  EXPECT_EQ(group.size(), 0u);
  EXPECT_EQ(out.size(), 10u);
}

Task<void> work_on(uint64_t number, std::vector<uint64_t>* seen) {
  WorkingOn here(number);
  co_await sleep_ms(1);
  seen->push_back(WorkingOn::now());
  Task<uint64_t> on_the_pool = offload([] { return WorkingOn::now(); });
  uint64_t there = co_await on_the_pool;
  seen->push_back(there);
  seen->push_back(WorkingOn::now());
}

TEST(Loop, what_is_worked_on_follows_a_coroutine_over_its_waits_and_to_the_pool) {
  Loop loop;
  std::vector<uint64_t> seen_five, seen_six;
  TaskGroup tasks;
  tasks.start(work_on(5, &seen_five));
  EXPECT_EQ(WorkingOn::now(), 0u);
  tasks.start(work_on(6, &seen_six));
  run_until(loop, [&] {
    EXPECT_EQ(WorkingOn::now(), 0u);
    return tasks.size() == 0;
  });
  EXPECT_EQ(seen_five, (std::vector<uint64_t>{5, 5, 5}));
  EXPECT_EQ(seen_six, (std::vector<uint64_t>{6, 6, 6}));
}

}  // namespace
}  // namespace bramble
