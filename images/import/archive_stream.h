// Streams over libarchive: undoing compression by content (gzip, zstd, none), and walking a tar. Both pull from a
// ByteSource, so archives nest without temporary files. Blocking; one thread.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <optional>

#include "images/layers/layer_dirs.h"

namespace bramble {

// What a reader of libarchive complains of: the error of its ByteSource if that failed, else libarchive's own text.
Error stream_error(archive* reader);

// Common ground of both: a reader that pulls from a source and remembers the source's error.
class PullReader {
 public:
  explicit PullReader(ByteSource source) : source_(std::move(source)) {}
  ~PullReader();
  PullReader(const PullReader&) = delete;
  archive* raw() const { return reader_; }

 protected:
  Status open_reader(archive* reader);
  Error failure() const;

 private:
  static la_ssize_t pull(archive* a, void* self, const void** block);
  ByteSource source_;
  std::optional<Error> source_error_;
  std::unique_ptr<char[]> buffer_;
  archive* reader_ = nullptr;
};

class DecompressedStream : public PullReader {
 public:
  using PullReader::PullReader;
  Status open();
  Result<size_t> read(char* out, size_t max);  // 0 at the end

 private:
  bool empty_ = false;
};

class TarReader : public PullReader {
 public:
  explicit TarReader(ByteSource source);
  Status open();
  Result<archive_entry*> next();               // null at the end; valid until the next call
  Result<size_t> read(char* out, size_t max);  // of the present entry
  Status drain();                              // reads the source to its end (padding behind the tar)

 private:
  ByteSource again_;
};

}  // namespace bramble
