// Files of recorded calls, .fbr: docs/recording.md has the format.
//
//   auto file = RecordingFile::Create("calls.fbr");
//   absl::Status written = (*file)->Append(block);
//   ...
//   absl::StatusOr<BlocksRead> read = ReadBlocks(&stream, take);
//
// A file is a header and blocks. Each block has a checksum and can be read
// without the others, so a file that was cut off, by a full disk or a crash,
// lacks its last block at most.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RECORDING_FILE_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RECORDING_FILE_H_

#include <cstdint>
#include <functional>
#include <istream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "firebreak/v1/recording.pb.h"

namespace firebreak::ctl {

// The highest number of lost calls that a file may state.
inline constexpr int64_t kMostLost = 1'000'000'000'000'000;

// The parts of a file: its header, and a message with its frame.
std::string RecordingHeader();
std::string RecordingBlock(const std::string& message);

class RecordingFile {
 public:
  // FAILED_PRECONDITION if the file is not empty, or cannot be written.
  static absl::StatusOr<std::unique_ptr<RecordingFile>> Create(
      const std::string& path);
  ~RecordingFile();
  RecordingFile(const RecordingFile&) = delete;
  RecordingFile& operator=(const RecordingFile&) = delete;

  // Writes the whole block, or, as far as the disk allows, nothing of it.
  // UNAVAILABLE, with the reason, if it fails; earlier blocks stay complete.
  absl::Status Append(const v1::CallBlock& block);
  int64_t bytes() const { return bytes_; }
  // Removes the file, if it has no block.
  void Remove();

 private:
  RecordingFile(std::string path, int fd, bool is_regular)
      : path_(std::move(path)), fd_(fd), is_regular_(is_regular) {}
  absl::Status Write(const std::string& bytes);

  const std::string path_;
  const int fd_;
  const bool is_regular_;
  int64_t bytes_ = 0;
};

// Whether the stream begins like such a file, and not like text.
bool IsRecordingFile(std::istream* in);

struct BlocksRead {
  int64_t blocks = 0;
  // The last block is incomplete, and was left out.
  bool is_cut = false;
};
// Passes each block to `take`, and stops if that returns an error.
// INVALID_ARGUMENT names the block and the byte. UNAVAILABLE if the stream
// fails.
absl::StatusOr<BlocksRead> ReadBlocks(
    std::istream* in,
    const std::function<absl::Status(const v1::CallBlock&)>& take);

// Checks that every number has a name, and that no time or count can cause an
// overflow. INVALID_ARGUMENT says what is wrong.
absl::Status CheckBlock(const v1::CallBlock& block);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RECORDING_FILE_H_
