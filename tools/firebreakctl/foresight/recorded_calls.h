// Makes a Recording, or a CSV file, from blocks of recorded calls.
//
//   RecordedCalls calls;
//   for (const v1::CallBlock& block : ...) status = calls.Add(block);
//   absl::StatusOr<sim::Recording> recording = calls.Finish();
//
// The times of all hosts are converted to the clock of the host that recorded
// them.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RECORDED_CALLS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RECORDED_CALLS_H_

#include <cstdint>
#include <istream>
#include <map>
#include <ostream>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "firebreak/v1/recording.pb.h"
#include "src/sim/observed.h"
#include "src/sim/recording.h"

namespace firebreak::ctl {

// What a reader should know about recorded calls besides the Recording.
struct RecordedNotes {
  bool is_cut = false;
  int64_t lost = 0;
  int64_t streams = 0;
  int64_t abandoned = 0;  // calls that a CSV file leaves out
  double share = 1;
  std::set<std::string> sources;  // of the blocks that have calls
  // How many nanoseconds the clocks are ahead, of the hosts whose clocks
  // differed.
  std::map<std::string, int64_t> clocks;
};

class RecordedCalls {
 public:
  // Adds a block that has passed CheckBlock(). RESOURCE_EXHAUSTED past
  // Recording::kMaxCalls.
  absl::Status Add(const v1::CallBlock& block);
  // To be called once. INVALID_ARGUMENT if there is no call, or if the clocks
  // cannot be right.
  absl::StatusOr<sim::Recording> Finish();
  const RecordedNotes& notes() const { return notes_; }

 private:
  sim::Observed observed_;
  RecordedNotes notes_;
};

// Makes a Recording from a .fbr file.
absl::StatusOr<sim::Recording> ReadRecordedCalls(std::istream* in,
                                                 RecordedNotes* notes);

// Writes a line for each call, as its caller saw it, by the same clock.
// docs/recording.md explains the columns. Streams and abandoned calls are left
// out.
absl::Status WriteCsv(std::istream* in, std::ostream* out,
                      RecordedNotes* notes);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RECORDED_CALLS_H_
