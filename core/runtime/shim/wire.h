// The protocol between bramble and a pod's shim, on the Unix socket <pod directory>/shim.sock. Used by both sides; plain
// data, no library. One connection carries one operation: a request frame, then frames as its type says.
//   frame: length (u32, little endian, of what follows) version (u8) type (u8) payload
// A frame of an unknown version or type, or of an unlawful length, is answered with kFailed and the connection is closed.
// Texts in payloads end with a zero byte; numbers are little endian. A release of bramble speaks the versions of the two
// releases before it; the shim only its own.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace bramble::shim {

constexpr uint8_t kVersion = 1;
constexpr uint32_t kFrameBytesMax = 64 * 1024;
constexpr uint32_t kChunkBytes = 16 * 1024;  // of one stream frame, at most

enum Type : uint8_t {
  // Requests.
  kCreate = 1,     // flags u8 (kTty, kStdin, kStdinOnce), id, log path: `runc create` -> kDone{pid u32} | kFailed
  kStart = 2,      // id: `runc start` -> kDone | kFailed
  kKill = 3,       // signal u32, id: to the container's first process -> kDone | kFailed
  kDelete = 4,     // id: `runc delete --force`, forgets the container -> kDone | kFailed
  kSubscribe = 5,  // -> kState of each container, kSynced, then kState at each change
  kExec = 6,       // flags (kTty, kStdin), id, path of process.json -> kStarted | kFailed; streams; kExit
  kAttach = 7,     // flags (kStdin), id -> kStarted | kFailed; streams; kExit
  kShutdown = 8,   // ends the shim -> kDone | kFailed (there are containers)
  kSettle = 9,     // id: when no command of the runtime works at it (any more) -> kState | kFailed (no such container)
  // In a stream, to the shim.
  kStdinData = 20,
  kStdinClose = 21,
  kResize = 22,  // columns u16, rows u16
  // Answers.
  kDone = 40,
  kFailed = 41,  // text
  kState = 42,   // state u8, pid u32, exit code u32, signal u32, finished (u64, nanoseconds since 1970), id
  kSynced = 43,
  kStarted = 44,
  kStdoutData = 45,
  kStderrData = 46,
  kStdinGone = 47,  // the process does not read its standard input any more
  kExit = 48,       // exit code u32 (128 + signal when killed), signal u32
};

enum Flags : uint8_t { kTty = 1, kStdin = 2, kStdinOnce = 4 };
enum ContainerState : uint8_t { kCreated = 0, kRunning = 1, kExited = 2 };

// In a container's directory (<pod directory>/containers/<id>/): config.json (the bundle), pid, exit ("code signal
// finished-ns\n", written by rename).

inline void put_u16(uint8_t* at, uint16_t v) {
  at[0] = static_cast<uint8_t>(v);
  at[1] = static_cast<uint8_t>(v >> 8);
}
inline void put_u32(uint8_t* at, uint32_t v) {
  put_u16(at, static_cast<uint16_t>(v));
  put_u16(at + 2, static_cast<uint16_t>(v >> 16));
}
inline void put_u64(uint8_t* at, uint64_t v) {
  put_u32(at, static_cast<uint32_t>(v));
  put_u32(at + 4, static_cast<uint32_t>(v >> 32));
}
inline uint16_t get_u16(const uint8_t* at) { return static_cast<uint16_t>(at[0] | at[1] << 8); }
inline uint32_t get_u32(const uint8_t* at) { return get_u16(at) | static_cast<uint32_t>(get_u16(at + 2)) << 16; }
inline uint64_t get_u64(const uint8_t* at) { return get_u32(at) | static_cast<uint64_t>(get_u32(at + 4)) << 32; }

}  // namespace bramble::shim
