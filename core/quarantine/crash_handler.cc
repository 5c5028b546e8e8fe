// What happens on the way to death: everything here is async-signal-safe (signal-safety(7)) but for the setting up.
#include <signal.h>
#include <unistd.h>

#include <cstring>

#include "core/base/limits.h"
#include "core/base/working_on.h"
#include "core/quarantine/quarantine_file.h"

namespace bramble {

namespace {

struct Fatal {
  int number;
  const char* name;
};
constexpr Fatal kFatal[] = {{SIGABRT, "SIGABRT"}, {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},
                            {SIGILL, "SIGILL"},   {SIGFPE, "SIGFPE"},   {SIGTRAP, "SIGTRAP"}};

const char* name_of_signal(int number) {
  for (const Fatal& f : kFatal) {
    if (f.number == number) return f.name;
  }
  return "a signal";
}

void say(const char* text) {
  ssize_t written = write(2, text, strlen(text));
  (void)written;
}

}  // namespace

// Set once, before threads start; the handler has no other way to it.
static void* volatile g_crash_file = nullptr;

void Quarantine::File::blame(uint64_t number, int signal_number) {
  signal = signal_number;
  blamed = number;
  say("bramble: ");
  say(name_of_signal(signal_number));
  for (const Slot& s : slots) {
    if (number == 0 || s.number != number) continue;
    say(" while ");
    say(s.room);
    say(" worked on ");
    say(s.key);
  }
  say("\n");
}

std::string signal_name(int number) { return name_of_signal(number); }

void forget_crashes_of(const void* file) {
  if (g_crash_file == file) g_crash_file = nullptr;
}

void Quarantine::watch_for_crashes() {
  // A stack of its own: endless recursion leaves none. Only this thread's; the others have no steps that recurse.
  static char stack[limits::kCrashStackBytes];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  sigaltstack(&alternate, nullptr);
  g_crash_file = file_;
  struct sigaction action {};
  action.sa_handler = [](int number) {
    if (void* file = g_crash_file) static_cast<File*>(file)->blame(WorkingOn::now(), number);
    raise(number);  // as it would have been: the default is back (SA_RESETHAND)
  };
  action.sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
  for (const Fatal& f : kFatal) sigaction(f.number, &action, nullptr);
}

}  // namespace bramble
