// Files of recorded calls, .fbr: docs/recording.md has the format.
//
//   auto file = RecordingFile::Create("calls.fbr");
//   absl::Status written = (*file)->Append(block);
//   ...
//   absl::StatusOr<BlocksRead> read = ReadBlocks(&stream, take);
//
// A file is a header and blocks, each of which can be read without the others
// and has a checksum: so one that was cut off, by a full disk or a machine that
// went down, is missing its last block at most.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_RECORDING_FILE_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_RECORDING_FILE_H_

#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "firebreak/v1/recording.pb.h"
#include "src/sim/recording.h"

namespace firebreak::ctl {

// No file has lost more.
inline constexpr int64_t kMostLost = 1'000'000'000'000'000;

// What a file is made of: its header, and a message with what it is framed in.
std::string RecordingHeader();
std::string RecordingBlock(const std::string& message);

class RecordingFile {
 public:
  // FAILED_PRECONDITION: there is something in it already, or it cannot be
  // written.
  static absl::StatusOr<std::unique_ptr<RecordingFile>> Create(
      const std::string& path);
  ~RecordingFile();
  RecordingFile(const RecordingFile&) = delete;
  RecordingFile& operator=(const RecordingFile&) = delete;

  // The whole block, or, as far as the disk lets us, nothing of it.
  // UNAVAILABLE: why not; what was appended before is whole.
  absl::Status Append(const v1::CallBlock& block);
  int64_t bytes() const { return bytes_; }
  // Of a file without a block.
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

// Whether what comes is such a file, and no text.
bool IsRecordingFile(std::istream* in);

struct BlocksRead {
  int64_t blocks = 0;
  // The last one has no end, and was left out.
  bool is_cut = false;
};
// Hands each block to `take`, whose error ends it.
// INVALID_ARGUMENT: names the block and the byte. UNAVAILABLE: the stream.
absl::StatusOr<BlocksRead> ReadBlocks(
    std::istream* in,
    const std::function<absl::Status(const v1::CallBlock&)>& take);

// What a reader should know of recorded calls beside the Recording.
struct RecordedNotes {
  bool is_cut = false;
  int64_t lost = 0;
  int64_t streams = 0;
  int64_t abandoned = 0;  // that a table leaves out
  double share = 1;
  // By how many nanoseconds those are ahead whose clocks disagreed.
  std::map<std::string, int64_t> clocks;
};
// A Recording of such a file. Calls of different hosts are put onto the clock
// of who recorded them.
absl::StatusOr<sim::Recording> ReadRecordedCalls(std::istream* in,
                                                 RecordedNotes* notes);

// A line for each call, as its caller saw it, on the same clock:
// docs/recording.md has the columns. Streams are left out, and calls that were
// abandoned.
absl::Status WriteCsv(std::istream* in, std::ostream* out,
                      RecordedNotes* notes);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_RECORDING_FILE_H_
